"""Tries the rules of a provider's preset against a server that is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.destinations.conftest import make_files, publish
from tests.destinations.hosting import BUCKET, Server
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.parts import PART_BYTES
from tui.destinations.s3.profile import PRESETS, S3Profile

VIRTUAL_HOST = "s3.example.test"
"""A name that only a proxy knows: buckets stand before it."""
VIRTUAL = [preset.id for preset in PRESETS.values() if preset.addressing == "virtual"]
BY_PATH = [preset.id for preset in PRESETS.values() if preset.addressing == "path"]


def try_preset(server: Server, preset_id: str, folder: Path, proxy_port: int = 0) -> None:
    """Publish, verify, read and test with a preset's addressing, region and checksums."""
    preset = PRESETS[preset_id]
    endpoint = f"http://{VIRTUAL_HOST}:{server.port}" if proxy_port else server.endpoint
    profile = S3Profile(
        BUCKET, endpoint, region=preset.region, prefix=f"presets/{preset_id}",
        addressing=preset.addressing, preset=preset_id,
    )  # fmt: skip
    network = server.network
    if proxy_port:
        network = replace(network, proxy=f"http://127.0.0.1:{proxy_port}")
    destination = S3Destination(profile, server.keys, network=network)
    seen: list[str] = []

    def note(request: Any, **_: Any) -> None:
        headers = (f"{name}={request.headers[name]}" for name in request.headers)
        seen.append(" ".join([request.url, *headers]))

    destination._client.meta.events.register("before-send.s3", note)
    try:
        files = make_files(folder, small=1000, large=2 * PART_BYTES)
        for item in publish(destination, files):
            assert destination.verify(item, deep=True).checksum == item.sha256
        report = destination.test()
        assert report.ok, (preset_id, report)
        large = destination.test_large()
        assert large.level == "ok", (preset_id, large)
    finally:
        destination.close()
    assert seen
    for request in seen:
        assert (f"//{BUCKET}.{VIRTUAL_HOST}" in request) is bool(proxy_port), request
        assert f"/{preset.region}/s3/aws4_request" in request, request
        lowered = request.lower()
        assert "x-amz-trailer" not in lowered, "several servers refuse checksums in a trailer"
        assert "aws-chunked" not in lowered
