"""The shape of a job's `submit`: what was sent for the job, and what became of its delivery.

It is stored as JSON and grows as the submission goes on. A record of an earlier version, or of a
job that was started elsewhere, lacks some of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from tui.api.jobs import DeliveredState, NotFinite
    from tui.base.json_types import JsonObject
    from tui.simpletuner.delivery_schedule.schedule import ExpectedWeights


class StoredReceiver(TypedDict, total=False):
    """Who was to get staged data, as the consent named it; see `engine.staging.receiver`."""

    words: str
    parts: dict[str, str]
    home: str


class StagedData(TypedDict, total=False):
    """The staged data that a job reads.

    Attributes:
        key: of their record.
        place: the place's name.
        receiver: who was to get them; jobs of earlier versions have none.
        images: how many files.
        bytes: their size.
    """

    key: str
    place: str
    receiver: StoredReceiver
    images: int
    bytes: int


class Refusal(TypedDict):
    """Why the receiver of results refused a file."""

    code: str
    why: str


class SubmitState(TypedDict, total=False):
    """What is known of a job's submission and delivery.

    Attributes:
        phase: the last step that is done, or, of the POST, begun.
        pack: whether local datasets are sent as an archive.
        images: how many images leave this machine; None for none.
        trigger_words: what all captions begin with.
        draft: the draft as it was sent, without the fields of its own submit.
        secret_names: inputs that are stored masked.
        mark: the run name, by which the prediction is known.
        fingerprint: of the inputs, for older predictions without a mark.
        cancel_after: seconds after which Replicate ends the job.
        destination: name of the user's S3 destination.
        expected_bytes: estimate of what arrives.
        expected_delivery: the weights that leave the trainer.
        account: the user of the API whose money it is.
        staging: the staged data that it reads.
        same_sha256: checksum of the archive of the job that it runs again.
        size: bytes of the archive.
        sha256: checksum of the archive.
        file_url: where the archive was uploaded.
        file_id: the upload's id.
        webhook: whether the prediction was posted with a webhook.
        since: when it was posted for the first time, as ISO 8601.
        posted_at: when it was posted last, as ISO 8601.
        posts: how often it was posted.
        clock_offset: seconds that Replicate's clock is ahead of this machine's.
        looked_up: whether a POST without an answer was looked up.
        not_finite: series with values that are not finite.
        warned: kinds of warnings of which the user was told.
        delivered: whether the results are where they should be.
        refused: results that the receiver refused, by key.
        data_refused: what the trainer keeps with the data and the receiver refused, by key.
        sent_as: names that files were sent with, by their path here.
        folder: where its results lie, once it was renamed.
    """

    phase: str
    pack: bool
    images: int | None
    trigger_words: list[str]
    draft: JsonObject
    secret_names: list[str]
    mark: str
    fingerprint: str
    cancel_after: int | None
    destination: str | None
    expected_bytes: int | None
    expected_delivery: ExpectedWeights | None
    account: str
    staging: StagedData
    same_sha256: str | None
    size: int
    sha256: str
    file_url: str
    file_id: str
    webhook: bool
    since: str
    posted_at: str
    posts: int
    clock_offset: float
    looked_up: bool
    not_finite: list[NotFinite]
    warned: list[str]
    delivered: DeliveredState
    refused: dict[str, Refusal]
    data_refused: dict[str, Refusal]
    sent_as: dict[str, str]
    folder: str
