"""Making a repository on the Hub only to see whether that can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tui.destinations.common.errors import PublishError
from tui.destinations.hub.errors import explain

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_T = TypeVar("_T")


def asked(api: HfApi, name: str, call: Callable[[], _T]) -> _T:
    """What the Hub answers to a call.

    Raises:
        PublishError: it refused, or does not answer.
    """
    try:
        return call()
    except Exception as error:
        raise explain(error, name, api.endpoint) from error


def make(
    api: HfApi, name: str, *, private: bool, keep: bool, left: Callable[[PublishError], None]
) -> None:
    """Make a repository, ask for the right to write to it, and unmake it where that was all.

    Args:
        api: the Hub and the token.
        name: `owner/name`; there is none of it yet.
        private: how it is made.
        keep: it is made for good.
        left: told why it is still there, although it was not to be kept: a token need not have the
            right to delete.

    Raises:
        PublishError: it cannot be made or written to.
    """
    asked(api, name, lambda: api.create_repo(name, private=private, exist_ok=False))
    try:
        asked(api, name, lambda: api.auth_check(name, write=True))
    finally:
        if not keep:
            try:
                asked(api, name, lambda: api.delete_repo(name))
            except PublishError as error:
                left(error)
