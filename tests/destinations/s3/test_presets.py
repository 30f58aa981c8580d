"""Each provider's preset against rclone's S3 server; `test_radosgw.py` tries them on Ceph's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.destinations.hosting import Loop, rclone
from tests.destinations.preset_trial import BY_PATH, VIRTUAL, try_preset
from tests.replicate.proxies import proxying
from tests.support import needs_program

pytestmark = needs_program("rclone")


@pytest.mark.parametrize("preset", BY_PATH)
def test_a_providers_preset(tmp_path: Path, preset: str) -> None:
    with rclone(tmp_path / "server", None) as server:
        try_preset(server, preset, tmp_path)


@pytest.mark.parametrize("preset", VIRTUAL)
def test_a_preset_with_the_bucket_in_the_hosts_name(
    loop_thread: Loop, tmp_path: Path, preset: str
) -> None:
    with rclone(tmp_path / "server", None, "--force-path-style=false") as server:
        try_preset(server, preset, tmp_path, loop_thread.enter(proxying()).port)


def test_every_provider_is_tried() -> None:
    assert {"aws", "minio", "b2", "r2", "wasabi"} <= {*BY_PATH, *VIRTUAL}
