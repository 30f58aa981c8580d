"""What a group of tables needs of the store's writer, which owns it and lends it transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

Query = Callable[[str, Sequence[Any]], list[Any]]
"""Runs a statement with its values and returns its rows."""


class Tables:
    """The writing half of some tables."""

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], object],
        transaction: Callable[[], AbstractContextManager[None]],
        query: Query,
    ) -> None:
        """Args: how to run a statement, how to make several one, how to read."""
        self._execute = execute
        self._transaction = transaction
        self._query = query
