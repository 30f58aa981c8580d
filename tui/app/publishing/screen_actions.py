"""What is done with transfers and destinations on the Publishing screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.app.jobs.actions import JobActions
from tui.app.publishing.actions import ShelfDeeds
from tui.app.publishing.panels import PublishingView
from tui.store.transfer_records import DestinationRecord, TransferState

if TYPE_CHECKING:
    from tui.app.publishing.form import DraftForm


class PublishingDeeds(PublishingView):
    """The panels with what their own keys do.

    Attributes:
        deeds: what the engine is asked to do.
    """

    def on_mount(self) -> None:
        """What can be done by the engine."""
        self.deeds = ShelfDeeds(self.context, self.data)
        self._jobs = JobActions(self.context)
        super().on_mount()

    # -- transfers ----------------------------------------------------------------------------

    def do_pause(self) -> None:
        """Pause, or go on."""
        one = self.transfers.transfer
        if one is not None:
            self.deeds.act(one, "resume" if one.state is TransferState.PAUSED else "pause")

    def do_cancel(self) -> None:
        """Ask, then cancel."""
        one = self.transfers.transfer
        if one is not None:
            self.deeds.cancel(one, self.name_of(one.job_id))

    def do_retry(self) -> None:
        """Try again."""
        if self.transfers.transfer is not None:
            self.deeds.act(self.transfers.transfer, "retry")

    def do_sooner(self) -> None:
        """One place up in the queue."""
        if self.transfers.transfer is not None:
            self.deeds.act(self.transfers.transfer, "up")

    def do_later(self) -> None:
        """One place down."""
        if self.transfers.transfer is not None:
            self.deeds.act(self.transfers.transfer, "down")

    def do_clear(self) -> None:
        """Take the ended transfer off the list."""
        if self.transfers.transfer is not None:
            self.deeds.clear_list(self.transfers.transfer)

    def do_clear_all(self) -> None:
        """Take all ended ones off the list."""
        self.deeds.clear_list(None)

    def do_limit(self) -> None:
        """Ask how fast all together may be."""
        from tui.app.publishing.form import DraftForm, LimitDraft

        self.context.push_screen(DraftForm(LimitDraft(self.context, self._limited)))

    def _limited(self) -> None:
        self.context.reload_settings()
        self._changed("transfers")

    # -- destinations -------------------------------------------------------------------------

    def do_add(self) -> None:
        """A new destination."""
        self._form(None)

    def do_edit(self) -> None:
        """The destination under the cursor."""
        if self.destinations.destination is not None:
            self._form(self.destinations.destination)

    def _form(self, record: DestinationRecord | None) -> None:
        from tui.app.publishing.destination_form import DestinationDraft
        from tui.app.publishing.form import DraftForm

        names = [one.name for one in self.data.destinations]
        keys = self.data.keys.get(record.name, "") if record is not None else ""
        draft = DestinationDraft(
            self.context,
            names,
            record,
            self._kept,
            keys=keys,
            hub_token=lambda: self.data.hub_token,
        )
        form = DraftForm(draft)
        self.context.push_screen(form)
        self.run_worker(self._tell_token(form), group="token", exit_on_error=False)

    async def _tell_token(self, form: DraftForm) -> None:
        await self.data.ask_hub()
        if form.is_mounted and form.is_attached:
            form.update()

    def _kept(self, name: str) -> None:
        """A destination was kept: it is tested at once."""
        self.data.read_destinations()
        names = [one.name for one in self.data.destinations]
        if name in names:
            self.destinations.move_to(names.index(name), tell=False)
        self.data.test([name])

    def do_test(self) -> None:
        """Test the one under the cursor."""
        if self.destinations.destination is not None:
            self.data.test([self.destinations.destination.name])

    def do_test_all(self) -> None:
        """Test all."""
        self.data.test([one.name for one in self.data.destinations])
