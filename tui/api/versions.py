"""Versions of a trainer: what changes with another one, and which one is used."""

from __future__ import annotations

from typing import Literal, NotRequired, Required

from tui.api.base import Timestamp, TypedDict


class CompareQuery(TypedDict, total=False):
    """Two versions of a model; a version is a hash or its beginning.

    Attributes:
        model: `owner/name`.
        before: without it the one in use.
        after: without it the newest.
    """

    model: Required[str]
    before: str
    after: str


class VersionRow(TypedDict):
    """A version.

    Attributes:
        id: the hash.
        created_at: when it was pushed.
        cog_version: of the tool that built it.
    """

    id: str
    created_at: Timestamp | None
    cog_version: str | None


class InputChange(TypedDict):
    """A difference between the inputs of two versions."""

    name: str
    kind: Literal["added", "removed", "changed"]
    words: str


class MissingInput(TypedDict):
    """An input that jobs may need and that a version does not take.

    Attributes:
        name: the input.
        purpose: what does not work without it.
        essential: whether no job at all works without it.
    """

    name: str
    purpose: str
    essential: bool


class VersionComparison(TypedDict):
    """What changed in the inputs between two versions.

    Attributes:
        model: `owner/name`.
        before: the older one.
        after: the newer one.
        known: whether both say what their inputs are.
        changes: differences, by name.
        missing: what the newer one lacks.
    """

    model: str
    before: VersionRow
    after: VersionRow
    known: bool
    changes: list[InputChange]
    missing: list[MissingInput]


class PinRequest(TypedDict, total=False):
    """A version to use from now on.

    Attributes:
        model: `owner/name`, or `owner/name:hash`.
        version: a hash or its beginning; null or empty follows the newest.
    """

    model: Required[str]
    version: str | None


class Pinned(TypedDict):
    """The version in use.

    Attributes:
        model: `owner/name`.
        pinned: the hash; null follows the newest.
        version: the pinned one; missing without one.
        missing: what it lacks.
    """

    model: str
    pinned: str | None
    version: NotRequired[VersionRow]
    missing: list[MissingInput]
