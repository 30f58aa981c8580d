"""How a route of the API is described, and what follows of it: its path, its URL, its statuses.

An `Endpoint` names shapes and statuses, not handlers: the engine adds those. Three doors serve the
routes: `socket` is the user's Unix socket alone, `both` is that and the listener's TCP address
(there behind an API key), `listener` is the TCP address alone, with a proof of its own (a webhook's
signature, S3's).

The two directions of a failure: an answer of one of `errors`, or of those that any route may give
(`statuses`), is a `tui.api.errors.Failure`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from tui.api.scopes import Scope

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")
Method: TypeAlias = Literal["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]
Door: TypeAlias = Literal["socket", "both", "listener"]

_VARIABLE: Final = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_ANY: Final = (400, 500, 503, 507)
"""What every route may answer: something in the path, the query or a header is wrong; a defect; the
engine is about to end; the disk is full."""
_WITH_BODY: Final = (408, 413, 415)
"""The same of methods that take a body: it is too slow, too large, or no JSON."""
_WITH_KEY: Final = (401, 403, 421)
"""The same over TCP: no key, a web page of somebody else's, another server's name."""


class Endpoint(NamedTuple, Generic[BodyT, QueryT, AnswerT]):
    """One operation of the API: `Endpoint[shape of the body, of the query, of a good answer]`.

    The shapes stand in the annotation alone, for the type checker; `tui.api.schemas` reads them
    there for who validates. A route that reads no body has None for it, likewise for the query;
    an answer that is not JSON is `bytes` or `str`.

    Attributes:
        method: the HTTP method.
        path: with `{names}` for its variable parts; `{name:.+}` may hold slashes.
        summary: one line.
        optional: whether the body may be missing.
        status: of a good answer.
        more: further statuses whose answer has the same shape.
        errors: statuses of its own failures, beyond those that any route may have.
        content: content type of a good answer.
        door: who is served.
        scope: what a key must be allowed to call it over TCP; "" where no key can.
    """

    method: Method
    path: str
    summary: str
    optional: bool = False
    status: int = 200
    more: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    content: str = "application/json"
    door: Door = "both"
    scope: Scope | Literal[""] = ""


def statuses(endpoint: Endpoint[Any, Any, Any]) -> tuple[int, ...]:
    """Every status that an operation may answer, ascending."""
    found = {endpoint.status, *endpoint.more, *endpoint.errors, *_ANY}
    if endpoint.method in ("PUT", "POST", "PATCH"):
        found.update(_WITH_BODY)
    if endpoint.door == "both":
        found.update(_WITH_KEY)
    return tuple(sorted(found))


def variables(endpoint: Endpoint[Any, Any, Any]) -> list[str]:
    """Names of the variable parts of an operation's path."""
    return [name for name, _ in _VARIABLE.findall(endpoint.path)]


def plain(template: str) -> str:
    """A path as OpenAPI spells it: `{name}` for every variable part."""
    return _VARIABLE.sub(r"{\1}", template)


def path(template: str, /, **values: str) -> str:
    """A path with its variable parts filled in and quoted.

    A part cannot leave its place: slashes are quoted unless the template lets it hold some, and
    `.` and `..` are quoted whole, so that nobody takes them for steps up.

    Args:
        template: an endpoint's path.
        values: the variable parts, by name.

    Raises:
        ValueError: a part is missing, empty or not in the template.
    """
    unused = set(values)

    def fill(match: re.Match[str]) -> str:
        name, pattern = match[1], match[2]
        value = values.get(name, "")
        unused.discard(name)
        if not value:
            raise ValueError(f"{template} needs {name}")
        parts = value.split("/") if pattern else [value]
        return "/".join(_quoted(part) for part in parts)

    filled = _VARIABLE.sub(fill, template)
    if unused:
        raise ValueError(f"{template} has no {', '.join(sorted(unused))}")
    return filled


def url(
    endpoint: Endpoint[Any, Any, Any], query: Mapping[str, Any] | None = None, /, **values: str
) -> str:
    """Path and query of a call.

    Args:
        endpoint: the operation.
        query: its parameters; None is left out, a truth value is
            `true` or `false`.
        values: the variable parts of its path, by name.

    Raises:
        ValueError: see `path`.
    """
    given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    filled = path(endpoint.path, **values)
    return f"{filled}?{urlencode(given, quote_via=quote)}" if given else filled


def _quoted(part: str) -> str:
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
