"""What the Publishing screen knows: from the store, and of the files what the engine says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.app.publishing.speed import Moving
from tui.store.job_json import published_json, unfetched_json
from tui.store.reader import StoreReader
from tui.store.records import is_called
from tui.store.schema import StoreError
from tui.store.transfer_records import DestinationRecord, TransferRecord, TransferState, is_hidden

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.app.context import AppContext
    from tui.client.client import ControlClient

TEST_FACT: Final = "destination_test:"
_ENDED_SHOWN: Final = 200


class ShelfData:
    """Read anew on every word of the engine's; keeps nothing that the store has.

    Attributes:
        destinations: by name.
        tested: the last test of each destination: `{at, ok, steps}`.
        testing: destinations that are being tested now.
        hub_token: whose token the Hub is given, in words; empty before it was asked.
        keys: where the keys of S3 destinations are: `keyring`, `session` or `none`.
        transfers: those under way in their order, then what has ended, the newest first.
        moving: speed and bytes of those under way.
        artifacts: the engine's answer by job.
        problems: why there is none.
    """

    def __init__(self, context: AppContext, screen: Screen[Any], changed: Callable[[str], None]):
        """Args: `changed` is told `artifacts`, `destinations` or `transfers`."""
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
        self.moving: dict[str, Moving] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.problems: dict[str, str] = {}
        self._asked: set[str] = set()
        self._again: set[str] = set()
        self._places: dict[str, dict[str, int]] = {}
        self._stored: dict[str, dict[str, Any]] = {}

    # -- from the store -----------------------------------------------------------------------

    def read(self) -> None:
        """Everything that the store has."""
        self.read_destinations()
        self.read_transfers()

    def read_destinations(self) -> None:
        """The places, and how their last tests went."""
        try:
            self.destinations = self.context.reader.destinations()
            facts = {
                one.name: self.context.reader.fact(TEST_FACT + one.name)
                for one in self.destinations
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
        """Ask where keys are: those of a session went with an engine that has ended."""
        control = self.context.control
        if control is None or not any(one.kind == "s3" for one in self.destinations):
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
            return  # what is known stays; whoever needs the keys is told
        finally:
            self._asking_keys = False
        self.keys = {row["name"]: row["keys"] for row in rows if row.get("keys")}
        self._changed("destinations")
        if self._keys_again:
            self._keys_again = False
            self._ask_keys()

    def read_transfers(self) -> None:
        """All transfers; of those that have ended, the newest."""
        try:
            found = [one for one in self.context.reader.transfers() if not is_hidden(one)]
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")
            return
        standing = [one for one in found if _stands(one)]
        ended = [one for one in found if not _stands(one)]
        ended.sort(key=lambda one: one.ended_at or one.created_at, reverse=True)
        standing.sort(key=lambda one: one.state is not TransferState.RUNNING)
        self.transfers = [*standing, *ended[:_ENDED_SHOWN]]
        names = {one.transfer_id for one in standing}
        self.moving = {name: one for name, one in self.moving.items() if name in names}
        self._changed("transfers")

    def transfer_told(self, told: Mapping[str, Any]) -> str | None:
        """The engine spoke of a transfer.

        Returns:
            Its id where only bytes and speed are others; None where everything was read again.
        """
        name = str(told.get("transfer_id", ""))
        known = next((one for one in self.transfers if one.transfer_id == name), None)
        heard = (told.get("state"), told.get("message"), told.get("position"))
        if known is None or (known.state, known.message, known.position) != heard:
            before = {one.transfer_id for one in self.transfers if _stands(one)}
            self.read_transfers()
            if known is None or before != {
                one.transfer_id for one in self.transfers if _stands(one)
            }:
                self.published_changed(str(told.get("job_id", "")))
            return None
        self.moving[name] = Moving(
            int(told.get("done") or 0), int(told.get("total") or 0),
            int(told.get("bytes_per_second") or 0), told.get("eta_seconds"),
        ).after(self.moving.get(name))  # fmt: skip
        return name

    def moves(self, one: TransferRecord) -> Moving:
        """Bytes and speed of a transfer."""
        return self.moving.get(one.transfer_id) or Moving(one.done_bytes, one.total_bytes, 0, None)

    def has_half_sent(self, one: TransferRecord) -> bool:
        """Whether something of a transfer lies half sent at the far end."""
        try:
            return any(item.resume for item in self.context.reader.transfer_items(one.transfer_id))
        except StoreError:
            return False

    def published_counts(self, job_id: str) -> dict[str, int]:
        """How many of a job's files are at each target; read once until something arrives."""
        if job_id not in self._places:
            try:
                found = self.context.reader.published(job_id)
            except StoreError:
                found = []
            names: dict[str, set[tuple[str, str]]] = {}
            for one in found:
                names.setdefault(one.target, set()).add((one.name, one.sha256))
            self._places[job_id] = {target: len(files) for target, files in names.items()}
        return self._places[job_id]

    def published_changed(self, job_id: str) -> None:
        """Something of a job arrived somewhere, or was deleted."""
        self._places.pop(job_id, None)
        self._stored.pop(job_id, None)
        if job_id in self.artifacts or job_id in self.problems:
            self.look_at(job_id)

    def known(self, job_id: str) -> dict[str, Any]:
        """What is known of a job's files: the engine's word, or the store's before it is asked."""
        if job_id in self.artifacts:
            return self.artifacts[job_id]
        if job_id not in self._stored:
            try:
                found = files_known(self.context.reader, job_id, self.context.outputs)
            except StoreError:
                return {}
            self._stored[job_id] = found
        return self._stored[job_id]

    def on_the_way(self, job_id: str, names: Iterable[str]) -> dict[str, TransferRecord]:
        """Which of a job's files a transfer still needs here, with that transfer."""
        standing = [one for one in self.transfers if one.job_id == job_id and _stands(one)]
        return {
            name: one for name in names for one in standing
            if any(is_called(name, str(there)) for there in one.options.get("files") or ())
        }  # fmt: skip

    # -- from the engine ----------------------------------------------------------------------

    def look_at(self, job_id: str) -> None:
        """Ask what a job's files are and hold; the store's word stands until the answer comes."""
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
            self._again.add(job_id)
            return
        self._asked.add(job_id)
        self._screen.run_worker(self._look(control, job_id), group="artifacts", exit_on_error=False)

    async def ask(self, job_id: str) -> dict[str, Any]:
        """The same for somebody who waits for the answer."""
        control = self.context.control
        if control is not None:
            self._asked.add(job_id)
            await self._look(control, job_id)
        return self.known(job_id)

    async def _look(self, control: ControlClient, job_id: str) -> None:
        from tui.client.client import ControlError

        try:
            found = await control.publishing.artifacts(job_id)
            self.artifacts[job_id] = found[0] if found else {"files": [], "checkpoints": []}
            self.problems.pop(job_id, None)
        except ControlError as error:
            self.problems[job_id] = f"{error.message} {error.advice}".strip()
        finally:
            self._asked.discard(job_id)
        if job_id in self._again:
            self._again.discard(job_id)
            self.look_at(job_id)
        self._changed("artifacts")

    def fetch_told(self, told: Mapping[str, Any]) -> bool:
        """The engine spoke of a file that it fetches.

        Returns:
            Whether there is something to draw.
        """
        job_id, name = str(told.get("job_id", "")), str(told.get("name", ""))
        rows = (self.artifacts.get(job_id) or {}).get("unfetched") or []
        row = next((one for one in rows if name and one["name"] == name), None)
        if row is None:
            if job_id in self.artifacts:
                self.look_at(job_id)
            return False
        size = told.get("total") or row["size"]
        row |= {"done": told.get("done") or 0, "size": size, "state": "fetching", "why": ""}
        return True

    def look_again(self) -> None:
        """The engine is back: what could not be answered is asked again."""
        for job_id in (*self.problems, *self.artifacts):
            self.look_at(job_id)

    def test(self, names: Iterable[str]) -> None:
        """Test destinations side by side."""
        control = self.context.control
        for name in names:
            if control is not None and name not in self.testing:
                self.testing.add(name)
                self._screen.run_worker(
                    self._test(control, name), group=f"test {name}", exit_on_error=False
                )
        self._changed("destinations")

    async def ask_hub(self) -> None:
        """Ask whose token the Hub is given."""
        from tui.app.shell.status import username
        from tui.client.client import ControlError

        control = self.context.control
        if control is None:
            return
        try:
            found = await control.cloud.validate_token("huggingface")
        except ControlError as error:
            self.hub_token = error.message
            return
        why = str(found.get("error") or "")
        self.hub_token = f"as @{username(found)}" if found.get("valid") else why

    async def _test(self, control: ControlClient, name: str) -> None:
        from tui.client.client import ControlError

        try:
            await control.publishing.test_destination(name)
        except ControlError as error:
            self.context.tell(f"{name}: {error.message}", error.advice, "error")
        finally:
            self.testing.discard(name)
        self.read_destinations()


def _stands(one: TransferRecord) -> bool:
    """Whether a transfer is under way, or paused on it."""
    return one.state.is_active or one.state is TransferState.PAUSED


def files_known(reader: StoreReader, job_id: str, outputs: Path) -> dict[str, Any]:
    """The engine's answer about a job's artifacts, without what the files hold.

    `checkpoints` is None: only the engine can tell them.

    Raises:
        StoreError: the store cannot be read.
    """
    published = reader.published(job_id)
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
