"""What can go wrong between us and Replicate, as types whose words are fit for the screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One input that the model's schema refuses.

    Attributes:
        field: name of the input as the schema has it, or "" when the whole input is meant.
        kind: the server's word for it, such as `required` or `additional_property_not_allowed`.
        message: the server's explanation.
    """

    field: str
    kind: str
    message: str


class ReplicateError(Exception):
    """A call that did not give what it was made for.

    Attributes:
        message: what happened.
        advice: what to do next; may be empty.
        status: HTTP status, when there was an answer.
        request_id: the service's own id of the call, for a support ticket.
        retry_after: seconds after which another try makes sense, when known.
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
    """The token is good, but may not do this (403)."""


class NotFoundError(ReplicateError):
    """No such thing, or none that this account may see (404, 410)."""


class TooLargeError(ReplicateError):
    """Body over the limit (413, or found before sending)."""


class InvalidRequestError(ReplicateError):
    """The request does not fit (400, 422 and the other 4xx).

    Attributes:
        fields: the inputs that were refused, where the service names them.
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
    """Too many calls (429). Nothing was done."""


class ServiceError(ReplicateError):
    """The service failed (5xx, 408)."""


class BadAnswerError(ReplicateError):
    """An answer that is not what the API promises: not JSON, no id, a link to another host."""


class NotSentError(ReplicateError):
    """The request certainly never reached the service: name, connection, proxy or TLS failed.

    Attributes:
        temporary: whether another try may go better without anybody changing a setting.
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
    """Not even tried: the service has failed several times in a row and is being given a rest."""


class NoAnswerError(ReplicateError):
    """The request went out and no complete answer came back."""


class UncertainError(ReplicateError):
    """A paid request went out and it is not known whether it was accepted.

    Never repeat it before `ReplicateClient.find_submitted` has looked for it.
    """


class FileChangedError(ReplicateError):
    """The local file changed while it was being sent."""


class DamagedUploadError(ReplicateError):
    """The service got other bytes than those that were to be sent, and was asked to delete them."""


class SignatureError(Exception):
    """A webhook that cannot be shown to come from Replicate.

    Attributes:
        message: the reason, safe to show and to log.
        advice: what to do next; may be empty.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
