"""Creates a repository on the Hub, for good or only to prove that the token may do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tui.destinations.common.errors import PublishError
from tui.destinations.hub.errors import explain

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_T = TypeVar("_T")


def call_hub(api: HfApi, name: str, call: Callable[[], _T]) -> _T:
    """Call the Hub and translate its errors.

    Raises:
        PublishError: it refused, or does not answer.
    """
    try:
        return call()
    except Exception as error:
        raise explain(error, name, api.endpoint) from error


def create_repo(
    api: HfApi, name: str, *, private: bool, keep: bool, left: Callable[[PublishError], None]
) -> None:
    """Create a repository, check the right to write to it, and delete it unless it is kept.

    Args:
        api: the Hub and the token.
        name: `owner/name` of a repository that does not exist.
        private: its visibility.
        keep: whether it stays.
        left: is called with the error if it cannot be deleted: a token need not have that right.

    Raises:
        PublishError: it cannot be created or written to.
    """
    call_hub(api, name, lambda: api.create_repo(name, private=private, exist_ok=False))
    try:
        call_hub(api, name, lambda: api.auth_check(name, write=True))
    finally:
        if not keep:
            try:
                call_hub(api, name, lambda: api.delete_repo(name))
            except PublishError as error:
                left(error)
