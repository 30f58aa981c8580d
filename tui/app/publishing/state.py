"""What the Publishing screen knows: records of the store, and the engine's answers about files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.app.keys.choices import in_app
from tui.app.publishing.speed import TransferProgress
from tui.base.json_types import JsonObject
from tui.store.artifact_json import published_json, unfetched_json
from tui.store.published_names import is_called
from tui.store.reader import StoreReader
from tui.store.schema import StoreError
from tui.store.transfer_records import DestinationRecord, TransferRecord, TransferState, is_hidden

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.app.context import AppContext
    from tui.client.client import ControlClient

TEST_FACT: Final = "destination_test:"
_ENDED_SHOWN: Final = 200


class PublishingState:
    """Destinations, transfers and artifacts; read again at every event of the engine.

    Args:
        context: the app.
        screen: runs the workers; they end with it.
        changed: called with `artifacts`, `destinations` or `transfers` when that has changed.

    Attributes:
        destinations: in the order of their names.
        tested: the last test of each destination: `{at, ok, steps}`.
        testing: names of destinations that are being tested now.
        hub_token: a few words about the owner of the Hub's token; empty until it is known.
        keys: where the keys of each S3 destination are: `keyring`, `session` or `none`.
        transfers: those under way in their order, then the ended ones, the newest first.
        moving: speed and bytes of those under way, by id.
        artifacts: the engine's answer by job.
        problems: messages by job, where the engine could not answer.
        disk_use: bytes of all results that are here, and of those that are elsewhere as well.
    """

    def __init__(self, context: AppContext, screen: Screen[Any], changed: Callable[[str], None]):
        self.context = context
        self._screen = screen
        self._changed = changed
        self.destinations: list[DestinationRecord] = []
        self.tested: dict[str, Mapping[str, Any]] = {}
        self.testing: set[str] = set()
        self.keys: dict[str, str] = {}
        self.hub_token = ""
        self._asking_keys = self._keys_again = False
        self.transfers: list[TransferRecord] = []
        self.moving: dict[str, TransferProgress] = {}
        self.artifacts: dict[str, Mapping[str, Any]] = {}
        self.problems: dict[str, str] = {}
        self.disk_use = 0, 0
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._places: dict[str, dict[str, int]] = {}
        self._stored: dict[str, JsonObject] = {}

    # -- from the store -----------------------------------------------------------------------

    def read(self) -> None:
        """Reads all that the store has."""
        self.read_destinations()
        self.read_transfers()
        self.read_disk_use()

    def read_disk_use(self) -> None:
        """Reads how many bytes of results are here, and how many of them elsewhere as well."""
        with contextlib.suppress(StoreError):
            self.disk_use = self.context.reader.disk_use()

    def read_destinations(self) -> None:
        """Reads the destinations and the results of their last tests."""
        try:
            self.destinations = self.context.reader.destinations()
            facts = {
                record.name: self.context.reader.fact(TEST_FACT + record.name)
                for record in self.destinations
            }
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")
            return
        self.tested = {
            name: fact.value
            for name, fact in facts.items()
            if fact is not None and isinstance(fact.value, dict)
        }
        self._changed("destinations")
        self._ask_keys()

    def _ask_keys(self) -> None:
        """Asks where the keys are; those of a session end with the engine.

        While one question is open, a further one is asked once after it and not beside it.
        """
        control = self.context.control
        if control is None or not any(record.kind == "s3" for record in self.destinations):
            return
        if self._asking_keys:
            self._keys_again = True
            return
        self._asking_keys = True
        self._screen.run_worker(self._read_keys(control), group="keys", exit_on_error=False)

    async def _read_keys(self, control: ControlClient) -> None:
        from tui.client.client import ControlError

        try:
            rows = await control.publishing.destinations()
        except ControlError:
            return  # the old answer stays; an action that needs the keys says what is wrong
        finally:
            self._asking_keys = False
        self.keys = {row["name"]: row["keys"] for row in rows if row["keys"]}
        self._changed("destinations")
        if self._keys_again:
            self._keys_again = False
            self._ask_keys()

    def read_transfers(self) -> None:
        """Reads all transfers; of the ended ones, the newest."""
        try:
            rows = [row for row in self.context.reader.transfers() if not is_hidden(row)]
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")
            return
        standing = [row for row in rows if _stands(row)]
        ended = [row for row in rows if not _stands(row)]
        ended.sort(key=lambda row: row.ended_at or row.created_at, reverse=True)
        standing.sort(key=lambda row: row.state is not TransferState.RUNNING)
        self.transfers = [*standing, *ended[:_ENDED_SHOWN]]
        names = {row.transfer_id for row in standing}
        self.moving = {name: row for name, row in self.moving.items() if name in names}
        self._changed("transfers")

    def apply_transfer(self, report: Mapping[str, Any]) -> str | None:
        """Applies the engine's report about a transfer.

        Reports come a few times a second for each running transfer, so the store is only read
        again where more than bytes and speed has changed.

        Returns:
            The transfer's id where only bytes and speed have changed; None where everything was
            read again.
        """
        name = str(report.get("transfer_id", ""))
        known = next((row for row in self.transfers if row.transfer_id == name), None)
        reported = (report.get("state"), report.get("message"), report.get("position"))
        if known is None or (known.state, known.message, known.position) != reported:
            before = self._standing_ids()
            self.read_transfers()
            if known is None or before != self._standing_ids():
                self.published_changed(str(report.get("job_id", "")))
            return None
        self.moving[name] = TransferProgress(
            int(report.get("done") or 0), int(report.get("total") or 0),
            int(report.get("bytes_per_second") or 0), report.get("eta_seconds"),
        ).after(self.moving.get(name))  # fmt: skip
        return name

    def _standing_ids(self) -> set[str]:
        return {row.transfer_id for row in self.transfers if _stands(row)}

    def moves(self, transfer: TransferRecord) -> TransferProgress:
        """Returns bytes and speed of a transfer; without a report, as the store has them."""
        return self.moving.get(transfer.transfer_id) or TransferProgress(
            transfer.done_bytes, transfer.total_bytes, 0, None
        )

    def has_half_sent(self, transfer: TransferRecord) -> bool:
        """Returns whether parts of unfinished files lie at the destination."""
        try:
            items = self.context.reader.transfer_items(transfer.transfer_id)
        except StoreError:
            return False
        return any(item.resume for item in items)

    def published_counts(self, job_id: str) -> dict[str, int]:
        """Counts a job's files at each target; the answer is kept until `published_changed`."""
        if job_id not in self._places:
            try:
                copies = self.context.reader.published(job_id)
            except StoreError:
                copies = []
            names: dict[str, set[tuple[str, str]]] = {}
            for copy in copies:
                names.setdefault(copy.target, set()).add((copy.name, copy.sha256))
            self._places[job_id] = {target: len(files) for target, files in names.items()}
        return self._places[job_id]

    def published_changed(self, job_id: str) -> None:
        """Drops what was known of a job's copies: one has arrived somewhere, or was deleted."""
        self._places.pop(job_id, None)
        self._stored.pop(job_id, None)
        if job_id in self.artifacts or job_id in self.problems:
            self.look_at(job_id)

    def known(self, job_id: str) -> Mapping[str, Any]:
        """Returns what is known of a job's files: the engine's answer, else what the store has."""
        if job_id in self.artifacts:
            return self.artifacts[job_id]
        if job_id not in self._stored:
            try:
                stored = files_known(self.context.reader, job_id, self.context.outputs)
            except StoreError:
                return {}
            self._stored[job_id] = stored
        return self._stored[job_id]

    def on_the_way(self, job_id: str, names: Iterable[str]) -> dict[str, TransferRecord]:
        """Returns those of a job's files that a transfer still needs here, with that transfer."""
        mine = [transfer for transfer in self.transfers if transfer.job_id == job_id]
        standing = [transfer for transfer in mine if _stands(transfer)]
        return {
            name: transfer for name in names for transfer in standing
            if any(is_called(name, str(there)) for there in transfer.options.get("files") or ())
        }  # fmt: skip

    # -- from the engine ----------------------------------------------------------------------

    def look_at(self, job_id: str) -> None:
        """Asks what a job's files are and hold; the store's data stand until the answer comes."""
        if job_id not in self.artifacts:
            try:
                self.artifacts[job_id] = files_known(
                    self.context.reader, job_id, self.context.outputs
                )
            except StoreError as error:
                self.problems[job_id] = error.message
            self._stored.pop(job_id, None)
        control = self.context.control
        if control is None:
            self._changed("artifacts")
            return
        if job_id in self._asked:
            # The answer under way may be older than the change; it is asked for once more.
            self._again.add(job_id)
            return
        self._asked.add(job_id)
        self._screen.run_worker(self._look(control, job_id), group="artifacts", exit_on_error=False)

    async def ask(self, job_id: str) -> Mapping[str, Any]:
        """Asks the same and waits; returns the answer, or what is known where there is none."""
        control = self.context.control
        if control is not None:
            self._asked.add(job_id)
            await self._look(control, job_id)
        return self.known(job_id)

    async def _look(self, control: ControlClient, job_id: str) -> None:
        from tui.client.client import ControlError

        try:
            answers = await control.publishing.artifacts(job_id)
            self.artifacts[job_id] = answers[0] if answers else {"files": [], "checkpoints": []}
            self.problems.pop(job_id, None)
        except ControlError as error:
            self.problems[job_id] = in_app(f"{error.message} {error.advice}".strip())
        finally:
            self._asked.discard(job_id)
        if job_id in self._again:
            self._again.discard(job_id)
            self.look_at(job_id)
        self._changed("artifacts")

    def apply_fetch(self, report: Mapping[str, Any]) -> bool:
        """Applies the engine's report about a file that it fetches.

        Returns:
            Whether a line on the screen has changed.
        """
        job_id, name = str(report.get("job_id", "")), str(report.get("name", ""))
        rows = (self.artifacts.get(job_id) or {}).get("unfetched") or []
        row = next((file for file in rows if name and file["name"] == name), None)
        if row is None:
            if job_id in self.artifacts:
                self.look_at(job_id)
            return False
        size = report.get("total") or row["size"]
        row |= {"done": report.get("done") or 0, "size": size, "state": "fetching", "why": ""}
        return True

    def look_again(self) -> None:
        """Asks again about all jobs: the engine is back."""
        for job_id in (*self.problems, *self.artifacts):
            self.look_at(job_id)

    def test(self, names: Iterable[str]) -> None:
        """Tests destinations side by side."""
        control = self.context.control
        for name in names:
            if control is not None and name not in self.testing:
                self.testing.add(name)
                self._screen.run_worker(
                    self._test(control, name), group=f"test {name}", exit_on_error=False
                )
        self._changed("destinations")

    async def ask_hub(self) -> None:
        """Asks who owns the Hub's token."""
        from tui.app.shell.status import username
        from tui.client.client import ControlError

        control = self.context.control
        if control is None:
            return
        try:
            answer = await control.cloud.validate_token("huggingface")
        except ControlError as error:
            self.hub_token = error.message
            return
        why = str(answer.get("error") or "")
        self.hub_token = f"as @{username(answer)}" if answer.get("valid") else why

    async def _test(self, control: ControlClient, name: str) -> None:
        from tui.client.client import ControlError

        try:
            await control.publishing.test_destination(name)
        except ControlError as error:
            self.context.tell(f"{name}: {error.message}", error.advice, "error")
        finally:
            self.testing.discard(name)
        self.read_destinations()


def _stands(transfer: TransferRecord) -> bool:
    """Returns whether a transfer is under way, or paused on its way."""
    return transfer.state.is_active or transfer.state is TransferState.PAUSED


def files_known(reader: StoreReader, job_id: str, outputs: Path) -> JsonObject:
    """Returns what the store says of a job's files, in the shape of the engine's answer.

    It is enough to show them before the engine has looked. `checkpoints` is None and `weights` is
    missing: only the engine reads the files.

    Raises:
        StoreError: the store cannot be read.
    """
    published, unseen = reader.published(job_id), reader.sent_unseen(job_id)
    files, folder = [], outputs
    for file in reader.files(job_id):
        path = outputs / file.path
        folder = outputs / file.path.partition("/")[0] if "/" in file.path else outputs
        name = file.path.partition("/")[2] or file.path  # the job's own folder comes first
        files.append({
            "name": name, "path": str(path), "size": file.size, "sha256": file.sha256,
            "here": not file.missing and _size(path) == file.size, "missing": file.missing,
            "checkpoint": None, "loss": None, "weights": None,
            "published": [
                published_json(one) for one in published
                if one.sha256 == file.sha256 and is_called(name, one.name)
            ],
            "unverified": [
                published_json(one) for one in unseen
                if one.sha256 == file.sha256 and is_called(name, one.name)
            ],
        })  # fmt: skip
    return {
        "job_id": job_id, "folder": str(folder), "files": files, "checkpoints": None,
        "unfetched": [unfetched_json(one) for one in reader.fetches(job_id)],
    }  # fmt: skip


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
