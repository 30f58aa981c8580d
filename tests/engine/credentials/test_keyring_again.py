"""A keyring that could not be read is asked again, since its trouble may be over."""

from __future__ import annotations

import pytest

from tui.engine.credentials import token_store
from tui.engine.credentials.token_store import PROBLEM_SECONDS, TokenStore
from tui.replicate.secret import Secret
from tui.secrets.keyring import StoredToken

API = "https://api.replicate.com/v1"


async def test_a_problem_is_kept_for_a_minute_and_an_answer_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [
        StoredToken(None, "the keyring is locked"),
        StoredToken(None, "the keyring is locked"),
        StoredToken(Secret("r8_x"), "", "a keyring"),
    ]
    asked: list[str] = []

    async def read(_kind: str, host: str) -> StoredToken:
        asked.append(host)
        return answers[len(asked) - 1]

    monkeypatch.setattr(token_store, "read_token", read)
    clock = [0.0]
    store = TokenStore(lambda *_: None, clock=lambda: clock[0])
    for moment, times in ((0.0, 1), (PROBLEM_SECONDS - 1, 1), (PROBLEM_SECONDS, 2),
                       (2 * PROBLEM_SECONDS - 1, 2)):  # fmt: skip
        clock[0] = moment
        assert await store.find("replicate", API) is None
        assert store.problem("replicate", API) == "the keyring is locked"
        assert len(asked) == times
    for moment in (2 * PROBLEM_SECONDS, 9 * PROBLEM_SECONDS):
        clock[0] = moment
        found = await store.find("replicate", API)
        assert found is not None
        assert found.source == "keyring"
        assert store.problem("replicate", API) == ""
        assert len(asked) == 3


async def test_a_token_that_was_stored_just_now_is_not_read_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy keyring may take longer for that than it is waited for."""

    async def read(_kind: str, _host: str) -> StoredToken:
        return StoredToken(None, "the keyring does not answer")

    monkeypatch.setattr(token_store, "read_token", read)
    store = TokenStore(lambda *_: None)
    assert await store.find("replicate", API) is None
    store.keyring_changed("replicate", API, StoredToken(Secret("r8_x"), backend="a keyring"))
    found = await store.find("replicate", API)
    assert found is not None
    assert found.secret == Secret("r8_x")
    assert (await store.state("replicate", API)).problem == ""
    store.keyring_changed("replicate", API)  # by another program: nobody knows what it holds now
    assert await store.find("replicate", API) is None
