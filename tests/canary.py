"""Secrets that can be recognised: every one made in a test carries a mark that must show nowhere.

While the suite runs, the places where secrets come from (the sandbox's tokens and webhook
secrets, the engine's S3 keys and webhook keys) make ones with the mark in them. Wherever such a
secret is written, in whatever form of `FORMS`, the mark is found by a plain search: in the files
and databases that tests leave behind, in what they print and log, and on the app's screens.

The sandbox's own folder is left out: it is the outside world, which is given the secrets.
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
"""A file of this name says: this folder belongs to the sandbox, not to us."""


def _forms() -> dict[str, bytes]:
    raw = MARK.encode()
    found = {"plain": raw, "reversed": raw[::-1]}
    for name, text in (("hex", raw.hex()), ("HEX", raw.hex().upper())):
        found[name] = text.encode()
    found["percent"] = "".join(f"%{byte:02X}" for byte in raw).encode()
    found["UTF-16"] = MARK.encode("utf-16-le")
    # In base64 a text looks different at each of three places, but for its ends.
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        first, last = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        found[f"base64 at {shift}"] = coded[first:last]
    return found


FORMS = _forms()
LARGEST = 4 << 20
"""Larger files are weights and archives that tests made; nothing of ours that holds words is."""


def leaks_in(data: bytes) -> list[str]:
    """The forms in which a marked secret stands in `data`."""
    return [name for name, form in FORMS.items() if form in data]


def leaks_below(root: Path) -> Iterator[str]:
    """Files below `root` that hold a marked secret, or have it in their names."""
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
    """Fail when a marked secret shows in one of `texts` or in a file below a folder."""
    found = list(leaks_below(below)) if below else []
    for text in texts:
        found += leaks_in(text.encode() if isinstance(text, str) else text)
    assert found == [], "\n".join(found)


@contextmanager
def marked_secrets(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every secret that is made from now on carry the mark."""
    from tui.engine.credentials.storage_keys import KeyPair, StorageKeys
    from tui.sandbox import server
    from tui.sandbox.core import Core

    letters: Iterator[str] = iter(())

    def choice(alphabet: str) -> str:
        nonlocal letters
        found = next(letters, None)
        if found is None:
            letters = iter(MARK[1:] + "".join(secrets.choice(alphabet) for _ in range(27)))
            found = MARK[0]
        return found

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
    """Looks at what tests print, log and leave behind; a pytest plugin."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What a test printed and logged, and how it failed."""
        for title, text in (*report.sections, ("failure", report.longreprtext)):
            for form in leaks_in(text.encode("utf-8", "replace")):
                self.found.append(f"{report.nodeid}, {title}: {form}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What all tests left behind; and the pictures that are kept."""
        if hasattr(session.config, "workerinput"):
            return  # the one that started this worker looks at all folders
        factory = getattr(session.config, "_tmp_path_factory", None)
        if factory is not None:
            self.found += leaks_below(factory.getbasetemp())
        root = Path(__file__).parents[1]
        for folder in [root / "screenshots", *root.glob("tests/**/__snapshots__")]:
            self.found += leaks_below(folder)
        if self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where."""
        if self.found:
            terminalreporter.section("secrets that show", red=True)
            for line in self.found:
                terminalreporter.line(line)
