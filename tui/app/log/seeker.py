"""The searches of a log view: at once in a small file, else in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from tui.app.log.document import LogDocument, Query
from tui.app.log.filter import find_step, find_steps
from tui.store.search_error import SearchError

if TYPE_CHECKING:
    from textual.widget import Widget


class LogSeeker:
    """Finds hits, filtered lines and training steps in a document.

    Args:
        owner: the widget that runs the workers.
        document: the log, its query and its filter.
        go_to: called with the byte that was found.
        missed: called with what was not there: `no hit`, `no step`; with `gave up` where that took
            too long; and with `from the top` or `from the end` where the search went round.
        done: called when more has been found than is shown.

    Attributes:
        busy: what a thread is looking for; empty when none is.
    """

    def __init__(
        self,
        owner: Widget,
        document: LogDocument,
        *,
        go_to: Callable[[int], None],
        missed: Callable[[str], None],
        done: Callable[[], None],
    ) -> None:
        self.busy = ""
        self._owner = owner
        self._document = document
        self._go_to = go_to
        self._missed = missed
        self._done = done
        self._scanning = Event()
        self._seeking = Event()
        self._told: SearchError | None = None

    def close(self) -> None:
        """Ends the threads."""
        self._scanning.set()
        self._seeking.set()

    def look_for(self, text: str, place: int, *, regex: bool) -> str:
        """Searches; goes to the first hit at or below a byte, else to the last one above.

        Returns:
            What is wrong with the query; empty when nothing is.
        """
        try:
            self._document.look_for(Query(text, regex) if text else None)
        except SearchError as error:
            return f"{error.message} {error.advice}"
        document = self._document
        if text:
            self._seek(lambda cancel: document.first_hit(place, cancel), "no hit", scan=True)
        else:
            self.scan("hits")
        return ""

    def next_hit(self, place: int) -> None:
        """Goes to the first hit at or below a byte, else to the first of all."""
        search = self._document.search
        if search is None:
            self._missed("search")
            return

        def find(cancel: Event) -> int | None:
            hit = search.next(place, cancel) or search.next(0, cancel)
            return None if hit is None else hit.offset

        self._seek(find, "no hit", round_=lambda hit: "from the top" if hit < place else "")

    def previous_hit(self, place: int) -> None:
        """Goes to the last hit above a byte, else to the last of all."""
        search = self._document.search
        if search is None:
            self._missed("search")
            return

        end = self._document.log.size

        def find(cancel: Event) -> int | None:
            hit = search.previous(place, cancel) or search.previous(end, cancel)
            return None if hit is None else hit.offset

        self._seek(find, "no hit", round_=lambda hit: "from the end" if hit >= place else "")

    def step(self, step: int) -> None:
        """Goes to the first line about a training step."""
        log = self._document.log
        self._seek(lambda cancel: find_step(log, step, cancel), "no step")

    def steps(
        self, first: int, last: int, place: int, then: Callable[[tuple[int, int]], None]
    ) -> None:
        """Finds the bytes about some training steps and calls with them; stays at a place there."""
        log = self._document.log
        found: list[tuple[int, int]] = []

        def find(cancel: Event) -> int | None:
            between = find_steps(log, first, last, cancel)
            found.extend([between] if between else [])
            return min(max(place, between[0]), between[1] - 1) if between else None

        self._seek(find, "no step", then=lambda: then(found[0]))

    def _seek(
        self,
        find: Callable[[Event], int | None],
        missing: str,
        *,
        scan: bool = False,
        round_: Callable[[int], str] = lambda _: "",
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Finds a place and goes there, saying whether it went round; then counts all hits."""
        self._seeking.set()
        cancel = self._seeking = Event()
        document, search = self._document, self._document.search

        def found(place: int | None) -> None:
            if place is None:
                if missing == "no hit" and document.gave_up is not None:
                    self._give_up()
                else:
                    self._missed(missing)
                return
            then()
            self._go_to(place)
            if said := round_(place):
                self._missed(said)

        if document.is_short:
            found(document.find(find, cancel))
            if scan:
                self.scan("hits")
            return
        if scan:
            self.busy = "hits"

        async def seek() -> None:
            place = await asyncio.to_thread(document.find, find, cancel)
            if not cancel.is_set():
                found(place)
            if document.gave_up is not None:
                self.busy = ""
                self._done()
            elif scan and search is document.search:
                self.scan("hits")

        self._owner.run_worker(seek(), group="log-seek")

    def _give_up(self) -> None:
        """Says once of a search that it takes too long: the count and the seeking both find out."""
        if self._told is not self._document.gave_up:
            self._told = self._document.gave_up
            self._missed("gave up")

    def scan(self, what: str, then: Callable[[], None] = lambda: None) -> None:
        """Counts hits and finds filtered lines in the part that was not scanned yet.

        Args:
            what: a word for what is looked for.
            then: called when all of it is found.
        """
        document = self._document
        self._scanning.set()  # ends the scan that went before
        cancel = self._scanning = Event()

        def ended() -> None:
            self.busy = ""
            then()
            self._done()

        if document.scan_is_short:
            document.scan()
            ended()
            return
        self.busy = what

        async def scan() -> None:
            await asyncio.to_thread(document.scan, cancel)
            if not cancel.is_set():
                ended()
                if document.gave_up is not None:
                    self._give_up()

        self._owner.run_worker(scan(), group="log-scan")
        self._done()
