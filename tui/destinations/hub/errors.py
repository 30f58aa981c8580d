"""Translates errors of the Hub and its library into PublishError."""

from __future__ import annotations

import json
import re
from typing import Final

from tui.destinations.common.errors import PublishError, Trouble, clean_line
from tui.destinations.hub.client import TemporaryHubError
from tui.replicate.network import BundleError

TOKENS_PAGE = "https://huggingface.co/settings/tokens"
_ACCOUNT_PAGE: Final = "https://huggingface.co/settings/account"
_FULL: Final = re.compile(
    r"\bquota\b|\bstorage\b.{0,40}\b(?:limit|full|exceed\w*|reached|used up)"
    r"|\b(?:limit|exceed\w*|out of|not enough|no more)\b.{0,40}\bstorage\b",
    re.IGNORECASE,
)
_TAKEN: Final = re.compile(r"\balready\b|\btaken\b", re.IGNORECASE)
_UNVERIFIED: Final = re.compile(
    r"\b(?:verif|confirm|validat)\w*\b.{0,60}\be-?mail\b"
    r"|\be-?mail\b.{0,60}\b(?:un)?(?:verif|confirm|validat)",
    re.IGNORECASE,
)


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
    if isinstance(error, json.JSONDecodeError):
        return page_error(200)
    text = clean_line(error) or type(error).__name__
    if _says_full(text, repo_id):
        return _quota(repo_id, text)
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
    if error.status == 409:
        return PublishError(
            "The Hub makes another repository of this account at the moment.",
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


def _says_full(sentence: str, repo_id: str) -> bool:
    """Whether a sentence is about used-up storage; an owner may be called `storage-limit`."""
    for name in filter(None, (repo_id, *repo_id.split("/"))):
        sentence = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "…", sentence)
    return bool(_FULL.search(sentence))


def _quota(repo_id: str, sentence: str) -> PublishError:
    owner = repo_id.partition("/")[0]
    full = f"The storage of {owner} on the Hub is full"
    return PublishError(
        f"{full}: {sentence}" if sentence else f"{full}.",
        "Delete something there, make the repository public, or get more storage.",
        Trouble.QUOTA,
    )


def page_error(status: int) -> PublishError:
    """The error for a web page instead of the Hub's answer: it says nothing about the token."""
    return PublishError(
        f"Something in front of the Hub answered with a web page (HTTP {status}).",
        "The token itself may be fine. Check the proxy and the network, or try again later.",
        Trouble.NETWORK,
    )


def _bad_token(status: int) -> PublishError:
    return PublishError(
        f"The Hub does not accept the token (HTTP {status}): it is wrong, expired or deleted.",
        f"Make a new one with write access at {TOKENS_PAGE}.",
        Trouble.CREDENTIALS,
    )


def _forbidden(repo_id: str, sentence: str) -> PublishError:
    """Explain a 403: the Hub's sentence says which right or condition is missing."""
    owner = repo_id.partition("/")[0]
    if not repo_id:
        return _bad_token(403)
    if _UNVERIFIED.search(sentence):
        advice = f"Confirm the e-mail address of the account at {_ACCOUNT_PAGE}."
    else:
        advice = f"Give it write access to {owner} at {TOKENS_PAGE}, or choose another owner."
    told = f": {sentence}" if sentence else "."
    return PublishError(f"The token may not write to {repo_id}{told}", advice, Trouble.PERMISSION)


def is_taken(error: BaseException) -> bool:
    """Whether a refused creation says that the repository exists; a plain 409 means that too."""
    sentence = clean_line(getattr(error, "server_message", "") or "")
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status == 409 and (not sentence or bool(_TAKEN.search(sentence)))


def _conflict(repo_id: str, sentence: str) -> PublishError:
    """Explain a 409: a name that is taken, or something else that happens there at this moment."""
    if _TAKEN.search(sentence):
        return PublishError(
            f"{repo_id} is taken: {sentence}", "Choose another name.", Trouble.TAKEN
        )
    return PublishError(
        f"The Hub has a conflict at {repo_id}: {sentence or 'it does not say which'}",
        "Something else changes it now; it will be tried again.",
        Trouble.BUSY,
    )


def _refused(error: BaseException, status: int, repo_id: str) -> PublishError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    sentence = clean_line(getattr(error, "server_message", "") or "")
    message = sentence or f"HTTP {status}"
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
    if status in {401, 403} and not sentence and not refuses_token(status, _content_type(error)):
        return page_error(status)
    if status == 401:
        return _bad_token(status)
    if status in {402, 507} or _says_full(sentence, repo_id):
        return _quota(repo_id, sentence)
    if status == 403:
        return _forbidden(repo_id, sentence)
    if status == 409:
        return _conflict(repo_id, sentence)
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


def refuses_token(status: int, content_type: str) -> bool:
    """Whether an answer to "whose token is this?" is the Hub's own refusal of the token.

    The Hub answers with JSON; a web page is of something in front of it.
    """
    return status in {401, 403} and "html" not in content_type.lower()


def _content_type(error: BaseException) -> str:
    headers = getattr(getattr(error, "response", None), "headers", {})
    return str(headers.get("content-type", ""))
