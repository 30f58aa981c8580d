"""The one reader of requests: bodies and queries, validated against the shapes of `tui.api`.

Whatever is wrong with a request, it is refused with a 4xx status in the API's one shape, before a
handler sees any of it:

=====================================================  ======
too slow                                               408
too large                                              413
compressed, not JSON by its media type, not UTF-8      415
no JSON (RFC 8259), a name twice in one object, NaN,   400
an infinite number, nested too deeply, cut off
a field missing, of the wrong type, or not known       400
=====================================================  ======
"""

from __future__ import annotations

import asyncio
import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import pydantic_core
from aiohttp import ClientError, web
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tui.api.routes import Endpoint
from tui.api.schemas import shapes_of
from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject

MOST_BODY: Final = 1024 * 1024
"""Bytes of the longest body; a config with a long list of prompts has some ten thousand.

What a body says is copied, compared and hashed on the event loop: 8 MiB would hold it too long.
"""
BODY_SECONDS: Final = 30.0
_LARGE: Final = 64 * 1024
"""Bytes from which a body is parsed beside the event loop: a MiB takes a tenth of a second."""
_LONGEST_NAME: Final = 80
_MOST_PROBLEMS: Final = 20
_MOST_COUNTED: Final = 1_000
"""Problems of a body that are looked at; to list ten thousand holds the event loop."""
_NEAR: Final = 0.75
"""How alike an unknown name and a known one are that is suggested; 1 is the same."""
_NUL: Final = b"\\u0000"
"""As JSON spells it; JSON takes no other spelling."""
_NO_JSON: Final = "The request body is not JSON"

Extra = Literal["forbid", "ignore", "allow"]
BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")


# -- bodies --------------------------------------------------------------------------------------


async def read_body(
    request: web.Request, endpoint: Endpoint[BodyT, Any, Any], *, extra: Extra = "forbid"
) -> BodyT:
    """The body of a request, of the operation's shape.

    Args:
        request: whose body has not been read yet.
        endpoint: the operation; where its body may be missing, a missing one is empty.
        extra: what to do with names that the shape does not have: refuse the request, drop them,
            or hand them on.

    Raises:
        RefusedError: the body cannot be taken; `details.fields` says which fields are wrong.
    """
    shape = shapes_of(endpoint).body
    empty: Any = [] if get_origin(shape) is list else {}
    data = await read_json(request, empty) if endpoint.optional else await read_json(request)
    return cast("BodyT", validated(data, shape, extra=extra))


async def read_json(request: web.Request, *empty: Any) -> Any:
    """The JSON in a request's body.

    Args:
        request: whose body has not been read yet.
        empty: the value of a missing body, where it may be missing.

    Raises:
        RefusedError: there is no body that is taken.
    """
    _check_headers(request)
    raw = await _read(request)
    if not raw and empty:
        return empty[0]
    if len(raw) < _LARGE:
        return parse(raw)
    return await asyncio.to_thread(parse, raw)


def parse(raw: bytes) -> Any:
    """The value that a JSON text stands for.

    Raises:
        RefusedError: it is none, or one that readers understand in different ways.
    """
    try:
        # Strict about UTF-8 and lone surrogates, and bounded in depth, as `json` is not.
        pydantic_core.from_json(raw, allow_inf_nan=False)
        value = json.loads(raw, object_pairs_hook=_object, parse_float=_float)
    except _AmbiguousError as error:
        raise RefusedError(f"{_NO_JSON} that means one thing: {error}.") from None
    except (ValueError, RecursionError):
        raise RefusedError(f"{_NO_JSON}.") from None
    if _NUL in raw and _holds_nul(value):
        raise RefusedError("A text in the request body holds the character NUL.")
    return value


def check_text(name: str, text: str) -> None:
    """Refuse what no file name, no database and no other server takes: NUL, broken UTF-8.

    Args:
        name: the part of the path or the parameter of the query.
        text: unquoted.

    Raises:
        RefusedError: it holds such a character.
    """
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise wrong(name, "holds the character NUL, or bytes that are no UTF-8")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(name) or _holds_nul(inner) for name, inner in value.items())
    return isinstance(value, list) and any(_holds_nul(inner) for inner in value)


class _AmbiguousError(ValueError):
    """A JSON text that readers understand in different ways."""


def _object(pairs: Sequence[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _AmbiguousError(f"{_shown(twice)} stands twice in one object")
    return found


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _AmbiguousError(f"the number {_shown(text)} is too large")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:50]}…")


def _check_headers(request: web.Request) -> None:
    if not request.body_exists:
        return
    codings = {
        coding.strip().lower()
        for value in request.headers.getall("Content-Encoding", [])
        for coding in value.split(",")
    }
    if codings - {"identity", ""}:
        raise RefusedError("Compressed request bodies are not taken.", status=415)
    media, _, parameters = request.headers.get("Content-Type", "application/json").partition(";")
    media = media.strip().lower()
    if media != "application/json" and not (
        media.startswith("application/") and media.endswith("+json")
    ):
        raise RefusedError(
            f"A request body is application/json, not {_shown(media)}.",
            "Send the header 'Content-Type: application/json'.",
            status=415,
        )
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
            raise RefusedError("A request body is UTF-8.", status=415)
    if (request.content_length or 0) > MOST_BODY:
        raise _too_large()


