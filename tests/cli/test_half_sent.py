"""A bucket in which half-sent parts lie is not forgotten: they cost money there."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shell import Shell
from tests.engine.transfers.transfer_steps import half_sent
from tui.settings import Home
from tui.store.transfer_records import TransferState
from tui.store.writer import StoreWriter


def test_a_destination_with_unfinished_uploads_is_removed_only_by_force(
    shell: Shell, tmp_path: Path
) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"x" * 100)
    writer = StoreWriter(Home(shell.home, shell.home / "cloud_outputs"))
    transfer = half_sent(writer, source, TransferState.PAUSED).transfer_id
    writer.close()
    shell.run(
        "destinations", "add", "mine", "--kind", "s3", "--bucket", "buck", "--endpoint",
        "http://127.0.0.1:9", "--session-only", given="A\nnot-a-secret\n",
    )  # fmt: skip
    failure = shell.json("destinations", "remove", "mine", status=1)
    assert (failure["error"], failure["details"]) == ("in_use", {"transfers": [transfer]})
    output = shell.run("destinations", "remove", "mine", status=1).stderr
    assert f"simpletuner-tui transfers cancel {transfer}" in output
    moved = ("destinations", "edit", "mine", "--bucket", "other")
    assert shell.json(*moved, status=1)["error"] == "in_use"
    assert [one["name"] for one in shell.json("destinations", "list")["destinations"]] == ["mine"]
    assert shell.json("destinations", "remove", "mine", "--force")["removed"]
    assert shell.json("destinations", "list")["destinations"] == []
