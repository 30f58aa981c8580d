"""Translates errors of the Hub and its library into PublishError."""

from __future__ import annotations

from tui.destinations.common.errors import PublishError, Trouble, clean_line
from tui.destinations.hub.client import TemporaryHubError
from tui.replicate.network import BundleError

TOKENS_PAGE = "https://huggingface.co/settings/tokens"


def explain(error: BaseException, repo_id: str, endpoint: str) -> PublishError:
    """Translate the error of a call; an unknown one keeps its text."""
    if isinstance(error, PublishError):
        return error
    inner = error.__cause__
    if isinstance(error, RuntimeError) and inner is not None:  # the library's wrapper of uploads
        return explain(inner, repo_id, endpoint)
    if isinstance(error, TemporaryHubError):
        return _temporary(error)
    if isinstance(error, BundleError):
        message = f"{endpoint} cannot be reached: {error.message}."
        return PublishError(message, error.advice, Trouble.TLS)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return _refused(error, int(status), repo_id)
    text = clean_line(error) or type(error).__name__
    if "quota" in text.lower() or "storage limit" in text.lower():
        return _quota(repo_id)
    if isinstance(error, OSError):
        return PublishError(
            f"The Hub cannot be used: {text}.", "Check the network settings.", Trouble.NETWORK
        )
    return PublishError(f"The Hub refused: {text}", "Check the settings.", Trouble.REFUSED)


def _temporary(error: TemporaryHubError) -> PublishError:
    if error.status == 429:
        return PublishError(
            "The Hub asks us to slow down.",
            "It will be tried again.",
            Trouble.BUSY,
            retry_after=error.retry_after,
        )
    if error.status is not None:
        return PublishError(
            f"The Hub has a problem (HTTP {error.status}).",
            "It will be tried again; see https://status.huggingface.co.",
            Trouble.BUSY,
            retry_after=error.retry_after,
        )
    text = clean_line(error)
    kind = Trouble.TLS if "certificate" in text else Trouble.NETWORK
    return PublishError(text, error.advice, kind)


def _quota(repo_id: str) -> PublishError:
    return PublishError(
        f"The storage of {repo_id.partition('/')[0]} on the Hub is full.",
        "Delete something there, make the repository public, or get more storage.",
        Trouble.QUOTA,
    )


def _refused(error: BaseException, status: int, repo_id: str) -> PublishError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    message = clean_line(getattr(error, "server_message", "") or "") or f"HTTP {status}"
    if isinstance(error, GatedRepoError):
        return PublishError(
            f"{repo_id} is gated and its conditions are not accepted yet.",
            f"Open https://huggingface.co/{repo_id} and accept them.",
            Trouble.PERMISSION,
        )
    if isinstance(error, RepositoryNotFoundError) and status == 404:
        return PublishError(
            f"The repository {repo_id} does not exist, or this token may not see it.",
            "Check its name, or make it first.",
            Trouble.MISSING,
        )
    if status == 401:
        return PublishError(
            "The Hub does not accept the token: it is wrong, expired or deleted.",
            f"Make a new one at {TOKENS_PAGE}.",
            Trouble.CREDENTIALS,
        )
    if "quota" in message.lower() or "storage" in message.lower() or status in {402, 507}:
        return _quota(repo_id)
    if status == 403:
        return PublishError(
            f"The token may not write to {repo_id}.",
            f"Give it write access to {repo_id.partition('/')[0]} at {TOKENS_PAGE}, or choose "
            "another owner.",
            Trouble.PERMISSION,
        )
    if status == 409:
        return PublishError(f"{repo_id} is taken.", "Choose another name.", Trouble.TAKEN)
    if status in {412, 404}:
        return PublishError(
            f"{repo_id} changed meanwhile.", "It will be tried again.", Trouble.BUSY
        )
    if status == 413:
        return PublishError(
            "The Hub does not take a file of this size.", "Split it.", Trouble.REFUSED
        )
    return PublishError(
        f"The Hub refused: {message}.", "Check the names and settings.", Trouble.REFUSED
    )
