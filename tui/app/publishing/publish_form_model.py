"""The values of the publish form: what, where to, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui.app.cloud.card import ChangeResult, Item
from tui.app.publishing.form import FormModel
from tui.app.publishing.text import checkpoint_name, destination, loss_words
from tui.base import formatting
from tui.store.records import JobRow
from tui.store.transfer_records import DestinationRecord

if TYPE_CHECKING:
    from tui.api.transfers import PublishOptions, PublishPreview
    from tui.app.context import AppContext
    from tui.client.client import ControlClient

OTHER: Final = "?"
"""The choice of a place that is typed."""
_EXAMPLES: Final = "hub:owner/name, s3:destination/folder or dir:/folder"


@dataclass(frozen=True, slots=True)
class PublishHistory:
    """What the store knows of places when the form opens.

    Attributes:
        used: targets that were published to, those of this job first, each the newest first.
        working: destinations whose last test went well.
        failing: destinations whose last test did not.
        folder: the job's own folder at places that hold several jobs.
        safe: whether the job's config calls its result safe for work; None where it is not known.
    """

    used: tuple[str, ...] = ()
    working: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    folder: str = ""
    safe: bool | None = None

    @property
    def audience(self) -> str:
        """The note about what the model card says of its audience."""
        if self.safe is None:
            return ""
        return "says safe for work; " if self.safe else "says not for all audiences; "


def first_place(destinations: Sequence[DestinationRecord], history: PublishHistory) -> str:
    """Returns the place to begin with: the last one used, else one that works, else any.

    One whose last test failed comes only where there is no other.
    """
    fine = [record for record in destinations if record.name not in history.failing]
    for target in history.used:
        for record in fine:
            if _is_of(target, record):
                return record.name
    names = [record.name for record in fine]
    works = [name for name in names if name in history.working]
    return next(iter([*works, *names, *(record.name for record in destinations)]), "")


def _is_of(target: str, record: DestinationRecord) -> bool:
    """Returns whether a target lies at a destination."""
    kind, _, rest = target.partition(":")
    if record.kind == "hub":
        return kind == "hub" and rest == record.options.get("repo")
    if record.kind == "s3":
        return kind == "s3" and rest.partition("/")[0] == record.name
    top = str(record.options.get("path", "")).rstrip("/")
    return kind == "dir" and rest.startswith(f"{top}/")


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What the form begins with.

    Attributes:
        jobs: the jobs whose files are published.
        what: `all`, `final`, `best`, or a checkpoint's step.
        file: the name of a single file instead; empty for none.
        to: a destination's name; empty where none is meant.
    """

    jobs: tuple[JobRow, ...]
    what: str = "all"
    file: str = ""
    to: str = ""


