"""The form before a publication, and its questions about files that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.app.publishing.form import FormScreen
from tui.app.publishing.publish_form_model import PublishFormModel, PublishHistory, PublishRequest
from tui.app.publishing.state import TEST_FACT
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Picker
from tui.base import formatting
from tui.base.json_types import as_object
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.transfers import PublishPreview
    from tui.app.context import AppContext
    from tui.client.client import ControlClient

_WHOSE = {
    "edited": "The model card there was written by this program and edited since.",
    "foreign": "The model card there was written by somebody else.",
}
_ANSWERS = (
    ("keep", "Publish, and leave the card alone", ""),
    ("replace", "Publish, and replace the card", "what was written there stays in its history"),
    ("stop", "Do not publish", ""),
)


_MOST = 8
_SAFE = "model_card_safe_for_work"


def _and_more(count: int) -> list[str]:
    return [f"and {count} more"] if count > 0 else []


class PublishForm(FormScreen):
    """Asks what to publish and where to, looks at the place, and queues the transfer."""

    def __init__(self, model: PublishFormModel) -> None:
        super().__init__(model, "publish" if model.target else "to")
        self.model = model
        self._offline_is_fine = False

    def on_mount(self) -> None:
        """Reads the job's checkpoints; they become choices when the answer comes."""
        super().on_mount()
        control = self.context.control
        if control is not None and len(self.model.request.jobs) == 1:
            self.run_worker(self._read_checkpoints(control), group="read", exit_on_error=False)

    async def _read_checkpoints(self, control: ControlClient) -> None:
        from tui.client.client import ControlError

        try:
            answers = await control.publishing.artifacts(self.model.request.jobs[0].job_id)
        except ControlError:
            return  # the choices stay few; publishing itself says what is wrong
        self.model.found = answers[0] if answers else None
        self.update()

    async def _work(self, control: ControlClient, key: str, value: str) -> None:
        from tui.client.client import ControlError

        try:
            ahead = await self.model.look_ahead(control)
        except ControlError as error:
            self._working = ""
            self._refused(key, value, error)
            return
        if self._must_ask(ahead):
            self._working = ""
            self.update()
            return
        await super()._work(control, key, value)

    def _must_ask(self, ahead: list[PublishPreview]) -> bool:
        """Opens the next question about the place; returns whether there is one."""
        unknown = next((answer for answer in ahead if answer.get("card") == "unknown"), None)
        if unknown is not None and not self._offline_is_fine:
            confirm = Confirm(
                "The place cannot be looked at now. Queue it all the same?",
                [str(unknown.get("card_problem", "")), "", "It is tried again by itself."],
                yes="Yes, queue it",
            )
            self.context.push_screen(confirm, self._offline)
            return True
        cards = [str(answer.get("card")) for answer in ahead]
        whose = next((_WHOSE[card] for card in cards if card in _WHOSE), "")
        theirs = any("README.md" in answer.get("files", ()) for answer in ahead)
        wanted = self.model.values["card"] == "on" or theirs
        if whose and wanted and self.model.replace_card is None:
            self.context.push_screen(Picker(whose, _ANSWERS, "keep"), self._card)
            return True
        replaces = [name for answer in ahead for name in answer.get("replaces") or ()]
        if replaces and not self.model.overwrite:
            lines = [*replaces[:_MOST], *_and_more(len(replaces) - _MOST), "",
                     "What lies there cannot be had again then."]  # fmt: skip
            count = formatting.plural(len(replaces), "other file")
            confirm = Confirm(f"Replace {count} of the same names there?", lines,
                              yes="Yes, replace them")  # fmt: skip
            self.context.push_screen(confirm, self._replace)
            return True
        return False

    def _replace(self, agreed: bool | None) -> None:
        if agreed:
            self.model.overwrite = True
            self._start_work("publish", "")

    def _offline(self, agreed: bool | None) -> None:
        if agreed:
            self._offline_is_fine = True
            self._start_work("publish", "")

    def _card(self, answer: str | None) -> None:
        if answer in ("keep", "replace"):
            self.model.replace_card = answer == "replace"
            self._start_work("publish", "")


def ask_to_publish(context: AppContext, request: PublishRequest) -> None:
    """Opens the form."""
    try:
        destinations = context.reader.destinations()
        history = _read_history(context.reader, [one.name for one in destinations], request)
    except StoreError as error:
        context.tell(error.message, error.advice, "error")
        return
    context.push_screen(PublishForm(PublishFormModel(context, destinations, request, history)))


def _read_history(reader: StoreReader, names: list[str], request: PublishRequest) -> PublishHistory:
    """Reads earlier transfers and tests from the store.

    Raises:
        StoreError: it cannot be read.
    """
    mine = {job.job_id for job in request.jobs}
    rows = sorted(reader.transfers(), key=lambda transfer: transfer.created_at, reverse=True)
    rows.sort(key=lambda transfer: transfer.job_id not in mine)
    tests = {name: reader.fact(TEST_FACT + name) for name in names}
    went = {
        name: bool(fact.value.get("ok"))
        for name, fact in tests.items()
        if fact is not None and isinstance(fact.value, dict)
    }
    files = reader.files(request.jobs[0].job_id) if len(request.jobs) == 1 else ()
    folder = files[0].path.partition("/")[0] if files else ""  # the job's own folder comes first
    return PublishHistory(
        tuple(dict.fromkeys(transfer.target for transfer in rows)),
        frozenset(name for name, ok in went.items() if ok),
        frozenset(name for name, ok in went.items() if not ok),
        folder,
        _is_safe(reader, request),
    )


def _is_safe(reader: StoreReader, request: PublishRequest) -> bool | None:
    """Returns whether a job's config calls its result safe for work; the card repeats it."""
    job = reader.job(request.jobs[0].job_id) if len(request.jobs) == 1 else None
    if job is None:
        return None
    said = as_object(as_object(job.submit.get("draft")).get("overrides")).get(_SAFE)
    return (job.config.get(_SAFE) if said is None else said) in (True, "true", "True")


def publish_jobs(context: AppContext, job_ids: list[str], what: str = "all") -> None:
    """Opens the form for those of the jobs that have files.

    Args:
        context: the app.
        job_ids: the jobs.
        what: what of them the form begins with, as in `PublishRequest`.
    """
    rows = context.reader.rows(job_ids)
    jobs = tuple(rows[job_id] for job_id in job_ids if job_id in rows and rows[job_id].file_count)
    if jobs:
        ask_to_publish(context, PublishRequest(jobs, what))
    else:
        context.tell("These jobs have no files on this machine.", "f fetches them.")


def publish_file(context: AppContext, job_id: str, file: FileRecord) -> None:
    """Opens the form for a file of a job."""
    job = context.reader.rows([job_id]).get(job_id)
    if job is None:
        return
    folder, _, name = file.path.partition("/")  # the job's own folder comes first
    ask_to_publish(context, PublishRequest((job,), file=name or folder))
