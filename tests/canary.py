"""Detects leaked secrets: every secret of a test contains a mark, and the mark is searched for.

While the tests run, the sources of secrets (the sandbox's tokens and webhook secrets, the engine's
S3 keys and webhook keys) put the mark into them. A plain search for its `FORMS` then finds a leaked
secret: in the files and databases that tests leave behind, in their output and logs, and on the
app's screens.

The sandbox's own folder is not searched: it stands for the outside services, which get the secrets.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

MARK = "cAnArY7qXv"
OUTSIDE = ".outside-world"
"""A file of this name marks a folder of the sandbox, which is not searched."""


def _forms() -> dict[str, bytes]:
    raw = MARK.encode()
    forms = {"plain": raw, "reversed": raw[::-1]}
    for name, text in (("hex", raw.hex()), ("HEX", raw.hex().upper())):
        forms[name] = text.encode()
    forms["percent"] = "".join(f"%{byte:02X}" for byte in raw).encode()
    forms["UTF-16"] = MARK.encode("utf-16-le")
    # In base64 the inner part of a text has three forms, by its offset modulo three.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        first, last = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        forms[f"base64 at {shift}"] = coded[first:last]
    return forms


FORMS = _forms()
LARGEST = 4 << 20
"""Limit of the size of searched files; larger ones are weights and archives of tests."""


def leaks_in(data: bytes) -> list[str]:
    """Names of the forms of the mark that `data` contains."""
    return [name for name, form in FORMS.items() if form in data]


def leaks_below(root: Path) -> Iterator[str]:
    """Descriptions of the files below `root` with the mark in their content or name."""
    for place, folders, files in os.walk(root):
        folder = Path(place)
        if OUTSIDE in files:
            folders.clear()
            continue
        for name in [*folders, *files]:
            if MARK in name:
                yield f"{folder / name}: in the name"
        for name in files:
            path = folder / name
            try:
                known = path.is_file() and path.stat().st_size <= LARGEST
                data = path.read_bytes() if known else b""
            except OSError:
                continue
            for form in leaks_in(data):
                yield f"{path}: {form}"


def assert_clean(texts: Iterable[str | bytes] = (), *, below: Path | None = None) -> None:
    """Fail if one of `texts` or a file below a folder contains the mark."""
    leaks = list(leaks_below(below)) if below else []
    for text in texts:
        leaks += leaks_in(text.encode() if isinstance(text, str) else text)
    assert leaks == [], "\n".join(leaks)


def assert_processes_clean(home: Path) -> None:
    """Fail if arguments of a program with this home, or its engine's environment, have the mark.

    The environment of a command is its user's own; that of the engine outlives it.
    """
    engines, leaks = 0, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, command = ((folder / name).read_bytes() for name in ("environ", "cmdline"))
        except OSError:  # it has ended, or is another user's
            continue
        if f"SIMPLETUNER_TUI_HOME={home}".encode() not in environ.split(b"\0"):
            continue
        arguments = command.split(b"\0")
        texts = {"cmdline": command}
        if b"engine" in arguments or b"tui.secrets.helper" in arguments:
            engines += 1
            texts["environ"] = environ
        leaks += [
            f"{folder}/{name}: {arguments[:6]}" for name, data in texts.items() if leaks_in(data)
        ]
    assert leaks == []
    assert engines, "no engine runs"


@contextmanager
def marked_secrets(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the mark into every secret that is created in the context."""
    from tui.engine.credentials.storage_keys import KeyPair, StorageKeys
    from tui.sandbox import server
    from tui.sandbox.core import Core

    letters: Iterator[str] = iter(())

    def choice(alphabet: str) -> str:
        nonlocal letters
        letter = next(letters, None)
        if letter is None:
            letters = iter(MARK[1:] + "".join(secrets.choice(alphabet) for _ in range(27)))
            letter = MARK[0]
        return letter

    def token_bytes(count: int) -> bytes:
        if count != 24:
            return secrets.token_bytes(count)
        return base64.b64decode(MARK + "xy") + secrets.token_bytes(15)

    pair, hook_key, build = StorageKeys._pair, StorageKeys.hook_key, server._build

    def marked_pair(self: StorageKeys, access_key: str) -> KeyPair:
        made = pair(self, access_key)
        return KeyPair(made.access_key, MARK + made.secret_key[len(MARK) :])

    def marked_hook_key(self: StorageKeys, job_id: str) -> str:
        made = hook_key(self, job_id)
        return made[: -len(MARK)] + MARK

    def marked_build(config: Any, work_dir: Path, worker: Any) -> Core:
        work_dir.mkdir(parents=True, exist_ok=True)
        (work_dir / OUTSIDE).touch()
        return build(config, work_dir, worker)

    stand_in = {**vars(secrets), "choice": choice, "token_bytes": token_bytes}
    patch.setattr("tui.sandbox.config.secrets", SimpleNamespace(**stand_in))
    patch.setattr(
        "tui.sandbox.ids.secrets", SimpleNamespace(**{**stand_in, "choice": secrets.choice})
    )
    patch.setattr(StorageKeys, "_pair", marked_pair)
    patch.setattr(StorageKeys, "hook_key", marked_hook_key)
    patch.setattr(server, "_build", marked_build)
    yield


class Watch:
    """A pytest plugin that searches the output, logs and files of tests for the mark."""

    def __init__(self) -> None:
        self.leaks: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Search the output, the log and the failure of a test."""
        for title, text in (*report.sections, ("failure", report.longreprtext)):
            for form in leaks_in(text.encode("utf-8", "replace")):
                self.leaks.append(f"{report.nodeid}, {title}: {form}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Search the temporary files of all tests, the screenshots and the snapshots."""
        if hasattr(session.config, "workerinput"):
            return  # the main process searches the folders of all workers
        factory = getattr(session.config, "_tmp_path_factory", None)
        if factory is not None:
            self.leaks += leaks_below(factory.getbasetemp())
        root = Path(__file__).parents[1]
        for folder in [root / "screenshots", *root.glob("tests/**/__snapshots__")]:
            self.leaks += leaks_below(folder)
        if self.leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the leaks."""
        if self.leaks:
            terminalreporter.section("secrets that show", red=True)
            for line in self.leaks:
                terminalreporter.line(line)
