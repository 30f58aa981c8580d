"""Removes secrets from text for messages and logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import MASK, Secret

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>\\]+")
_TOKENS = re.compile(
    r"""
    \b r8_[A-Za-z0-9]+                       # Replicate API tokens
  | \b hf_[A-Za-z0-9]{8,}                    # Hugging Face tokens
  | \b whsec_[A-Za-z0-9+/=_-]+               # webhook signing secrets
  | \b (?:AKIA|ASIA)[A-Z0-9]{12,}            # AWS access key ids
  | (?<=Bearer\s) [^\s"',]+
  | (?<=Token\s) [A-Za-z0-9_-]{16,}
    """,
    re.VERBOSE,
)
# A shorter "secret" would mask parts of ordinary words.
_SHORTEST_SECRET = 6


def redact_url(url: str) -> str:
    """Return a URL with user name, password, query values and fragment masked.

    Query values contain the signatures of presigned URLs. At Replicate's streaming hosts the path
    itself is the key (it is unguessable and needs no token), so it is masked as well.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        query = [(name, MASK) for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:  # not a URL
        return MASK
    user = f"{MASK}@" if "@" in parts.netloc else ""
    path = f"/{MASK}" if host.startswith("stream") and len(parts.path) > 1 else parts.path
    netloc = f"{user}[{host}]{port}" if ":" in host else f"{user}{host}{port}"
    tail = urlencode(query, safe="*")
    if parts.query and not tail:  # a query without pairs may be a key as a whole
        tail = MASK
    return urlunsplit((parts.scheme, netloc, path, tail, ""))


def redact_text(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Mask the given and the known secrets, what has a token's format, and secrets in URLs."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, MASK)
    text = KNOWN.redact(text)
    text = _URL.sub(lambda found: redact_url(found.group()), text)
    return _TOKENS.sub(MASK, text)


class _RedactingFilter(logging.Filter):
    """Redacts a record's message before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), None
        return True


# The HTTP libraries log whole URLs (httpx, INFO) and whole response headers with `Location`
# (httpcore, DEBUG). A filter on the loggers themselves applies to every handler.
_FILTER = _RedactingFilter()
_LIBRARY_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def redact_library_logs() -> None:
    """Redact the log records of the HTTP libraries. Idempotent."""
    for name in _LIBRARY_LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
