"""`--data staged` and `staged`: data that the trainer reads from elsewhere, by commands alone."""

from __future__ import annotations

import json

from tests.cli.shell import Shell


def test_staged_data_are_listed_and_removed(shell: Shell) -> None:
    nowhere = shell.run(
        "submit", str(shell.config), "--data", "staged:nosuch", "--yes", status=2
    )  # fmt: skip
    assert "There is no place nosuch to stage to." in nowhere.stderr
    assert "There are: hub, here." in nowhere.stderr
    hub = shell.world.sandbox.hub_url
    environ = {"HF_TOKEN": "hf_write", "HF_ENDPOINT": str(hub)}
    shown = shell.run(
        "submit", str(shell.config), "--data", "staged:hub", "--delivery", "local", "--dry-run",
        status=None, **environ,
    ).stdout  # fmt: skip
    assert "the private dataset sandbox/staged-" in shown
    assert "stays on this machine: 9 images, 9 captions, " in shown
    assert "    your Hugging Face token, which may also write, travels with the job" in shown
    assert '\\"type\\":\\"huggingface\\"' in shown
    assert "as the trainer reads it" not in shown, "a dry run shows it once, in the request"
    asked = ("check", str(shell.config), "--delivery", "local")
    read = shell.run(*asked, "--data", "staged:hub", status=None, **environ).stdout
    lines = read.partition("  the dataloader, as the trainer reads it:\n")[2]
    entry = json.loads(lines)[0]
    assert (entry["type"], entry["dataset_type"]) == ("huggingface", "image")
    assert '\n      "type": "huggingface",\n' in lines, "indented"
    packed = shell.run(*asked, "--data", "upload", status=None, **environ).stdout
    assert "as the trainer reads it" not in packed, "nothing is rewritten for an archive"
    done = shell.submit("--data", "staged:hub", "--keep-staged", "--wait", status=None, **environ)
    assert done["status"] == "completed", done
    (row,) = shell.json("staged", "list")
    assert (row["place"], row["complete"], row["keep"]) == ("hub", True, True)
    assert row["key"] in shell.run("staged").stdout
    refused = shell.run("staged", "remove", status=None)
    assert refused.returncode != 0
    assert "none is named" in refused.stderr
    listed = shell.home / "staged" / f"{row['key']}.manifest.json"
    content = listed.read_bytes()
    listed.write_bytes(b"{")
    shell.run("staged", "remove", row["key"], status=1, **environ)
    assert "not removed yet: the list of the files" in shell.run("staged").stdout
    listed.write_bytes(content)
    removed = shell.json("staged", "remove", row["key"][:6], status=0, **environ)
    assert removed == {"removed": [row["key"]]}
    assert shell.json("staged") == []
