"""The base class of the client: life cycle, state, and the kinds of calls that it makes."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Self, TypeVar

from tui.replicate.addresses import REPLICATE
from tui.replicate.budget import Circuit, RateBudget
from tui.replicate.errors import BadAnswerError, InvalidRequestError, NotFoundError
from tui.replicate.models import Answer
from tui.replicate.network import Network
from tui.replicate.secret import Secret
from tui.replicate.session import Call, Session

A = TypeVar("A", bound=Answer)


class BaseClient:
    """Life cycle and state of a client, and helpers for its calls.

    Args:
        token: the API token, or None (then only downloads from delivery hosts work).
        base_url: the API's address, ending in `/v1`.
        network: proxies, certificates, time limits, retries.
        budget: shared with the other clients of the same account; its own if None.

    Raises:
        InvalidRequestError: `base_url` is not an address.
        OSError: the CA bundle cannot be read.
    """

    def __init__(
        self,
        token: Secret | None,
        *,
        base_url: str = REPLICATE,
        network: Network = Network(),  # noqa: B008  # frozen, so one default can serve all
        budget: RateBudget | None = None,
    ) -> None:
        self.budget = budget if budget is not None else RateBudget()
        self._session = Session(token, base_url=base_url, network=network, budget=self.budget)
        self._url = self._session.base.path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._session.base.url)!r})"

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.aclose()

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at the end."""
        return str(self._session.base.url)

    @property
    def circuit(self) -> Circuit:
        """The state of the circuit breaker."""
        return self.budget.circuit

    @property
    def clock_offset(self) -> timedelta | None:
        """The service's clock minus ours, from the last answer; None before the first."""
        return self._session.clock_offset

    async def _get(self, kind: type[A], what: str, url: str) -> A:
        call = Call(what, "GET", url)
        return await self._session.read(call, lambda data: self._read_answer(kind, data, what))

    def _read_answer(self, kind: type[A], data: object, what: str) -> A:
        try:
            answer = kind.read(data)
        except ValueError:
            answer = None
        if answer is None or not getattr(answer, kind.key):
            raise BadAnswerError(
                f"{self._session.base.service} answered the question for {what} with something "
                "else.",
                advice="Check the API address; if it is right, try again later.",
            )
        return answer

    def _resource(self, kind: str, id_or_url: str) -> str:
        if "://" in id_or_url:
            return self._session.base.pin(id_or_url)
        return self._url(kind, id_or_url)

    async def _cancel(self, kind: type[A], plural: str, id_or_url: str) -> A:
        url = self._resource(plural, id_or_url)
        call = Call(f"cancelling {short(id_or_url)}", "POST", f"{url}/cancel")
        try:
            return await self._session.read(
                call, lambda answer: self._read_answer(kind, answer, call.what)
            )
        except (InvalidRequestError, NotFoundError, BadAnswerError):
            # The answer to cancelling a run that has ended is not documented, so its state is read.
            pass
        return await self._get(kind, f"{plural[:-1]} {short(id_or_url)}", url)


def short(id_or_url: str) -> str:
    """Return the last part of a URL, or the id itself, for messages."""
    return id_or_url.rstrip("/").rpartition("/")[2].partition("?")[0]
