"""The dialogs that move a waiting job to other hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Picker
from tui.base import formatting
from tui.client.client import ControlClient, ControlError
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import OtherHardware, QueueStanding
    from tui.app.context import AppContext


def ask_where(context: AppContext, job: JobRecord) -> None:
    """Reads the job's standing in the queue, then asks where to move it."""
    control = context.control
    if control is not None:
        context.run_worker(_read(context, control, job), group="queue", exclusive=True)


async def _read(context: AppContext, control: ControlClient, job: JobRecord) -> None:
    try:
        standing = await control.queue_standing(job.job_id)
    except ControlError as error:
        context.tell(error.message, error.advice, "error")
        return
    choices = [(other["id"], other["label"], _price(other)) for other in standing["others"]]

    def chosen(hardware: str | None) -> None:
        if hardware is not None:
            _confirm(context, job, standing, hardware)

    context.push_screen(Picker(f"Move {job.name} to", choices), chosen)


def _price(other: OtherHardware) -> str:
    words = (
        f"about {formatting.money(other['estimate_micros'])}, "
        f"{formatting.duration(other['seconds'])}"
    )
    wait = other["usual_wait_seconds"]
    return words if wait is None else f"{words}, waits {formatting.duration(wait)}"


def _confirm(context: AppContext, job: JobRecord, standing: QueueStanding, hardware: str) -> None:
    other = next(one for one in standing["others"] if one["id"] == hardware)

    async def move(control: ControlClient) -> str:
        await control.move(job.job_id, hardware)
        return f"{job.name} is cancelled, and starts on {other['label']} once that is seen."

    def answered(agreed: bool | None) -> None:
        if agreed:
            context.call_engine(move)

    context.push_screen(
        Confirm(
            f"Move {job.name} to {other['label']}?",
            [standing["words"], "", f"The new one: {_price(other)}.",
             "It starts only after Replicate has cancelled this one: nothing is paid twice."],
            yes="Yes, move it",
        ),
        answered,
    )  # fmt: skip
