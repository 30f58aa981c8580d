"""The errors of destinations, each with a message and advice for the screen."""

from __future__ import annotations

from enum import Enum
from typing import Final

from tui.replicate.redact import redact_text


class Trouble(Enum):
    """The kind of a failure, for scripts and for the decision whether to retry."""

    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    MISSING = "missing"
    REGION = "region"
    CLOCK = "clock"
    QUOTA = "quota"
    TLS = "tls"
    NETWORK = "network"
    BUSY = "busy"
    NAME = "name"
    TAKEN = "taken"
    CHANGED = "changed"
    MISMATCH = "mismatch"
    DISK_FULL = "disk_full"
    LOCAL = "local"
    CANCELLED = "cancelled"
    REFUSED = "refused"


_PASSING = frozenset({Trouble.NETWORK, Trouble.BUSY})


class PublishError(Exception):
    """A destination cannot be used, or a file has not arrived.

    Attributes:
        message: what happened.
        advice: what the user can do.
        kind: the kind of the failure.
        retry_after: seconds that the server asked us to wait, or None.
    """

    def __init__(
        self, message: str, advice: str, kind: Trouble, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.kind = kind
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without a change by the user."""
        return self.kind in _PASSING


class TransferCancelledError(PublishError):
    """The transfer stopped because its `cancel` event was set; it can be resumed or abandoned."""

    def __init__(self) -> None:
        super().__init__("The transfer was stopped.", "", Trouble.CANCELLED)


class SourceChangedError(PublishError):
    """The local file has changed since the transfer was planned."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} changed while it was being sent.",
            "Wait until nothing writes to it any more, then publish again.",
            Trouble.CHANGED,
        )


class UnverifiableError(PublishError):
    """The destination took the content and does not let us look at it: nothing is proved."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(
            f"{name} was sent, and cannot be verified: the keys may not read in {where}.",
            "Let the keys read there (s3:GetObject), then try the transfer again; or look at the "
            "place yourself. The files here are kept.",
            Trouble.PERMISSION,
        )


class MismatchError(PublishError):
    """The content at the destination differs from what was sent."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            f"{name} did not arrive intact: {what}.",
            "Send it again; if this repeats, the storage or something on the way damages data.",
            Trouble.MISMATCH,
        )


def disk_error(error: OSError, what: str) -> PublishError:
    """Translate an error of the local disk or a mounted folder."""
    import errno

    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return PublishError(
            f"{what}: no space is left.", "Free some space there, then resume.", Trouble.DISK_FULL
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PublishError(
            f"{what}: {reason}.",
            "Choose a folder that you may write to, or change its permissions.",
            Trouble.PERMISSION,
        )
    if error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN}:
        return PublishError(
            f"{what}: {reason}.",
            "If it is a mounted folder, check that its server can be reached.",
            Trouble.NETWORK,
        )
    return PublishError(f"{what}: {reason}.", "Check the folder and the file.", Trouble.LOCAL)


MOST: Final = 300
"""Characters of a server's message: some answer with whole pages."""


def clean_line(text: object, most: int = MOST) -> str:
    """Return a server's text as one printable line of at most `most` characters, without secrets.

    Unprintable characters move the cursor, reverse the direction of text, or are invisible. They
    are removed before secrets are redacted, so that a secret with such characters inside is found.
    """
    lines = " ".join(str(text).split())
    line = redact_text("".join(letter for letter in lines if letter.isprintable()))
    return line if len(line) <= most else f"{line[: most - 1]}…"
