"""Sends HTTP calls to the service: token, retries, redirects, rate budget and errors."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

from tui import __version__
from tui.replicate.addresses import Base
from tui.replicate.bearer import bearer
from tui.replicate.budget import RateBudget
from tui.replicate.error_responses import read_refusal, to_error
from tui.replicate.errors import (
    AuthenticationError,
    BadAnswerError,
    CircuitOpenError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
)
from tui.replicate.network import Network, RoutedTransport
from tui.replicate.outputs import NOT_FETCHED_ADVICE, is_file_route, why_refused
from tui.replicate.rate_windows import used_up
from tui.replicate.redact import redact_library_logs, redact_url
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.replicate.values import load_json, parse_http_date

log = logging.getLogger(__name__)

USER_AGENT = f"simpletuner-tui/{__version__}"
T = TypeVar("T")
_LARGEST_ANSWER = 256 * 1024 * 1024  # a list page may carry 100 whole logs
_LARGEST_REFUSAL = 256 * 1024
_PARSED_INLINE = 256 * 1024  # larger answers are parsed in a thread: 20 MB take 70 ms
_MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Call:
    """A request before it is sent.

    Attributes:
        what: its purpose, as the object of a sentence, for messages.
        method: HTTP method.
        url: absolute URL.
        headers: in addition to those of every call.
        body: creates the body for each attempt; None for no body.
        repeatable: whether the service may receive it twice without harm.
        secrets: values to redact in errors, in addition to the token.
        bounded: whether `Timeouts.whole` applies.
    """

    what: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Callable[[], bytes | AsyncIterator[bytes]] | None = field(default=None, repr=False)
    repeatable: bool = True
    secrets: tuple[Secret, ...] = ()
    bounded: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer: status, headers in lower case, whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Session:
    """The connections, token and rate budget of a client.

    Attributes:
        base: the API's base address.
        network: the network settings.
        budget: the rate budget, shared by the clients of an account.
        clock_offset: the service's clock minus ours; None before the first answer.
    """

    def __init__(
        self, token: Secret | None, *, base_url: str, network: Network, budget: RateBudget
    ) -> None:
        self.base = Base.parse(base_url)
        self.network = network
        self.budget = budget
        self._era = budget.era
        self.clock_offset: timedelta | None = None
        self._token = token
        redact_library_logs()
        for warning in network.warnings():
            log.warning("%s", warning)
        self._http = httpx.AsyncClient(
            transport=RoutedTransport(network),
            timeout=network.timeouts.for_httpx(),
            headers={"User-Agent": USER_AGENT},
            follow_redirects=False,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def json(self, call: Call) -> Any:
        """Send a call and parse its answer.

        Raises:
            BadAnswerError: the answer is not JSON.
            ReplicateError: as for `send`.
        """
        return await self.read(call, lambda data: data)

    async def read(self, call: Call, read: Callable[[Any], T]) -> T:
        """Send a call, parse its answer and make something of it; a large one in a thread.

        Raises:
            BadAnswerError: the answer is not JSON.
            ReplicateError: as for `send`, or raised by `read`.
        """
        reply = await self.send(call)
        if len(reply.body) > _PARSED_INLINE:
            return await asyncio.to_thread(self._made_of, reply, call, read)
        return self._made_of(reply, call, read)

    def _made_of(self, reply: Reply, call: Call, read: Callable[[Any], T]) -> T:
        try:
            data = load_json(reply.body)
        except ValueError:
            raise BadAnswerError(
                f"{self.base.service} answered {call.what} with something that is not JSON.",
                advice="A proxy or a login page may sit in between; check the API address.",
                status=reply.status,
            ) from None
        return read(data)

    async def send(self, call: Call) -> Reply:
        """Send a call, with retries if they are safe.

        Raises:
            ReplicateError: the last failure.
        """
        retry = self.network.retry
        remaining = retry.patience
        last_error: ReplicateError | None = None
        for attempt in range(1, retry.attempts + 1):
            try:
                return await self._attempt(call, remaining)
            except CircuitOpenError as error:
                raise (last_error or error) from None
            except (RateLimitedError, NotSentError, ServiceError, NoAnswerError) as error:
                last_error = error
                if not _may_repeat(error, call) or attempt == retry.attempts:
                    raise
                backoff = random.uniform(0, min(retry.longest, retry.base * 2**attempt))  # noqa: S311  # spreads tries, guards nothing
                pause = backoff if error.retry_after is None else error.retry_after + backoff / 4
                if pause > remaining:
                    raise
                log.info("%s: %s; again in %.1f s", call.what, type(error).__name__, pause)
            remaining -= pause
            await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, call: Call, patience: float) -> Reply:
        await self.budget.turn(patience)
        limit = self.network.timeouts.whole if call.bounded else None
        try:
            async with asyncio.timeout(limit), self.exchange(call) as response:
                return Reply(
                    response.status_code,
                    _plain_headers(response),
                    await _read(response, _LARGEST_ANSWER, call.what),
                )
        except TimeoutError:
            late = NoAnswerError(
                f"{self.base.service} took longer than {limit:g} s over {call.what}.",
                advice="Try again; if it stays like this, check the connection.",
            )
            self.budget.failed(late, self._era)
            raise late from None

    @asynccontextmanager
    async def exchange(self, call: Call, *, output: bool = False) -> AsyncIterator[httpx.Response]:
        """Make one attempt; yields a successful response whose body has not been read.

        The token is sent only below the service's base. Redirects are followed for GET, and only
        there.

        Args:
            call: the call.
            output: the URL comes from a prediction's output, so anybody may have chosen it. The
                token is sent only to a file route of the API, and never after a redirect;
                redirects are followed if `why_refused` allows their target.

        Raises:
            ReplicateError: there was no answer, or an error response.
        """
        url = call.url
        for hop in range(_MOST_REDIRECTS + 1):
            is_ours = self.base.owns(url)
            started = time.monotonic()
            try:
                token = (
                    not hop and is_file_route(self.base, url) if output else self.base.opens(url)
                )
                request = self._request(call, url, token=token)
                response = await self._http.send(request, stream=True)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise self._transport_error(error, url, call, is_ours=is_ours) from None
            try:
                log.debug(
                    "%s %s -> %d in %.0f ms",
                    call.method,
                    redact_url(url),
                    response.status_code,
                    (time.monotonic() - started) * 1000,
                )
                if is_ours:
                    self._learn_clock(response)
                if response.is_redirect and call.method == "GET":
                    url = self._redirected(url, response, call, output=output)
                    continue
                if not response.is_success:
                    raise await self._response_error(response, call, is_ours=is_ours)
                if is_ours:
                    self._note_success(response)
                try:
                    yield response
                except (httpx.HTTPError, httpx.StreamError) as error:
                    raise self._transport_error(error, url, call, is_ours=is_ours) from None
                return
            finally:
                await response.aclose()
        raise BadAnswerError(f"{self.base.service} redirects {call.what} in a circle.")

    def _request(self, call: Call, url: str, *, token: bool) -> httpx.Request:
        headers = dict(call.headers)
        if token:
            headers |= bearer(self._checked_token(), str(self.base.url), url)
        content = None if call.body is None else call.body()
        return self._http.build_request(call.method, url, headers=headers, content=content)

    def _checked_token(self) -> Secret:
        token = "" if self._token is None else self._token.reveal()
        if not token:
            raise AuthenticationError(
                "There is no Replicate token.",
                advice="Get one on https://replicate.com/account/api-tokens and set it.",
            )
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise AuthenticationError(
                "The Replicate token has a space, a line break or another character that no "
                "token has.",
                advice="Copy it again; it is 40 characters long and starts with r8_.",
            )
        return Secret(token)

    def _redirected(self, url: str, response: httpx.Response, call: Call, *, output: bool) -> str:
        target = httpx.URL(url).join(response.headers.get("location", ""))
        secure = target.scheme == "https" or httpx.URL(url).scheme == "http"
        known = not why_refused(self.base, str(target)) if output else self.base.opens(str(target))
        if secure and known:
            return str(target)
        advice = "Check the API address; it should be the final one."
        raise BadAnswerError(
            f"{self.base.service} redirects {call.what} to {redact_url(str(target))}, "
            "where we do not follow.",
            advice=NOT_FETCHED_ADVICE if output else advice,
            status=response.status_code,
        )

    async def _response_error(
        self, response: httpx.Response, call: Call, *, is_ours: bool
    ) -> ReplicateError:
        try:
            body = await _read(response, _LARGEST_REFUSAL, call.what)
        except (httpx.HTTPError, httpx.StreamError, BadAnswerError):
            body = b""  # the status alone is enough for an error
        secrets = (*call.secrets, self._token) if self._token else call.secrets
        refusal = read_refusal(
            response.status_code, _plain_headers(response), body, secrets=secrets
        )
        service = self.base.service if is_ours else httpx.URL(call.url).host
        error = to_error(refusal, what=call.what, service=service)
        if is_ours:
            if response.status_code == 429:
                self.budget.throttled(1.0 if refusal.retry_after is None else refusal.retry_after)
            elif response.status_code >= 500:
                self.budget.failed(error, self._era)
            else:
                self.budget.answered()
        return error

    def _note_success(self, response: httpx.Response) -> None:
        self.budget.answered()
        pause = used_up(response.headers)
        if pause is not None:
            self.budget.used_up(pause)

    def _learn_clock(self, response: httpx.Response) -> None:
        theirs = parse_http_date(response.headers.get("date"))
        if theirs is not None:
            self.clock_offset = theirs - datetime.now(UTC)

    def _transport_error(
        self, error: Exception, url: str, call: Call, *, is_ours: bool
    ) -> ReplicateError:
        failure = unreached(error, url, self.network, what=call.what)
        if is_ours:
            self.budget.failed(failure, self._era)
        return failure


def _may_repeat(error: ReplicateError, call: Call) -> bool:
    if isinstance(error, RateLimitedError):
        return True  # the service did nothing
    if isinstance(error, NotSentError):
        return error.temporary
    return call.repeatable and error.status != 501


def _plain_headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


async def _read(response: httpx.Response, limit: int, what: str) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > limit:
            raise BadAnswerError(
                f"The answer to {what} is larger than {limit // 2**20} MiB.",
                status=response.status_code,
            )
        pieces.append(piece)
    return b"".join(pieces)
