"""Tokens: which are known, from where, and whether they work. No answer ever holds one."""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypeAlias

from tui.api.base import TypedDict
from tui.api.providers import TokenReason, TokenSource

TokenKind: TypeAlias = Literal["replicate", "huggingface"]


class TokenState(TypedDict):
    """What is known of one kind of token.

    Attributes:
        kind: which.
        service: the keyring's name for this program's entries.
        user: the entry's name, `kind@host`.
        in_use: the source that counts; null without any.
        environment: whether a window's environment gave one.
        keyring: whether the keyring has one; null when it could not be asked.
        session: whether one was given for this session only.
        backend: the keyring's name.
        problem: why the keyring could not be asked; else empty.
        shadowed: whether the environment's token hides one that was stored or given.
        environment_problem: why the environment's token cannot be used; else empty. No other is
            used instead, since it may be another account's.
    """

    kind: TokenKind
    service: str
    user: str
    in_use: TokenSource | None
    environment: bool
    keyring: bool | None
    session: bool
    backend: str
    problem: str
    shadowed: bool
    environment_problem: NotRequired[str]


class TokenStates(TypedDict):
    """What is known of each token."""

    replicate: TokenState
    huggingface: TokenState


class TokenChange(TypedDict, total=False):
    """A token to be kept.

    Attributes:
        token: as pasted; white space is dropped.
        session_only: keep it in the engine's memory instead of the keyring.
    """

    token: Required[str]
    session_only: bool


class TokenValidation(TypedDict):
    """Whether a token works.

    Attributes:
        valid: it does.
        username: whose it is.
        error: what is the matter.
        advice: what to do; may be empty.
        reason: why it is not valid; null where it is.
        token_source: where the token is from; null without one.
        organisations: the user's; only of a Hugging Face token.
        role: what the token may do, such as `read`; only of a Hugging Face token.
    """

    valid: bool
    username: str | None
    error: str | None
    advice: str
    reason: TokenReason | None
    token_source: TokenSource | None
    organisations: NotRequired[list[str]]
    role: NotRequired[str | None]


class TokenStored(TypedDict):
    """A token was taken over and works at once, if it works.

    Attributes:
        success: always true.
        stored: where it is kept.
        backend: the keyring's name; empty for a session's.
        warnings: what is odd about it.
        state: what is known now.
        validation: whether it works.
    """

    success: Literal[True]
    stored: Literal["keyring", "session"]
    backend: str
    warnings: list[str]
    state: TokenState
    validation: TokenValidation


class TokenDeleted(TypedDict):
    """A token was forgotten; one of the environment stays in use.

    Attributes:
        success: always true.
        deleted: whether there was one.
        state: what is known now.
    """

    success: Literal[True]
    deleted: bool
    state: TokenState
