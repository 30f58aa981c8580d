"""The search for secrets finds every form, and all secrets of the tests contain the mark."""

from __future__ import annotations

import base64
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canary import MARK, OUTSIDE, Watch, assert_clean, leaks_below, leaks_in
from tests.wished import wished
from tui.engine.credentials.storage_keys import StorageKeys
from tui.replicate.secret import Secret
from tui.sandbox import ids
from tui.sandbox.config import SandboxConfig, make_token
from tui.sandbox.server import serve
from tui.settings import Home
from tui.store.writer import StoreWriter

SECRETS = [f"r8_{MARK}abc", f"x{MARK}", f"xy{MARK}z", f"xyz{MARK}/+="]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_in_every_form(secret: str) -> None:
    assert leaks_in(f"Authorization: Bearer {secret}".encode())
    assert leaks_in(json.dumps({"a": [secret]}).encode())
    assert leaks_in(quote(secret).encode())
    assert leaks_in(secret.encode().hex().encode())
    assert leaks_in(secret.encode("utf-16"))
    assert leaks_in(secret[::-1].encode())
    assert leaks_in(repr(secret.encode()).encode())
    for coded in (base64.b64encode, base64.urlsafe_b64encode):
        assert leaks_in(coded(secret.encode()))
        assert leaks_in(coded(f"user:{secret}".encode()))
    assert not leaks_in(repr(Secret(secret)).encode())


def test_files_databases_and_names_are_searched(tmp_path: Path) -> None:
    (tmp_path / "clean").write_text("nothing")
    assert_clean(["nothing"], below=tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.log").write_text(f"token={MARK}")
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("create table t (a)")
        database.execute("insert into t values (?)", (MARK,))
    database.close()
    (tmp_path / f"{MARK}.txt").touch()
    leaks = "\n".join(leaks_below(tmp_path))
    assert all(name in leaks for name in ("a.log: plain", "state.db: plain", "in the name"))
    (tmp_path / "deep" / OUTSIDE).touch()
    assert "a.log" not in "\n".join(leaks_below(tmp_path))
    with pytest.raises(AssertionError):
        assert_clean(below=tmp_path)
    for planted in (tmp_path / "deep/a.log", tmp_path / "state.db", tmp_path / f"{MARK}.txt"):
        planted.unlink()


async def test_secrets_of_the_tests_contain_the_mark(tmp_path: Path) -> None:
    assert MARK in make_token()
    assert MARK in SandboxConfig().token
    assert SandboxConfig().token != SandboxConfig().token
    assert MARK in ids.webhook_secret()
    writer = StoreWriter(Home(tmp_path / "home", tmp_path / "outputs"))
    keys = StorageKeys(tmp_path / "receiver.key", writer, lambda: datetime.now(UTC))
    pair = keys.pair("abc")
    assert MARK in pair.secret_key
    assert MARK in keys.hook_key("abc")
    assert keys.job_of_hook_key(keys.hook_key("abc")) is None  # the job does not exist
    writer.close()
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox"))
    assert MARK in sandbox.token
    assert (tmp_path / "sandbox" / OUTSIDE).exists()
    await sandbox.aclose()


def test_the_output_of_tests_is_searched() -> None:
    watch = Watch()
    report = pytest.TestReport(
        "a::b", ("a", 1, "b"), {}, "passed", None, "call", [("Captured log", f"x {MARK}")]
    )
    watch.pytest_runtest_logreport(report)
    assert watch.leaks == ["a::b, Captured log: plain"]
