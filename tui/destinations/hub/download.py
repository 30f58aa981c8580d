"""Downloads from the Hub over the library's connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi


@contextlib.contextmanager
def opened(
    api: HfApi,
    repo_id: str,
    path: str,
    *,
    revision: str = "main",
    start: int = 0,
    stop: int | None = None,
    kind: str = "model",
) -> Iterator[httpx2.Response]:
    """Open a file from byte `start` up to `stop` (exclusive), as a streaming response.

    `kind` is the repository's: `model` or `dataset`.

    Raises:
        huggingface_hub.errors.HfHubHTTPError: the Hub refused.
    """
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not in __all__
        build_hf_headers,
        hf_raise_for_status,
    )

    url = hf_hub_url(repo_id, path, repo_type=kind, revision=revision, endpoint=api.endpoint)
    headers = build_hf_headers(token=api.token)
    headers["Accept-Encoding"] = "identity"  # ranges of a compressed body count other bytes
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    with get_session().stream("GET", url, headers=headers) as answer:
        if answer.status_code >= 400:
            answer.read()
        hf_raise_for_status(answer)
        yield answer


def read_text(
    api: HfApi, repo_id: str, path: str, *, revision: str | None = None, kind: str = "model"
) -> str | None:
    """Return a small text file; None when the file or the repository does not exist."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    try:
        with opened(api, repo_id, path, revision=revision or "main", kind=kind) as answer:
            answer.read()
            return str(answer.text)
    except (EntryNotFoundError, RepositoryNotFoundError):
        return None
