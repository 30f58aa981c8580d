"""`settings`: read without an engine, changed through it, edited while others write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import MARK, assert_clean
from tests.cli.shell import Shell
from tui.settings import Home, Settings, load_settings
from tui.settings.reading import parse, settings_of
from tui.settings.writing import save_edited, template


@pytest.fixture(autouse=True)
def first_words(shell: Shell) -> None:
    """Every test begins with the same file; the shell is one for all of them."""
    (shell.home / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')


def of(shell: Shell) -> Settings:
    """What the file says now."""
    return load_settings(Home(shell.home, shell.home / "cloud_outputs"), {})


def editor(tmp_path: Path, script: str) -> str:
    """A program that edits the file it is given: `text` is what it holds."""
    path = tmp_path / "editor.py"
    path.write_text(
        "import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\ntext = path.read_text()\n"
        f"{script}\n"
    )
    return f"{sys.executable} {path}"


def test_settings_are_read_without_an_engine(shell: Shell) -> None:
    assert shell.run("settings", "get", "network.timeout").stdout == "30\n"
    assert shell.json("settings", "get", "network.timeout") == 30.0
    lines = shell.run("settings", "get").stdout.splitlines()
    assert any("listener.listen" in line and "changed" in line for line in lines)
    assert {line.split()[0] for line in lines} >= {"cloud.consent", "ui.theme", "rates_micros"}
    section = shell.json("settings", "get", "spending")
    assert section["spending.amount_micros"] == 50_000_000
    assert set(section) == {one for one in section if one.startswith("spending.")}
    assert "Did you mean network.timeout?" in shell.run(
        "settings", "get", "network.timout", status=2).stderr  # fmt: skip
    assert shell.engine_pid() is None


def test_a_proxys_password_is_no_argument(shell: Shell) -> None:
    proxy = f"http://me:{MARK}@127.0.0.1:9"
    refused = shell.run("settings", "set", "network.proxy", proxy, status=2).stderr
    assert "history" in refused
    assert "settings set network.proxy -" in refused
    assert of(shell).network.proxy == ""
    done = shell.run("settings", "set", "network.proxy", "-", given=f"{proxy}\n")
    assert_clean([refused, done.stdout, done.stderr], below=shell.home)
    assert of(shell).network.proxy == "http://me@127.0.0.1:9"
    shell.run("settings", "unset", "network.proxy")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("600k", 614_400), ("5 MiB/s", 5 * 2**20), ("614400", 614_400), ("off", 0), ("0", 0)],
)
def test_a_bandwidth_is_typed_as_on_the_screen(shell: Shell, typed: str, kept: int) -> None:
    shell.run("settings", "set", "publishing.bandwidth", typed)
    assert of(shell).publishing.bandwidth == kept
    refused = shell.run("settings", "set", "publishing.bandwidth", "fast", status=2)
    assert "5 MiB/s" in refused.stderr
    assert of(shell).publishing.bandwidth == kept


def test_settings_are_set_through_the_engine(shell: Shell) -> None:
    said = shell.run("settings", "set", "listener.allowed_ips", "34.82.0.0/16, 203.0.113.7").stdout
    assert said == "listener.allowed_ips = 34.82.0.0/16, 203.0.113.7\n"
    assert of(shell).listener.allowed_ips == ("34.82.0.0/16", "203.0.113.7")
    again = shell.run("settings", "get", "listener.allowed_ips").stdout.strip()
    assert shell.run("settings", "set", "listener.allowed_ips", again).stdout == said
    shell.run("settings", "unset", "listener.allowed_ips")
    assert of(shell).listener.allowed_ips == ()
    wrong = shell.run("settings", "set", "listener.allowed_ips", "34.82.1.5/16", status=2)
    assert "write 34.82.0.0/16" in wrong.stderr
    refused = shell.run("settings", "set", "network.ssl_verify", "off", status=2)
    assert "--yes" in refused.stderr
    assert of(shell).network.ssl_verify
    shell.run("settings", "set", "network.ssl_verify", "off", "--yes")
    assert not of(shell).network.ssl_verify
    for arguments in (["set"], ["set", "x.y"], ["set", "network.timeout"], ["unset", "no.such"]):
        shell.run("settings", *arguments, status=2)


def test_a_proxy_password_is_used_and_written_to_no_file(shell: Shell) -> None:
    word = f"{MARK}-word"
    given = f"http://alice:{word}@127.0.0.1:9"
    refused = shell.run("settings", "set", "network.proxy", given, status=2)
    assert "settings set network.proxy -" in refused.stderr
    said = shell.run("settings", "set", "network.proxy", "-", given=given)
    assert said.stdout == "network.proxy = http://alice:***@127.0.0.1:9\n"
    assert of(shell).network.proxy == "http://alice@127.0.0.1:9"
    said_again = shell.run("settings", "set", "network.proxy", "-", "--json", given=given)
    answer = json.loads(said_again.stdout)
    assert answer["settings"]["network.proxy"] == "http://alice:***@127.0.0.1:9"
    assert shell.run("settings", "get", "network.proxy").stdout == "http://alice@127.0.0.1:9\n"
    shell.run("settings", "unset", "network.proxy")
    assert of(shell).network.proxy == ""
    assert_clean(
        [refused.stdout, refused.stderr, said.stdout, said.stderr, repr(answer)], below=shell.home
    )


def test_an_edit_is_in_force_in_the_engine_and_kept_with_its_comments(
    shell: Shell, tmp_path: Path
) -> None:
    shell.run("settings", "set", "cloud.consent", "never")  # the engine runs from here on
    script = "path.write_text(text.replace('never', 'allow') + '# mine\\n')"
    said = shell.run("settings", "edit", VISUAL=editor(tmp_path, script)).stdout
    assert "in force" in said
    assert (shell.home / "settings.toml").read_text().endswith("# mine\n")
    engine_says = shell.json("settings", "unset", "ui.mouse")  # whatever: it answers all of them
    assert engine_says["settings"]["cloud.consent"] == "allow"
    assert list(shell.home.glob("edit-*")) == []


def test_an_edit_that_cannot_be_used_changes_nothing_and_is_kept(
    shell: Shell, tmp_path: Path
) -> None:
    before = (shell.home / "settings.toml").read_text()
    for written, message in (
        ("[network\\n", "not valid TOML"),
        ("[network]\\ntimeout = 'x'\\n", "line 4: network.timeout must be a number"),
        ("[cloud]\\nconsent = 'maybe'\\n", "ask, allow or never"),
        (
            "[network]\\nproxy = 'ftp://x'\\n",
            "network.proxy must be an address such as http://proxy:3128",
        ),
    ):
        script = f"path.write_text(text + {written!r}.encode().decode('unicode_escape'))"
        answer = shell.run("settings", "edit", status=1, EDITOR=editor(tmp_path, script))
        assert message in answer.stderr
        kept = Path(answer.stderr.strip().rpartition(" ")[2])
        assert kept.read_text() != before
        kept.unlink()
        assert (shell.home / "settings.toml").read_text() == before
    for wrong, message in (("false", "status 1"), ("/no/such/editor", "cannot be started")):
        assert message in shell.run("settings", "edit", status=1, EDITOR=wrong).stderr
    assert list(shell.home.glob("edit-*")) == []


def test_an_edit_while_another_program_writes_loses_nothing(shell: Shell, tmp_path: Path) -> None:
    gate, done = tmp_path / "open", tmp_path / "written"
    script = (
        "import time\n"
        f"pathlib.Path({str(gate)!r}).touch()\n"
        f"while not pathlib.Path({str(done)!r}).exists(): time.sleep(0.02)\n"
        "path.write_text(text + '[publishing]\\nbandwidth = 7\\n')"
    )
    running = shell.start("settings", "edit", EDITOR=editor(tmp_path, script))
    deadline = 60.0
    try:
        while not gate.exists():
            try:
                running.wait(0.1)
                raise AssertionError(running.communicate())
            except subprocess.TimeoutExpired:
                deadline -= 0.1
                assert deadline > 0
        shell.run("settings", "set", "network.timeout", "12")
        done.touch()
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
    finally:
        done.touch()  # the editor is a process of its own, which the kill does not reach
        running.kill()
        running.wait()
    assert "only your values were written" in out
    answer = of(shell)
    assert (answer.publishing.bandwidth, answer.network.timeout) == (7, 12.0)
    assert answer.listener.listen == "127.0.0.1:0"


def test_a_wrong_value_is_reported_and_commands_still_work(shell: Shell) -> None:
    (shell.home / "settings.toml").write_text(
        '[listener]\nlisten = "127.0.0.1:0"\n[network]\ntimeout = "long"\n'
    )
    answer = shell.run("settings", "get", "network.timeout")
    assert answer.stdout == "30\n"
    assert f"{shell.home}/settings.toml line 4: network.timeout must be a number" in answer.stderr
    assert answer.stderr.count("line 4") == 1
    assert shell.run("settings", "set", "cloud.consent", "never").returncode == 0
    assert "line 4" not in shell.run("settings", "set", "network.timeout", "20").stdout
    assert shell.run("settings", "get", "network.timeout").stderr == ""


def test_the_template_sets_nothing_and_every_line_of_it_can_be_used(tmp_path: Path) -> None:
    text = template()
    assert settings_of(text, tmp_path) == Settings()
    filled = "\n".join(line.removeprefix("# ") if " = " in line else line
                       for line in text.splitlines())  # fmt: skip
    listener = parse(filled, tmp_path)["listener"]
    assert isinstance(listener, dict)
    assert len(listener) == 9
    assert settings_of(filled, tmp_path) == Settings()


@pytest.mark.parametrize("removed", [True, False])
def test_a_removed_value_has_its_default_also_when_others_wrote(
    tmp_path: Path, removed: bool
) -> None:
    home = Home(tmp_path / "s", tmp_path / "o")
    home.create()
    base = "[network]\ntimeout = 9.0\nproxy = 'http://a:1'\n"
    home.settings_file.write_text(base.replace("http://a:1", "http://b:2"))
    save_edited(home, base, "[network]\nproxy = 'http://a:1'\n" if removed else base)
    network = load_settings(home, {}).network
    assert network.proxy == "http://b:2"
    assert network.timeout == (30.0 if removed else 9.0)
