"""The source for outputs at Replicate: single files by address, kept for an hour."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tui.destinations.common.errors import PublishError, Trouble
from tui.engine.results.source import Answer, ContentChangedError, Remote
from tui.replicate.addresses import Base
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import (
    AuthenticationError,
    CircuitOpenError,
    ForbiddenError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
)
from tui.replicate.outputs import is_replicates, why_refused
from tui.store.transfer_records import Origin

_WEB: Final = re.compile("https?:", re.IGNORECASE)
_BUSY = (RateLimitedError, ServiceError, CircuitOpenError)


class ReplicateOutputs:
    """The files of a job's output. Addresses may be signed, so they stay in memory."""

    origin: Origin = "replicate"
    place = "Replicate"

    def __init__(
        self, addresses: list[str], client: Callable[[], Awaitable[ReplicateClient]]
    ) -> None:
        self._addresses = addresses
        self._client = client

    async def list(self) -> list[Remote]:
        """List one file per address; files of the same name get numbers."""
        remotes: list[Remote] = []
        used_names: set[str] = set()
        for address in self._addresses:
            name = PurePosixPath(unquote(urlsplit(address).path)).name or "output"
            number = 1
            while name in used_names:
                number += 1
                file_name = PurePosixPath(unquote(urlsplit(address).path)).name or "output"
                name = f"{number}-{file_name}"
            used_names.add(name)
            remotes.append(Remote(name, address))
        return remotes

    async def inspect(self, remote: Remote) -> tuple[Remote, bool]:
        """Request the first byte, to learn the size, the ETag and whether ranges work."""
        with _translated(remote.name):
            client = await self._client()
            async with client.reading(remote.key, start=0, stop=1) as answer:
                known = replace(
                    remote, size=answer.total, mark=answer.etag.removeprefix("W/"), md5=answer.md5
                )
                # Without an ETag the parts might belong to different contents.
                return known, answer.ranged and bool(answer.etag)

    @asynccontextmanager
    async def reading(self, remote: Remote, start: int, stop: int | None) -> AsyncIterator[Answer]:
        """Open an address."""
        with _translated(remote.name):
            client = await self._client()
            async with client.reading(
                remote.key, start=start, stop=stop, etag=remote.mark
            ) as answer:
                changed = answer.ranged and answer.etag.removeprefix("W/") != remote.mark
                if answer.start != start or changed:
                    raise ContentChangedError(remote.name)
                yield Answer(answer.start, answer.pieces)

    def permanent_location(self, remote: Remote) -> None:
        """Return None, because Replicate deletes the file after an hour."""

    async def aclose(self) -> None:
        """Do nothing: the client belongs to the engine."""


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Translate errors of the Replicate client into PublishError."""
    try:
        yield
    except ReplicateError as error:
        raise publish_error(error, name) from error


def publish_error(error: ReplicateError, name: str) -> PublishError:
    """The PublishError for a failure to fetch an output."""
    if isinstance(error, NotFoundError):
        return PublishError(
            f"Replicate does not have {name} any more.",
            "It keeps files for an hour after a job's end; run the job again for new ones.",
            Trouble.MISSING,
        )
    kind = Trouble.REFUSED
    if isinstance(error, _BUSY):
        kind = Trouble.BUSY
    elif isinstance(error, NoAnswerError | NotSentError):
        kind = Trouble.NETWORK
    elif isinstance(error, AuthenticationError | ForbiddenError):
        kind = Trouble.CREDENTIALS
    return PublishError(error.message, error.advice, kind, retry_after=error.retry_after)


@dataclass(frozen=True, slots=True)
class Links:
    """The web addresses in an output.

    Attributes:
        files: addresses that may be fetched, without duplicates.
        refused: reasons why addresses at Replicate's hosts may not be fetched, by address.
        elsewhere: the same for addresses at other hosts, which may be a bucket or a repository.
    """

    files: list[str]
    refused: dict[str, str]
    elsewhere: dict[str, str]


def links_of(output: Any, api_base: str) -> Links:
    """The web addresses in an output, sorted by whether they may be fetched.

    A model decides its output and may put any address there, so `why_refused` checks each.
    """
    base = Base.parse(api_base)
    reasons: dict[str, str] = {}
    for text in texts_of(output):
        address = text.strip()
        if _WEB.match(address) and not any(map(str.isspace, address)):
            reasons[address] = why_refused(base, address)
    links = Links([], {}, {})
    for address, reason in reasons.items():
        if not reason:
            links.files.append(address)
        else:
            at_replicate = is_replicates(base, address)
            (links.refused if at_replicate else links.elsewhere)[address] = reason
    return links


def texts_of(output: Any, depth: int = 4) -> Iterator[str]:
    """Every text in an output: a text, or a list or an object of them, up to a depth."""
    if isinstance(output, str):
        yield output
    elif depth and isinstance(output, list | dict):
        for item in output if isinstance(output, list) else output.values():
            yield from texts_of(item, depth - 1)
