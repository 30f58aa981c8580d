"""Ourselves under a clock that is wrong."""

from __future__ import annotations

import subprocess
import sys

from tests.destinations.hosting import BUCKET, Server

_CODE = """
import sys
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.secret import Secret
endpoint, bucket, access, secret = sys.argv[1:]
destination = S3Destination(S3Profile(bucket, endpoint), S3Keys(access, Secret(secret)))
for step in destination.test().steps:
    print(step.level, step.message, step.advice)
"""


def destination_test_three_hours_ahead(server: Server) -> str:
    """What the test of a destination prints when this machine's clock is three hours ahead."""
    command = ["faketime", "-f", "+3h", sys.executable, "-c", _CODE]
    done = subprocess.run(
        [*command, server.endpoint, BUCKET, server.access, server.secret],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout
