"""Checks of drafts: what is known here is answered at once, what the network proves follows.

A check has an id. Its first report has a finding `asking` for each thing that is not proved; a task
asks, and each answer makes a new revision of the report, which `later` returns.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tui.base.errors import RefusedError
from tui.engine.delivery.proofs import JobProofs, NetworkProof
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.spending.service import SpendingService
from tui.engine.submission.agreement import ShownPlaces
from tui.engine.submission.draft import Draft, read_draft
from tui.engine.submission.overriding import accepted_by, apply_overrides
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.prepared import Prepared, ceiling_check
from tui.engine.submission.report import report_of
from tui.simpletuner.checks.checks import Check

if TYPE_CHECKING:
    from tui.api.check_report import CheckReport

_KEPT: Final = 50
"""Checks whose reports are kept; of a form that is being filled in only the newest counts."""


class _Run:
    """One check.

    Attributes:
        report: its newest report.
        error: why it could not be finished.
        changed: is set when either changes, and then replaced.
        task: asks the network; None when nothing is asked.
    """

    def __init__(self, report: CheckReport) -> None:
        self.report = report
        self.error: Exception | None = None
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def change(self, report: CheckReport | None, error: Exception | None = None) -> None:
        """Keep a newer report, or the error that ended the check."""
        self.report = report or self.report
        self.error = self.error or error
        self.changed.set()
        self.changed = asyncio.Event()


class CheckService:
    """Checks drafts, and keeps the reports of the newest checks."""

    def __init__(
        self,
        *,
        preparer: Preparer,
        proofs: JobProofs,
        spending: SpendingService,
        shown: ShownPlaces,
        tasks: TaskOwner,
    ) -> None:
        self._preparer = preparer
        self._proofs = proofs
        self._spending = spending
        self._shown = shown
        self._tasks = tasks
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    async def check(
        self, api_base: str, body: Mapping[str, Any], *, wait: bool = True
    ) -> CheckReport:
        """Prepare a draft and report the findings, without starting or storing anything.

        Args:
            api_base: the API that would run the job.
            body: the draft.
            wait: whether to wait for the network; else what it has to prove is `asking`.

        Raises:
            RefusedError: the draft is not valid, or names unknown hardware.
            ConfigError: the config cannot be read.
        """
        draft, check_id = read_draft(body), secrets.token_hex(8)
        if wait:
            return (await self.checked(api_base, draft))[1]
        prepared = await self._preparer.prepare(api_base, draft, ask=False)
        proofs = await self._proofs_of(api_base, prepared)
        report = self._report(api_base, prepared, _so_far(proofs), check_id)
        if report["asking"]:
            run = self._runs[check_id] = _Run(report)
            run.task = self._tasks.start(
                self._prove(run, api_base, draft, prepared), f"prove the check {check_id}"
            )
            self._forget_old()
        return report

    async def checked(self, api_base: str, draft: Draft) -> tuple[Prepared, CheckReport]:
        """Prepare a draft and ask the network; returns what it is made of with the report.

        Raises:
            RefusedError: it names unknown hardware.
            ConfigError: the config cannot be read.
        """
        prepared = await self._preparer.prepare(api_base, draft)
        proofs = await self._proofs_of(api_base, prepared)
        found = await asyncio.gather(*(proof.ask() for proof in proofs))
        rows = [row for rows in found for row in rows]
        return prepared, self._report(api_base, prepared, rows, secrets.token_hex(8))

    async def later(self, check_id: str, after: int) -> CheckReport:
        """Return a check's report once it is newer than a revision, or complete.

        Raises:
            RefusedError: no check of this id is kept, or it cannot be finished.
            ConfigError: the config could not be read again.
        """
        run = self._runs.get(check_id)
        if run is None:
            raise _gone()
        while run.error is None and run.report["rev"] <= after and run.report["asking"]:
            await run.changed.wait()
        if run.error is not None:
            raise run.error
        return run.report

    def stop(self) -> None:
        """End the calls that wait for a proof: the engine is about to end."""
        for run in self._runs.values():
            run.change(None, _gone())

    def _forget_old(self) -> None:
        while len(self._runs) > _KEPT:
            _, oldest = self._runs.popitem(last=False)
            if oldest.task is not None:
                oldest.task.cancel()
            if oldest.report["asking"]:
                oldest.change(None, _gone())

    async def _prove(self, run: _Run, api_base: str, draft: Draft, first: Prepared) -> None:
        """Ask the network, and make a report of each answer."""
        check_id = run.report["check_id"]
        scanned = None if first.mended is not None else (first.config, first.report)
        try:
            prepared = await self._preparer.prepare(api_base, draft, scanned=scanned)
            proofs = await self._proofs_of(api_base, prepared)
            answers: dict[int, Iterable[Check]] = {
                number: proof.known
                for number, proof in enumerate(proofs)
                if proof.known is not None
            }

            def publish() -> None:
                so_far = [
                    check
                    for number, proof in enumerate(proofs)
                    for check in answers.get(number, [proof.asking])
                ]
                rev = run.report["rev"] + 1
                run.change(self._report(api_base, prepared, so_far, check_id, rev))

            async def answer(number: int) -> None:
                answers[number] = await proofs[number].ask()
                publish()

            publish()
            await asyncio.gather(
                *(answer(number) for number in range(len(proofs)) if number not in answers)
            )
        except Exception as error:  # noqa: BLE001  the caller of `later` gets it, as from `check`
            run.change(None, error)

    async def _proofs_of(self, api_base: str, prepared: Prepared) -> list[NetworkProof]:
        """The proofs of a draft; none when it cannot work anyway."""
        if prepared.failed and not accepted_by(prepared):
            return []
        return await self._proofs.of(
            api_base, prepared.delivery, prepared.config, prepared.other_hub_token
        )

    def _report(
        self,
        api_base: str,
        prepared: Prepared,
        proofs: Iterable[Check],
        check_id: str,
        rev: int = 1,
    ) -> CheckReport:
        prepared = apply_overrides(prepared.with_checks(*proofs))
        cost = self._spending.check(api_base, prepared.estimate.micros)
        prepared = prepared.with_checks(cost, *ceiling_check(prepared))
        report = report_of(
            prepared, api_base, check_id=check_id, rev=rev,
            cost_limit=self._spending.refusal(api_base, prepared.estimate.micros),
        )  # fmt: skip
        if not prepared.asking:
            self._shown.show(api_base, prepared.draft, report["leaves"]["place"])
        return report


def _so_far(proofs: Iterable[NetworkProof]) -> list[Check]:
    return [
        check
        for proof in proofs
        for check in ([proof.asking] if proof.known is None else proof.known)
    ]


def _gone() -> RefusedError:
    return RefusedError(
        "This check is not kept any more.", "Check the draft again.", status=404, code="not_found"
    )
