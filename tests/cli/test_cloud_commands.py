"""Hardware, versions and the Hub's token by commands alone."""

from __future__ import annotations

import sys

import pytest

from tests.cli.shell import Shell
from tui.cli import main
from tui.cli.exit_codes import FAILED

L40S = "simpletuner/advanced-trainer-l40s"


def test_hardware_lists_memory_price_and_state(shell: Shell) -> None:
    data = shell.json("hardware")
    rows = {row["profile"]: row for row in data["rates"]}
    assert rows["l40s"]["default"] is True
    assert rows["h100"]["default"] is False
    assert (rows["l40s"]["vram_gb"], rows["l40s"]["rate_micros"]) == (48, 975)
    assert rows["l40s"]["state"] == "operational"
    output = shell.run("hardware").stdout.splitlines()
    line = next(line for line in output if " l40s " in line)
    assert line.startswith("*")
    assert ("48 GB" in line, "$3.51/h" in line, " up " in line) == (True, True, True)


def test_versions_are_listed_compared_pinned_and_unpinned(shell: Shell) -> None:
    one = next(one for one in shell.json("versions") if one["model"] == L40S)
    newest, older = one["versions"][0]["id"], one["versions"][1]["id"]
    assert one["pinned"] is None
    listed = shell.run("versions", "show", L40S).stdout.splitlines()
    assert listed[0] == f"{L40S}  follows the newest"
    assert listed[1].split()[0] == newest[:12]
    assert listed[1].endswith("newest  in use")

    compared = shell.json("versions", "compare", L40S, older[:10])
    assert (compared["before"]["id"], compared["after"]["id"]) == (older, newest)
    output = shell.run("versions", "compare", L40S, older[:10]).stdout
    for change in compared["changes"]:
        assert change["words"] in output

    try:
        assert older[:12] in shell.run("versions", "pin", f"{L40S}:{older}").stdout
        listed = shell.run("versions", "show", L40S).stdout.splitlines()
        assert listed[0] == f"{L40S}  pinned"
        assert next(line for line in listed if older[:12] in line).endswith("in use")
    finally:
        assert "follows the newest" in shell.run("versions", "follow", L40S).stdout
    assert shell.json("versions", "show", L40S)[0]["pinned"] is None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("versions", "pin"), 2, "needs a model"),
        (("versions", "pin", L40S), 2, "needs a version"),
        (("versions", "pin", f"{L40S}:0000"), None, "has no version 0000"),
        (("versions", "compare", "nothing at all"), None, "owner/name"),
        (("versions", "show", "nobody/nothing"), None, "nobody/nothing"),
    ],
)
def test_a_missing_version_is_reported(
    shell: Shell, arguments: tuple[str, ...], status: int | None, message: str
) -> None:
    answer = shell.run(*arguments, status=status)
    assert answer.returncode != 0
    assert message in answer.stdout + answer.stderr


def test_the_hub_token_commands_without_a_keyring(shell: Shell) -> None:
    state = shell.json("token", "status", "--hub")
    assert state["kind"] == "huggingface"
    assert not state["keyring"]
    assert shell.run("token", "set", "--hub", status=2).stderr  # nothing on its input
    refused = shell.run("token", "set", "--hub", status=None, given="hf_" + "y" * 34 + "\n")
    assert refused.returncode != 0
    assert "keyring" in refused.stderr
    assert "hf_yyy" not in refused.stdout + refused.stderr
    answer = shell.run("token", "validate", "--hub", status=3)
    assert "Hub" in answer.stdout


@pytest.mark.parametrize(("words", "name"), [((), "REPLICATE_API_TOKEN"), (("--hub",), "HF_TOKEN")])
def test_nobody_is_asked_for_a_token_that_no_keyring_keeps(
    shell: Shell, words: tuple[str, ...], name: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for variable in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in shell.environ.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it asked"))
    assert main.run(["token", "set", *words]) == FAILED
    told = capsys.readouterr().err
    assert "keyring" in told
    assert f"read -rs {name} && export {name}" in told


def test_spending_names_the_page_of_what_was_billed(shell: Shell) -> None:
    page = "https://replicate.com/account/billing"
    assert page in shell.run("spending").stderr
    assert shell.json("spending")["billing_page"] == page


def test_a_token_that_is_none_is_named(shell: Shell) -> None:
    hub = "hf_" + "a" * 34
    wrong = shell.run("token", "set", given=f"{hub}\n", status=2)
    assert "is one of Hugging Face (hf_…), not of Replicate" in wrong.stderr
    assert "token set --hub" in wrong.stderr
    assert hub not in wrong.stderr + wrong.stdout
    broken = shell.run("token", "set", given="r8_abc\ndef\n", status=2)
    assert "a line break inside" in broken.stderr
    state = shell.run("token", "status", REPLICATE_API_TOKEN=hub)
    assert "REPLICATE_API_TOKEN: the token is one of Hugging Face" in state.stderr
    refused = shell.run("token", "validate", status=3, REPLICATE_API_TOKEN=hub)
    assert "is one of Hugging Face" in refused.stdout + refused.stderr
