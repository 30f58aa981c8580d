"""A mutant: a module with one small fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one small fault.

    Attributes:
        path: the module, from the root of the tree.
        source: its source with the fault.
        where: the function that it is in.
        before: the changed lines, joined.
        after: what they were changed to.
    """

    path: str
    source: str
    where: str
    before: str
    after: str