class PublishFormModel(FormModel):
    """The fields of a publication.

    Attributes:
        found: the engine's answer about the job's files, while there is one job.
        replace_card: whether a card that somebody edited may be replaced; None while nobody said.
        overwrite: whether other files of the same names may be replaced.
    """

    TITLE = "Publish"
    SENDS = "publish"

    def __init__(
        self,
        context: AppContext,
        destinations: Sequence[DestinationRecord],
        request: PublishRequest,
        history: PublishHistory | None = None,
    ) -> None:
        super().__init__(context)
        self.request = request
        self.found: Mapping[str, Any] | None = None
        self.replace_card: bool | None = None
        self.overwrite = False
        self._destinations = {record.name: record for record in destinations}
        self._history = history or PublishHistory()
        to = request.to or first_place(destinations, self._history) or OTHER
        self.values = {
            "what": "file" if request.file else request.what, "to": to, "place": "", "private": "",
            "card": "on",
        }  # fmt: skip

    # -- what is chosen -----------------------------------------------------------------------

    @property
    def target(self) -> str:
        """The target, as the engine reads it."""
        return self.values["place"] if self.values["to"] == OTHER else self.values["to"]

    @property
    def is_hub(self) -> bool:
        """Whether the target is on the Hub."""
        if self.values["to"] == OTHER:
            return self.values["place"].startswith("hub:")
        return self._destinations[self.values["to"]].kind == "hub"

    @property
    def _private(self) -> str:
        if self.values["private"]:
            return self.values["private"]
        known = self._destinations.get(self.values["to"])
        return "on" if known is None or known.options.get("private", True) else "off"

    def options(self) -> PublishOptions:
        """Returns the options of the request besides job and target."""
        what = self.values["what"]
        chosen: PublishOptions = {}
        if what == "file":
            chosen["files"] = [self.request.file]
        elif what in ("final", "best"):
            chosen["checkpoint"] = "final" if what == "final" else "best"
        elif what != "all":
            chosen["checkpoint"] = int(what)
        if self.is_hub:
            chosen["private"] = self._private == "on"
            chosen["card"] = self.values["card"] == "on"
            chosen["overwrite_card"] = self.replace_card is True
        elif self.overwrite:
            chosen["overwrite"] = True
        return chosen

    def item_of(self, field: str) -> str:
        """Returns the item that a field of the engine's error is about."""
        if field in ("to", "repo"):
            return "place" if self.values["to"] == OTHER else "to"
        return {"files": "what", "checkpoint": "what"}.get(field, field)

    # -- lines --------------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns items for what, where to, and on the Hub how."""
        jobs = self.request.jobs
        name = jobs[0].name if len(jobs) == 1 else formatting.plural(len(jobs), "job")
        chosen = self._whats()
        now = next((one for one in chosen if one[0] == self.values["what"]), chosen[0])
        items = [
            Item("what", "What", "choice", f"{now[1]} of {name}", now[2], chosen, now[0]),
            self._to_item(),
        ]
        if self.values["to"] == OTHER:
            value = self.values["place"]
            items.append(Item("place", "Place", "text", value, "" if value else _EXAMPLES,
                              current=value or "hub:"))  # fmt: skip
        if self.is_hub:
            private, card = self._private, self.values["card"]
            items.append(Item("private", "Private", "switch",
                              "yes" if private == "on" else "no, everybody sees it",
                              "counts when the repository is made", current=private))  # fmt: skip
            items.append(Item("card", "Model card", "switch",
                              "written from the job's facts" if card == "on" else "none",
                              f"{self._history.audience}an edited one is never replaced unasked"
                              if card == "on" else "", current=card))  # fmt: skip
        return [*items, Item("publish", "Publish", "do")]

    def _to_item(self) -> Item:
        records = self._destinations.values()
        choices = [(record.name, record.name, self._about(record)) for record in records]
        choices.append((OTHER, "another place…", _EXAMPLES))
        here = next(choice for choice in choices if choice[0] == self.values["to"])
        note = "" if here[0] == OTHER else here[2]
        return Item("to", "To", "choice", here[1], note, tuple(choices), here[0])

    def _about(self, record: DestinationRecord) -> str:
        """Returns kind and place of a destination, and whether its last test failed."""
        kind, spot = destination(record)
        folder = self._history.folder if len(self.request.jobs) == 1 else "a folder for each job"
        if record.kind == "folder":
            spot = f"{spot.rstrip('/')}/{folder}"
        elif record.kind == "s3":
            bucket, at, server = spot.rpartition(" at ")
            spot = f"{bucket}/{folder}{at}{server}"
        failed = "its last test failed · " if record.name in self._history.failing else ""
        return f"{failed}{kind}, {spot}"

    def _whats(self) -> tuple[tuple[str, str, str], ...]:
        jobs = self.request.jobs
        files, size = sum(job.file_count for job in jobs), sum(job.file_bytes for job in jobs)
        every = f"{formatting.plural(files, 'file')}, {formatting.size(size)}"
        choices = [("all", "everything", every)]
        if self.request.file:
            choices.append(("file", self.request.file.rpartition("/")[2], "this file alone"))
        checkpoints = (self.found or {}).get("checkpoints") or []
        best = next((checkpoint for checkpoint in checkpoints if checkpoint["best"]), None)
        words = "lowest mean loss"
        if best is not None:
            mean = formatting.number(best["smoothed"])
            window = formatting.plural(best["window"], "step")
            words = f"{checkpoint_name(best['step'])}: mean loss of {window} {mean}"
        choices.append(("best", "the best checkpoint", words))
        outside = next((row for row in checkpoints if row["step"] is None), None)
        if outside is None or outside["weights"]:
            choices.append(("final", "the final weights", "without the checkpoints"))
        else:
            choices.append(("final", "the other files", "pictures and settings; no weights"))
        choices += [
            (str(checkpoint["step"]), checkpoint_name(checkpoint["step"]),
             f"{loss_words(checkpoint)}, {formatting.size(checkpoint['size'])}")
            for checkpoint in reversed(checkpoints) if checkpoint["step"] is not None
        ]  # fmt: skip
        if self.values["what"] not in [choice[0] for choice in choices]:
            choices.append((self.values["what"], f"checkpoint-{self.values['what']}", ""))
        return tuple(choices)

    # -- sending ------------------------------------------------------------------------------

    def put(self, key: str, value: str) -> None:
        """Takes a value; another place may have another card, so the answer about it is dropped."""
        super().put(key, value)
        if key in ("to", "place", "card"):
            self.replace_card = None
        self.overwrite = False

    def wrong_now(self) -> dict[str, str]:
        """Returns what is missing."""
        if not self.target:
            return {"place": f"write {_EXAMPLES}"}
        if self.is_hub and len(self.request.jobs) > 1:
            words = "one repository cannot take several jobs; their files have the same names"
            return {self.item_of("to"): words}
        if len(self.request.jobs) > 1 and self.values["to"] == OTHER:
            words = "one folder cannot take several jobs; a kept destination gives each its own"
            return {"place": words}
        return {}

    async def look_ahead(self, control: ControlClient) -> list[PublishPreview]:
        """Asks the engine what the publication would do, job by job.

        Raises:
            ControlError: a value of the request is wrong.
        """
        return [
            await control.publishing.look_ahead(job.job_id, self.target, **self.options())
            for job in self.request.jobs
        ]

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:  # noqa: ARG002  there is one
        """Queues the transfers."""
        for job in self.request.jobs:
            await control.publishing.publish(job.job_id, self.target, **self.options())
        count = len(self.request.jobs)
        what = self.request.jobs[0].name if count == 1 else formatting.plural(count, "job")
        open_screens = [getattr(screen, "HERE", "") for screen in self.context.screen_stack]
        here = "publishing" in open_screens
        far = "Transfers shows" if here else "3 shows"
        return ChangeResult(f"Publishing {what}; {far} how far it is.")
