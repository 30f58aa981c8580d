"""The protocol of the places that datasets are staged to.

The order of calls for one job: `describe` and `missing` for the check, `send` after the consent,
`prepare_job` before the POST, `job_ended` after its end, and `remove` once no job reads the data.
Every call may be repeated: after a kill the next run of the engine starts again with `send`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tui.engine.staging.receiver import Receiver
from tui.replicate.secret import Secret
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.store.records import JobRecord

PlaceKind = Literal["hub", "here", "bucket"]

Progress = Callable[[int, int], None]
"""Called from any thread with the bytes that are there and the bytes in all. Bytes that were there
before count as done; the bytes done may decrease when something is sent again."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What a place does not hold yet.

    Attributes:
        files: files to send; 0 when nothing has to be sent.
        bytes: their size.
        unproved: why it is not certain that the trainer reaches the place; "" when it is, or when
            the place does not depend on this machine.
    """

    files: int
    bytes: int
    unproved: str = ""


@dataclass(frozen=True, slots=True)
class Leaves:
    """What leaves this machine by staging, for the consent.

    Attributes:
        what: for example `24 pictures with their captions, 3.1 MB`.
        to: the receiver, for example `the private dataset me/cats on the Hugging Face Hub`.
        until: how long it stays there, as the rest of a sentence.
        token: which credential travels with the job, as the rest of a sentence; "" for none.
        stays_here: whether the receiver and the trainer are both on this machine, as the sandbox
            and its Hub are.
    """

    what: str
    to: str
    until: str
    token: str = ""
    stays_here: bool = False


@dataclass(frozen=True, slots=True)
class JobData:
    """The values of one job that `StagingPlace.entry` only had placeholders for.

    A place writes a placeholder into the entries of the check, because a value is not known yet or
    must not be shown. The texts are replaced in `dataloader_json` before the POST.

    Attributes:
        values: by placeholder; they are stored with the job and shown.
        secrets: by placeholder; they are put into the request only, never stored.
        inputs: secret inputs of the request that are preferred to those that it would carry.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    inputs: Mapping[str, Secret] = field(default_factory=dict, repr=False)


class StagingPlace(Protocol):
    """Something that holds staged datasets for the trainer.

    All calls may raise `PublishError` (tui.destinations.common.errors) or `SimpleTunerError`; both
    have a `message` and an `advice`.
    """

    kind: PlaceKind
    name: str
    """What a draft calls it: `hub`, `here` or `bucket:<destination>`."""

    async def missing(self, manifest: Manifest) -> Missing:
        """Return what would have to be sent; it sends and creates nothing.

        The answer is quick for data that this program has sent before: it relies on records.
        Raises when the place cannot be used (token without the right, name taken by others).
        """

    def receiver(self, manifest: Manifest) -> Receiver:
        """Return who gets the data as things are now; after `missing`.

        Raises when the place does not exist any more.
        """

    def job_token(self) -> Secret | None:
        """The Hub token that a job gets to read the data; None for the one in use. After `missing`.

        A job whose results go to the Hub gets the one in use all the same.
        """

    async def require_receiver(self, manifest: Manifest, job: JobRecord) -> None:
        """Raise when data, or the job, would now go elsewhere than the consent and request name."""

    async def send(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        """Send what is missing, and verify at the far end that everything is there.

        A second call goes on where the first was ended. It stops soon after `cancel` is set, and
        raises then.

        Raises:
            SourceChangedError: a file is not what the manifest says.
            TransferCancelledError: `cancel` was set.
        """

    def entry(
        self, dataset: StagedDataset, entry: Mapping[str, Any], job_id: str | None
    ) -> dict[str, Any]:
        """Return a dataset's dataloader entry for the trainer.

        Args:
            dataset: the staged dataset.
            entry: its entry without the keys that mean something on this machine only (see
                `tui.simpletuner.staging.rewrite.portable_entry`).
            job_id: the job; None before it exists. Values that are not known or are secret are
                placeholders in either case, and `prepare_job` fills them.
        """

    async def prepare_job(self, manifest: Manifest, job: JobRecord) -> JobData:
        """Prepare what one job needs for itself (its prefix, its keys) after `send`."""

    async def job_ended(self, job: JobRecord) -> None:
        """End what was prepared for a job that has ended: its keys, its prefix."""

    async def remove(self, manifest: Manifest, others: Sequence[Manifest]) -> None:
        """Delete the staged data; what is gone already is no error.

        The caller makes sure that no queued or running job reads it.

        Args:
            manifest: what is to be deleted.
            others: what stays in this place; contents that it shares with them are kept.
        """

    def describe(self, manifest: Manifest) -> Leaves:
        """Return what leaves, to whom, for how long, and which token travels."""
