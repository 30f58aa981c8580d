"""Taking secrets out of text that somebody may read: messages, log lines, error bodies."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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
# Below this length a "secret" would blank out ordinary words.
_SHORTEST_SECRET = 6


def redact_url(url: str) -> str:
    """The address with its user name, password, query values and fragment masked.

    Query values carry the signatures of presigned addresses. Of Replicate's streaming hosts the
    path itself is the key (it is unguessable and needs no token), so it is masked as well.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
        query = [(name, MASK) for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:  # not an address after all, and too odd to take apart
        return MASK
    user = f"{MASK}@" if "@" in parts.netloc else ""
    path = f"/{MASK}" if host.startswith("stream") and len(parts.path) > 1 else parts.path
    netloc = f"{user}[{host}]{port}" if ":" in host else f"{user}{host}{port}"
    tail = urlencode(query, safe="*")
    if parts.query and not tail:  # a query that is not made of pairs may be a key as a whole
        tail = MASK
    return urlunsplit((parts.scheme, netloc, path, tail, ""))


def redact_text(text: str, secrets: Iterable[Secret] = ()) -> str:
    """`text` without the given secrets, without anything shaped like a token, with tame URLs."""
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, MASK)
    text = _URL.sub(lambda found: redact_url(found.group()), text)
    return _TOKENS.sub(MASK, text)


class _RedactingFilter(logging.Filter):
    """Rewrites a record's message before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact_text(record.getMessage()), None
        return True


# The HTTP libraries below us log whole addresses (httpx, INFO) and whole answer headers with
# their `Location` (httpcore, DEBUG). A filter on the loggers themselves holds for every handler.
_FILTER = _RedactingFilter()
_LOUD = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def tame_library_logs() -> None:
    """Make the HTTP libraries' own log lines safe to keep. Doing it again changes nothing."""
    for name in _LOUD:
        logging.getLogger(name).addFilter(_FILTER)
