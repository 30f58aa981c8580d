"""The demo has a Hub and a bucket of its own, so that every way of delivery can be rehearsed."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.cli.demo import BUCKET_NAME, DemoSession, leave
from tui.cli.main import build_parser
from tui.settings import Home


@pytest.fixture
def session() -> Iterator[DemoSession]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    session = DemoSession(Home(root / "h", root / "h" / "cloud_outputs"), root / "project")
    yield session
    session.close()
    shutil.rmtree(root, ignore_errors=True)


async def test_every_way_of_delivery_works_in_the_demo(
    session: DemoSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_the_users_own")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody must ask there
    session.build()
    client = await session.open()
    names = await client.publishing.namespaces()
    assert names["namespaces"] == ["sandbox", "sandbox-lab"]
    assert [one["name"] for one in await client.publishing.destinations()] == [BUCKET_NAME]
    for body in ({"kind": "hub", "hub_model_id": "sandbox/cat", "try": True},
                 {"kind": "s3", "destination": BUCKET_NAME}, {"kind": "local"}):  # fmt: skip
        answer = await client.cloud.check_delivery(**body)
        assert answer["verdict"] == "works", answer


class Typed(io.StringIO):
    """A terminal on which an answer was typed."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "stays"),
    [(Typed("y\n"), False), (Typed("\n"), True), (Typed(""), True), (io.StringIO("y\n"), True)],
    ids=["yes", "enter", "hung up", "no terminal"],
)
def test_delivered_files_of_the_demo_are_removed_after_a_yes_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stdin: io.StringIO,
    stays: bool,
) -> None:
    root = tmp_path / "demo"
    weights = root / "cloud_outputs/cat/weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"12345")
    record = root / "cloud_outputs/.incoming/record.json"
    record.parent.mkdir()
    record.write_bytes(b"1")
    monkeypatch.setattr("sys.stdin", stdin)
    leave(root)
    assert weights.exists() is root.exists() is stays
    said = capsys.readouterr().err
    assert f"{root / 'cloud_outputs'} (1 file, 5 B)" in said
    assert (f"rm -r {root}" in said) is stays


def test_a_demo_that_a_signal_ended_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "demo/cloud_outputs/cat/weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"12345")
    monkeypatch.setattr("sys.stdin", Typed("y\n"))
    leave(tmp_path / "demo", ask=False)
    assert weights.exists()
    assert "Remove them" not in capsys.readouterr().err


def test_a_demo_without_files_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    (root / "cloud_outputs").mkdir(parents=True)
    leave(root)
    assert not root.exists()


def test_the_demo_help_says_that_it_ignores_the_home_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["demo", "--help"])
    assert "SIMPLETUNER_TUI_HOME means nothing to it" in " ".join(capsys.readouterr().out.split())
