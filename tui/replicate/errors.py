"""The exceptions of the client, with messages for the screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """An input that the model's schema refuses.

    Attributes:
        field: name of the input in the schema, or "" for the whole input.
        kind: the server's code, such as `required` or `additional_property_not_allowed`.
        message: the server's explanation.
    """

    field: str
    kind: str
    message: str


class ReplicateError(Exception):
    """A failed call.

    Attributes:
        message: what happened.
        advice: what the user can do; may be "".
        status: HTTP status, if there was an answer.
        request_id: the service's id of the call, for a support ticket.
        retry_after: seconds after which to retry, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, status={self.status})"


class AuthenticationError(ReplicateError):
    """No token, a malformed one, or one that is not accepted (401)."""


class InsufficientCreditError(ReplicateError):
    """The account has run out of credit (402)."""


class ForbiddenError(ReplicateError):
    """The token is valid, but lacks the right (403)."""


class NotFoundError(ReplicateError):
    """The resource does not exist, or this account may not see it (404, 410)."""


class TooLargeError(ReplicateError):
    """The body exceeds the limit (413, or found before sending)."""


class InvalidRequestError(ReplicateError):
    """The request is invalid (400, 422 and the other 4xx).

    Attributes:
        fields: the refused inputs, if the service names them.
    """

    def __init__(
        self,
        message: str,
        *,
        fields: tuple[FieldProblem, ...] = (),
        advice: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message, advice=advice, status=status, request_id=request_id, retry_after=retry_after
        )
        self.fields = fields


class InvalidVersionError(InvalidRequestError):
    """The model version does not exist or may not be used (422)."""


class InvalidInputError(InvalidRequestError):
    """The input does not fit the version's schema (400, 422); see `fields`."""


class RateLimitedError(ReplicateError):
    """Too many calls (429); the service did nothing."""


class ServiceError(ReplicateError):
    """The service failed (5xx, 408)."""


class BadAnswerError(ReplicateError):
    """An answer that breaks the API's contract: not JSON, no id, a link to another host."""


class PageError(BadAnswerError):
    """A 401 or 403 of something in front of the service, such as Cloudflare or a proxy.

    It says nothing about the token, and not whether the service has seen the request.
    """


class NotSentError(ReplicateError):
    """The request certainly did not reach the service: DNS, connection, proxy or TLS failed.

    Attributes:
        temporary: whether a retry may succeed without a change of settings.
    """

    def __init__(
        self,
        message: str,
        *,
        temporary: bool = True,
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, advice=advice, retry_after=retry_after)
        self.temporary = temporary


class CircuitOpenError(NotSentError):
    """The call was not attempted, because the circuit breaker is open."""


class NoAnswerError(ReplicateError):
    """The request was sent and no complete answer arrived."""


class UncertainError(ReplicateError):
    """A paid request was sent and it is unknown whether it was accepted.

    Never repeat it before `ReplicateClient.find_submitted` has searched for it.
    """


class FileChangedError(ReplicateError):
    """The local file changed while it was being sent."""


class DamagedUploadError(ReplicateError):
    """The service received other content than was sent, and was asked to delete it."""


class SignatureError(Exception):
    """The signature of a webhook cannot be verified.

    Attributes:
        message: the reason, without secrets.
        advice: what the user can do; may be "".
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