async def _read(request: web.Request) -> bytes:
    pieces, total = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while piece := await request.content.readany():
                total += len(piece)
                if total > MOST_BODY:
                    raise _too_large()
                pieces.append(piece)
    except TimeoutError:
        raise RefusedError("The request body took too long.", status=408) from None
    except (ClientError, web.RequestPayloadError, EOFError, ValueError):
        raise RefusedError("The request body was cut off.") from None
    return b"".join(pieces)


def _too_large() -> RefusedError:
    return RefusedError(
        f"A request body has at most {MOST_BODY} bytes.", status=413, code="too_large"
    )


# -- queries -------------------------------------------------------------------------------------


def read_query(request: web.Request, endpoint: Endpoint[Any, QueryT, Any]) -> QueryT:
    """The parameters in a request's query, of the operation's shape.

    Of a parameter that comes twice the first one counts; empty ones are as if they were missing,
    and unknown ones are ignored, as links may carry some.

    Raises:
        RefusedError: one cannot be read; `details.fields` says which.
    """
    given = {name: request.query[name] for name in request.query if request.query[name]}
    for name, value in given.items():
        check_text(name, value)
    shape = shapes_of(endpoint).query
    return cast("QueryT", validated(given, shape, extra="ignore", strict=False))


def wrong(name: str, why: str) -> RefusedError:
    """The refusal of one field."""
    return RefusedError(f"{name} {why}.", details={"fields": {name: why}})


# -- shapes --------------------------------------------------------------------------------------


def validated(data: Any, shape: Any, extra: Extra = "forbid", *, strict: bool = True) -> Any:
    """Plain data that has a shape of `tui.api`.

    Args:
        data: as JSON has it.
        shape: the shape.
        extra: what to do with names that the shape does not have.
        strict: a text is no number and a number no truth value; else texts are read.

    Raises:
        RefusedError: it does not fit; `details.fields` says where and why.
    """
    try:
        return _adapter(shape, extra, strict).validate_python([data])[0]
    except ValidationError as error:
        if (count := error.error_count()) > _MOST_COUNTED:
            raise RefusedError(f"This cannot be taken: it is wrong in {count:,} places.") from None
        problems = error.errors(include_url=False, include_input=False)[:_MOST_PROBLEMS]
    fields = _fields(data, problems, shape)
    if "" in fields:
        raise RefusedError(f"The request body {fields['']}.")
    words = "; ".join(f"{name} {why}" for name, why in fields.items())
    raise RefusedError(f"This cannot be taken: {words}.", details={"fields": fields})


@cache
def _adapter(shape: Any, extra: Extra, strict: bool) -> TypeAdapter[Any]:
    # Inside a list: a TypedDict itself takes no configuration from outside, what is in it does.
    config = ConfigDict(strict=strict, extra=extra, allow_inf_nan=False)
    return TypeAdapter(list[shape], config=config)


def _fields(data: Any, problems: Iterable[Mapping[str, Any]], shape: Any) -> dict[str, str]:
    """What is wrong, by the dotted name of the field; of several types any would have done."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        name = _name(data, problem["loc"][1:], missing=problem["type"] == "missing")
        words = _words(problem)
        if problem["type"] == "extra_forbidden":
            words += _suggestion(shape, problem["loc"][1:])
        if words not in found.setdefault(name, []):
            found[name].append(words)
    return {
        name: " or ".join([words[0], *(text.removeprefix("must be ") for text in words[1:])])
        for name, words in found.items()
    }


def _name(data: Any, place: Sequence[str | int], *, missing: bool) -> str:
    """The field that a problem is about, without the names of types that pydantic adds to it."""
    parts: list[str] = []
    for number, part in enumerate(place):
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            parts.append(str(part))
            data = data[part]
        elif missing and number == len(place) - 1:
            parts.append(str(part))
    return _printable(".".join(parts))


def _suggestion(shape: Any, place: Sequence[str | int]) -> str:
    """The known name that is meant, in words; empty where none is near."""
    shapes = _typed_dicts(shape)
    for part in place[:-1]:
        inner = [
            hint
            for one in shapes
            if (hint := get_type_hints(one, include_extras=True).get(str(part))) is not None
        ]
        # Other parts are indices of lists, and names that pydantic gives to types.
        shapes = [one for hint in inner for one in _typed_dicts(hint)] or shapes
    names = sorted({name for one in shapes for name in one.__annotations__})
    near = difflib.get_close_matches(str(place[-1])[:_LONGEST_NAME], names, 1, _NEAR)
    return f"; did you mean {near[0]}?" if near else ""


def _typed_dicts(shape: Any) -> list[Any]:
    """The TypedDicts that a type is made of, without those inside of these."""
    # Not `is_typeddict`: before Python 3.12 the shapes are of typing_extensions.
    if hasattr(shape, "__required_keys__"):
        return [shape]
    return [one for argument in get_args(shape) for one in _typed_dicts(argument)]


def _printable(name: str) -> str:
    """A name that may be anybody's text, fit for a terminal."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:_LONGEST_NAME])
    return text if len(name) <= _LONGEST_NAME else f"{text}…"


def _words(problem: Mapping[str, Any]) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind].format(**{name: _plain(value) for name, value in context.items()})
    message: str = problem["msg"]
    return f"cannot be taken: {message[:1].lower()}{message[1:]}"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("'", "")
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} letters",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "none_required": "must be null",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""Pydantic's kinds of problems in our words."""
