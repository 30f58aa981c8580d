"""S3 servers to measure at."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.destinations.hosting import Server, rclone
from tests.destinations.radosgw import make_bucket, missing_program, rados


def buckets(root: Path, most_bytes: int) -> Iterator[tuple[str, Server]]:
    """Servers with a bucket, by name; each runs until the next is asked for.

    Ceph's gateway, which keeps everything in memory, and rclone over a folder. What is not
    installed is left out.

    Args:
        root: where rclone's folder is made.
        most_bytes: how much Ceph has room for.
    """
    if missing_program() is None:
        with rados(Path(tempfile.mkdtemp(prefix="rgw")), store_bytes=most_bytes) as ceph:
            server = ceph.user("owner")
            make_bucket(server)
            yield "Ceph", server
    if shutil.which("rclone"):
        with rclone(root, None) as server:
            yield "rclone", server
