"""Tokens of a caller: used for that call and the tasks that it starts only.

A window or a command sends the tokens of its own environment with each call over the socket. The
engine uses them for that call if they may belong to another account than its own. A context
variable holds them, and asyncio copies the context into new tasks, so the tasks that a call starts
(posting and following its job) keep them; work for all callers runs in `engine_wide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from tui.base.token_text import NAMES, TokenKind, judge_token
from tui.client.session_headers import HEADERS
from tui.replicate.environment_proxies import using_proxies
from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import Secret


@dataclass(frozen=True, slots=True)
class CallerTokens:
    """The tokens in a caller's environment.

    Attributes:
        api_base: the API base of the call; the tokens are valid for no other.
        replicate: Replicate's token, or None.
        hub: the Hub's token, or None.
        hub_endpoint: the Hub's address as the caller wrote it; "" without one.
        problems: message and advice about a text that cannot be a token, by kind. It is sent
            nowhere, and no other token takes its place.
    """

    api_base: str
    replicate: Secret | None = field(default=None, repr=False)
    hub: Secret | None = field(default=None, repr=False)
    hub_endpoint: str = ""
    problems: Mapping[TokenKind, tuple[str, str]] = field(default_factory=dict)


_CALLER: Final[ContextVar[CallerTokens | None]] = ContextVar("handed_in", default=None)


def caller(api_base: str) -> CallerTokens | None:
    """Return the tokens of the current call, if it is for `api_base`, else None."""
    tokens = _CALLER.get()
    return tokens if tokens is not None and tokens.api_base == api_base else None


@contextmanager
def called_with(tokens: CallerTokens | None) -> Iterator[None]:
    """Run a call, and the tasks it starts, with the caller's tokens."""
    reset_token = _CALLER.set(tokens)
    try:
        yield
    finally:
        _CALLER.reset(reset_token)


def engine_tokens() -> AbstractContextManager[None]:
    """Run a part of a call with the engine's own tokens, by the caller's way."""
    return called_with(None)


@contextmanager
def engine_wide() -> Iterator[None]:
    """Run work that belongs to no call; tasks started inside belong to none either."""
    with called_with(None), using_proxies(None):
        yield


def from_headers(api_base: str, headers: Mapping[str, str]) -> CallerTokens | None:
    """Read the tokens from the headers that `to_headers` writes; None without any."""
    values = {name: unquote(headers.get(header, "")).strip() for name, header in HEADERS.items()}
    if not any(values.values()):
        return None
    problems: dict[TokenKind, tuple[str, str]] = {}
    secrets: dict[TokenKind, Secret | None] = {}
    kinds: tuple[tuple[TokenKind, str], ...] = (
        ("replicate", "replicate_token"), ("huggingface", "hf_token"),
    )  # fmt: skip
    for kind, name in kinds:
        judged = judge_token(kind, values[name])
        KNOWN.add(values[name], judged.value)
        secrets[kind] = Secret(judged.value) if judged.value else None
        if values[name] and judged.problem:
            words = f"The {NAMES[kind]} token of the environment {judged.problem}."
            problems[kind] = (words, judged.advice)
    return CallerTokens(
        api_base, secrets["replicate"], secrets["huggingface"], values["hf_endpoint"], problems
    )
