"""The causes of failure: patterns that recognise them, and advice for the user.

The patterns match texts of SimpleTuner's container, PyTorch, huggingface_hub, botocore and
Replicate. The texts for the screen are our own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DiagnosisKind(StrEnum):
    """Why a job failed."""

    OUT_OF_MEMORY = "out_of_memory"
    GATED_MODEL = "gated_model"
    BAD_TOKEN = "bad_token"  # noqa: S105  # the name of a cause, no secret
    NO_IMAGES = "no_images"
    NSFW = "nsfw"
    TIME_LIMIT = "time_limit"
    DISK_FULL = "disk_full"
    WORKER_LOST = "worker_lost"
    ARCHIVE_REJECTED = "archive_rejected"
    UNSUPPORTED_ARCHIVE = "unsupported_archive"
    DATASET_MISSING = "dataset_missing"
    BAD_JSON = "bad_json"
    INPUT_FILE_MISSING = "input_file_missing"
    NO_DATALOADER = "no_dataloader"
    UPLOAD_FAILED = "upload_failed"
    BAD_SETTING = "bad_setting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """A cause of failure.

    Attributes:
        kind: the cause.
        title: a few words, for a table.
        what: one or two sentences.
        advice: what the user can do, most useful first.
        pattern: matches a line of the log or the error text.
        error_pattern: matches further texts, in the prediction's error only.
        strong: whether it wins over a weak rule. Weak signs are consequences that also appear
            beside another cause.
    """

    kind: DiagnosisKind
    title: str
    what: str
    advice: tuple[str, ...]
    pattern: re.Pattern[str] | None
    error_pattern: re.Pattern[str] | None = None
    strong: bool = True


def _any(*fragments: str) -> re.Pattern[str]:
    return re.compile("|".join(fragments), re.IGNORECASE)


RULES: Final = (
    Rule(
        DiagnosisKind.OUT_OF_MEMORY,
        "out of memory",
        "The GPU ran out of memory.",
        (
            "Lower train_batch_size; gradient_accumulation_steps keeps the effective batch.",
            "Turn gradient_checkpointing on: slower, but much less memory.",
            "Train at a lower resolution, or quantise the base model (base_model_precision).",
            "Choose hardware with more memory.",
        ),
        _any(
            r"(?:CUDA|HIP) out of memory",
            r"\bOutOfMemoryError\b",
            r"CUBLAS_STATUS_ALLOC_FAILED",
            r"CUDA error: out of memory",
            r"\(E1001\)",
        ),
        _any(r"\bout of memory\b", r"\bOOM\b"),
    ),
    Rule(
        DiagnosisKind.GATED_MODEL,
        "gated model",
        "The base model is gated on the Hub, and this token's account may not download it.",
        (
            "Open the model's page on huggingface.co while signed in and accept its terms.",
            "Send the Hub token of that account with the job.",
            "Fine-grained tokens also need the permission to read gated repositories.",
        ),
        _any(
            r"\bgated repo",
            r"GatedRepoError",
            r"access to model \S+ is restricted",
            r"awaiting a review from the repo authors",
            r"you are not in the authorized list",
        ),
    ),
    Rule(
        DiagnosisKind.BAD_TOKEN,
        "Hub token refused",
        "The Hub did not accept the token, or none was sent where one is needed.",
        (
            "Validate the Hub token on the Publishing screen, then run the job again.",
            "A token that publishes needs write access to the repository.",
        ),
        _any(
            r"hugging ?face token is invalid",
            r"invalid user token",
            r"invalid (?:username or password|credentials in authorization header)",
            r"401 Client Error.{0,80}huggingface\.co",
            r"LocalTokenNotFoundError",
            r"hf_token is required",
            r"\btoken required\b",
            r"you must use your personal account token",
        ),
    ),
    Rule(
        DiagnosisKind.NSFW,
        "refused by the NSFW filter",
        "The trainer's content filter judged at least one training image unsafe. It cannot be "
        "turned off in this container.",
        (
            "Look at the images named in the lines below and remove those that could be misjudged.",
            "Two of its three classifiers must agree, so a crop or another picture often helps.",
        ),
        _any(
            r"(?<![-/_\w])nsfw(?![-_/\w]).{0,120}(?:detect|reject|refus|block|flag|fail|found|"
            r"not allowed|violat|unsafe)",
            r"(?:detect|reject|refus|block|flag|fail|found|unsafe)\w*.{0,120}(?<![-/_\w])nsfw"
            r"(?![-_/\w])",
        ),
        _any(r"(?<![-/_\w])nsfw(?![-_/\w])"),
    ),
    Rule(
        DiagnosisKind.TIME_LIMIT,
        "stopped at the time limit",
        "Replicate stopped the run at its time limit. By default that is 30 minutes.",
        (
            "Train fewer steps, or in parts: resume the next job from the last checkpoint.",
            "Save and deliver checkpoints more often, so that a stopped run still leaves files.",
            "Use faster hardware, or a model whose owner has a longer limit with Replicate.",
        ),
        _any(r"\bPrediction timed out\b"),
        # Not the time-outs of a start, a connection or a download.
        _any(r"^(?!.*(?:start|boot|setup|connect|read|http)).*\btime(?:d ?|-)?out\b"),
    ),
    Rule(
        DiagnosisKind.DISK_FULL,
        "disk full",
        "The trainer's disk was full.",
        (
            "Keep fewer checkpoints (checkpoints_total_limit) and save them less often.",
            "Train on fewer or smaller images: caches of images and texts take room as well.",
        ),
        _any(r"No space left on device", r"\[Errno 28\]", r"Disk quota exceeded"),
    ),
    Rule(
        DiagnosisKind.ARCHIVE_REJECTED,
        "archive refused",
        "This version of the trainer refuses every archive of images: its check for unsafe paths "
        "compares a relative folder with absolute ones, so no member passes.",
        (
            "Use hosted or staged data instead: a dataloader with a Hub or S3 dataset.",
            "Or choose another version of the model, if there is one without this defect.",
        ),
        _any(r"Unsafe (?:zip|tar)\w* path", r"Unsafe (?:archive|zip|tar) member"),
    ),
    Rule(
        DiagnosisKind.UNSUPPORTED_ARCHIVE,
        "archive not readable",
        "The trainer could not open the archive of images. It takes zip and tar.",
        (
            "Send a zip or tar archive; a web address must give the file itself, not a page.",
            "If the address has expired, upload again.",
        ),
        _any(
            r"unsupported archive",
            r"\bBadZipFile\b",
            r"is not a (?:zip|tar) file",
            r"tarfile\.ReadError",
        ),
    ),
    Rule(
        DiagnosisKind.NO_IMAGES,
        "no images found",
        "The trainer found no usable image in a dataset.",
        (
            "Check the dataset's folder or address, and that it holds png, jpg or webp files.",
            "Images below minimum_image_size are left out: lower it, or send larger images.",
            "A dataset smaller than one batch per aspect ratio is dropped: raise its repeats.",
        ),
        _any(
            r"No images were discovered",
            r"No images (?:were )?found",
            r"(?:produced|contains|has) (?:no|zero|0) (?:usable )?(?:images|training samples)",
        ),
    ),
    Rule(
        DiagnosisKind.BAD_JSON,
        "an input is not valid JSON",
        "The trainer could not read a JSON text that was sent to it.",
        (
            (
                "Check the config, dataloader or LyCORIS file named below; a JSON file allows no "
                "comments and no comma after the last entry."
            ),
        ),
        _any(r"looks like JSON but failed to parse", r"\bJSONDecodeError\b"),
    ),
    Rule(
        DiagnosisKind.NO_DATALOADER,
        "no data was sent",
        "The trainer got neither an archive of images nor a dataloader.",
        ("Choose data for the job: upload a folder, or use hosted or staged data.",),
        _any(
            r"(?:provide|require|must|missing|either|need).{0,80}"
            r"(?:\bimages?\b|archive).{0,60}dataloader",
            r"(?:provide|require|must|missing|either|need).{0,80}dataloader.{0,60}"
            r"(?:\bimages?\b|archive)",
            r"(?:\bimages?\b|archive).{0,60}dataloader.{0,60}(?:required|missing|provided)",
            r"dataloader\w* (?:is |was )?(?:missing|required|not provided)",
        ),
    ),
    Rule(
        DiagnosisKind.INPUT_FILE_MISSING,
        "a file named in an input is missing",
        "An input names a file that does not exist inside the trainer's container.",
        ("Send the content itself: paths of this machine mean nothing there.",),
        _any(r"(?:config|dataloader|lycoris)\w* file not found"),
    ),
    Rule(
        DiagnosisKind.DATASET_MISSING,
        "dataset folder missing",
        "A local dataset points to a folder that does not exist in the trainer's container. When "
        "a dataloader is sent, this trainer does not unpack the uploaded images.",
        (
            "Use staged or hosted data: the dataloader then names a Hub or S3 dataset.",
            "Or send the images alone, without a dataloader, to a version that accepts archives.",
        ),
        _any(
            r"(?:instance_data_dir|dataset (?:path|director|folder)|data director|local dataset)"
            r".{0,200}(?:not (?:exist|found|a directory)|missing|No such file)",
            r"(?:not (?:exist|found)|missing|No such file).{0,200}"
            r"(?:instance_data_dir|dataset (?:path|director|folder))",
        ),
    ),
    Rule(
        DiagnosisKind.BAD_SETTING,
        "a setting was refused",
        "The trainer does not accept one of the settings.",
        ("Correct or remove the setting named in the lines below.",),
        _any(
            r"error: unrecognized arguments?",
            r"error: argument --",
            r"error: the following arguments are required",
        ),
    ),
    Rule(
        DiagnosisKind.UPLOAD_FAILED,
        "the result could not be delivered",
        "The trainer could not store its result at the destination.",
        (
            "Verify the destination on the Publishing screen: address, keys, write access, quota.",
            "Local delivery needs an address of this machine that the trainer can reach.",
        ),
        _any(
            r"when calling the (?:PutObject|CreateMultipartUpload|UploadPart|"
            r"CompleteMultipartUpload|HeadBucket) operation",
            r"\b(?:S3UploadFailedError|EndpointConnectionError|NoCredentialsError)\b",
            r"quota ?exceeded",
            r"(?:storage|upload) (?:quota|limit) (?:reached|exceeded)",
            r"failed to (?:upload|publish|push)",
        ),
        strong=False,
    ),
    Rule(
        DiagnosisKind.DATASET_MISSING,
        "a file is missing",
        "The trainer looked for a file or folder that does not exist in its container.",
        (
            (
                "Look for paths of this machine in the config and the dataloader: nothing of this "
                "machine exists there."
            ),
        ),
        _any(r"FileNotFoundError: .*(?:No such file|not found|does not exist)"),
        strong=False,
    ),
    Rule(
        DiagnosisKind.WORKER_LOST,
        "the machine was lost",
        "The process or the machine that trained went away before it could say why.",
        (
            "Run the job again: this is mostly bad luck with a machine.",
            (
                "If it happens at the same place again, main memory may be too small: use fewer "
                "workers, smaller images, or larger hardware."
            ),
        ),
        _any(
            r"\bSIGKILL\b",
            r"exit ?code:? -(?:9|7|11)\b",
            r"worker (?:process )?(?:crashed|died|was lost|exited|terminated|is gone)",
            r"prediction interrupted",
            r"GPU fault",
            r"CUDA error: (?!out of memory)",
            r"ChildFailedError",
            r"NCCL (?:error|WARN)",
            r"DataLoader worker .* (?:killed|exited)",
            r"\(E(?:1000|6716)\)",
        ),
        _any(
            r"\b(?:crash|interrupted|director|killed|shut ?down|unhealthy)",
            r"\b(?:start|boot|setup).{0,80}\btime(?:d ?|-)?out\b",
        ),
        strong=False,
    ),
)

UNKNOWN: Final = Rule(
    DiagnosisKind.UNKNOWN,
    "failed",
    "The run failed, and the log does not show a cause that is known here.",
    (
        "Read the last lines of the log: the cause is usually the last error in it.",
        "Run it again with fewer steps to see whether it fails at the same place.",
    ),
    None,
)
