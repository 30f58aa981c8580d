"""Failures of resuming, checkpoints, validation and publishing, and of Replicate itself."""

from __future__ import annotations

from typing import Final

from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.failures.rule import Advice, DiagnosisKind, Failure, Rule, Tier, whole

K = DiagnosisKind
# A run shortened to the steps that fitted needs a margin for its final validation and upload.
_SAFE_SHARE: Final = 0.9


def _shorter(failure: Failure) -> dict[str, OptionValue]:
    """Options for a run of as many steps as fitted this time, less a margin."""
    if failure.bar is None:
        return {}
    steps = int(failure.bar.step * _SAFE_SHARE)
    if steps >= 100:
        steps -= steps % 10
    if steps < 1:
        return {}
    changes: dict[str, OptionValue] = {"max_train_steps": steps}
    if whole(failure.config.get("num_train_epochs")):
        changes["num_train_epochs"] = 0
    interval = whole(failure.config.get("checkpoint_step_interval"))
    if interval is None or interval > steps:
        changes["checkpoint_step_interval"] = max(1, steps // 4)
    return changes


RESUME_RULES: Final = (
    Rule(
        "checkpoint-manifest",
        K.RESUME,
        "no checkpoint at that address",
        "The address to resume from holds no checkpoint that the trainer can fetch.",
        (r"Remote checkpoint manifest not found",),
        ("Name a checkpoint itself: an address that ends in checkpoint-N.",),
    ),
    Rule(
        "resume-address",
        K.RESUME,
        "the resume address does not fit",
        "The address to resume from does not fit the job's publishing settings.",
        (r"resume_from_checkpoint (?:requires|is relative|does not match)",),
        ("Give the full address, in the bucket that the job delivers to.",),
    ),
    Rule(
        "checkpoint-model",
        K.RESUME,
        "the checkpoint is of another model",
        "The checkpoint was made with another {1}.",
        (r"Checkpoint (model_family|model_type|model_flavou?r|architecture) mismatch",),
        ("Use the same model settings as the run that wrote the checkpoint.",),
    ),
    Rule(
        "checkpoint-incomplete",
        K.RESUME,
        "the checkpoint is incomplete",
        "The downloaded checkpoint lacks files.",
        (r"Downloaded checkpoint is invalid",),
        (
            "Resume from an earlier checkpoint.",
            "If its upload was still under way, the same run can succeed now.",
        ),
        again="maybe",
    ),
    Rule(
        "resume-bucket",
        K.RESUME,
        "the checkpoint is in another bucket",
        "The address to resume from is not in the bucket of this job.",
        (r"Resume checkpoint (?:bucket|URL) .* does not match",),
        ("Deliver to the bucket that holds the checkpoint.",),
    ),
    Rule(
        "checkpoint-shape",
        K.RESUME,
        "the checkpoint does not fit",
        "Rank, targets, optimizer or EMA differ from the run that wrote the checkpoint.",
        (
            r"Error\(s\) in loading state_dict",
            r"size mismatch for",
            r"doesn't match the size of optimizer's group",
            r"Mismatch in number of shadow parameters",
        ),
        ("Use the rank, targets, optimizer and EMA of that run, or start anew.",),
    ),
    Rule(
        "init-lora",
        K.RESUME,
        "the start adapter cannot be used",
        "The adapter to start from is not there, or its step lies past the end.",
        (
            (
                r"init_lora.*(?:does not exist|Unable to inspect|greater than or equal to "
                r"max_train_steps)"
            ),
            r"Unable to inspect .*init_lora",
        ),
        (
            Advice("Count its steps from zero.", {"init_lora_step": 0}),
            "Name an adapter on the Hub in init_lora; a path of this machine means nothing there.",
        ),
    ),
    Rule(
        "adapter-of-another-model",
        K.RESUME,
        "the adapter is of another model",
        "No part of the adapter fits the model.",
        (r"LoRA checkpoint loading rejected every denoiser tensor",),
        ("Use an adapter that was trained for this model.",),
    ),
    Rule(
        "validation-embeds",
        K.VALIDATION,
        "validation prompts failed",
        "The prompts for validation could not be encoded.",
        (
            r"Could not generate validation prompts",
            r"default text embed cache backend was not found",
        ),
        ("Give the dataloader a text_embeds entry with default true.",),
    ),
    Rule(
        "final-save",
        K.TRAINER_FAULT,
        "the final model could not be saved",
        "The trainer itself failed while it saved the final model. Nothing in the job is wrong.",
        (
            r"Final LoRA save kwargs were not materialized",
            r"Missing required artifact",
            r"'NoneType' object has no attribute 'peft_config'",
        ),
        (
            "The last checkpoint is good: fetch it where it was delivered.",
            "Another version of the model may have this mended; the same run may also pass.",
        ),
        again="maybe",
    ),
    Rule(
        "lycoris-no-modules",
        K.BAD_SETTING,
        "LyCORIS targets nothing",
        "No module of the model has a name that the LyCORIS settings list.",
        (r"LyCORIS.*\b0 modules", r"create LyCORIS: 0\b"),
        ("Use the default targets in the LyCORIS file.",),
        lasting=True,
    ),
    Rule(
        "required-artifact",
        K.UPLOAD_FAILED,
        "the final upload did not succeed",
        "A publishing entry is marked as required, and its upload failed.",
        (r"Required final artifact publishing did not succeed",),
        (
            "Verify the destination on the Publishing screen: address, keys, write access, quota.",
            "If it was away for a while, the same run can succeed now.",
        ),
        again="maybe",
    ),
    Rule(
        "storage-full",
        K.UPLOAD_FAILED,
        "the account's storage is full",
        "The Hub or the bucket has no room left for the result.",
        (
            r"(?i:storage (?:quota|limit))",
            r"LFS.*(?:quota|403)",
            r"402 Client Error",
            r"(?i:quota ?exceeded)(?<!Disk quota exceeded)",
        ),
        ("Free space there, or use a public repository, which has more.",),
    ),
    Rule(
        "upload-refused",
        K.UPLOAD_FAILED,
        "the result could not be delivered",
        "The trainer could not store its result at the destination.",
        (
            (
                r"when calling the (?:PutObject|CreateMultipartUpload|UploadPart"
                r"|CompleteMultipartUpload|HeadBucket) operation"
            ),
            r"\b(?:S3UploadFailedError|NoCredentialsError)\b",
            r"(?i:upload limit (?:reached|exceeded))",
        ),
        (
            "Verify the destination on the Publishing screen: address, keys, write access, quota.",
            "Local delivery needs an address of this machine that the trainer can reach.",
        ),
        tier=Tier.CONSEQUENCE,
    ),
    Rule(
        "file-missing",
        K.DATASET_MISSING,
        "a file is missing",
        "The trainer looked for a file or folder that does not exist in its container.",
        (r"FileNotFoundError: .*(?:No such file|not found|does not exist)",),
        (
            (
                "Look for paths of this machine in the config and the dataloader: nothing of this "
                "machine exists there."
            ),
        ),
        tier=Tier.CONSEQUENCE,
    ),
)

NOTICE_RULES: Final = (
    Rule(
        "validation-failed",
        K.VALIDATION,
        "a validation failed",
        "The validation at step {1} failed. The run goes on, but nothing is delivered to this "
        "machine or S3 in that round.",
        (r"Validation run failed at step (\d+)",),
        ("Deliver to the Hub, or mend what the line names; the validation's model needs memory.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "validation-picture-failed",
        K.VALIDATION,
        "a validation picture failed",
        "One picture of a validation could not be made. The round goes on without it.",
        (r"Error generating validation image", r"Error gathering text embed for validation prompt"),
        (Advice("Validate at a lower resolution.", {"validation_resolution": "512"}),),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "validation-pipeline",
        K.VALIDATION,
        "validation is not possible",
        "The pipeline for validation could not be loaded. Nothing is delivered to this machine or "
        "S3 then.",
        (r"Not able to run validations, we did not obtain a valid pipeline",),
        ("Deliver to the Hub.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "validation-deepspeed",
        K.VALIDATION,
        "no validation with DeepSpeed",
        "DeepSpeed at stage 3 turns validation off, and delivery to this machine or S3 with it.",
        (r"Cannot run validations with DeepSpeed ZeRO stage 3",),
        ("Deliver to the Hub, or use another stage.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "validation-ideogram",
        K.VALIDATION,
        "validation is skipped",
        "Ideogram's validation is off, and delivery to this machine or S3 with it.",
        (r"Skipping Ideogram validation",),
        (Advice("Turn it on.", {"ideogram_validation": True}), "Or deliver to the Hub."),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "publishing-not-started",
        K.UPLOAD_FAILED,
        "nothing will be published",
        "Publishing could not be set up: this run publishes nothing at all.",
        (r"Failed to initialise publishing providers",),
        ("Cancel the run while it is cheap.", "Verify the destination: bucket, keys and provider."),
        tier=Tier.NOTICE,
    ),
    Rule(
        "publishing-failed",
        K.UPLOAD_FAILED,
        "an upload failed",
        "One upload of the run folder failed. The next one sends everything again.",
        (r"Publishing via (\S+) failed",),
        ("Check the destination's address and keys while the run goes on.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "nothing-to-publish",
        K.UPLOAD_FAILED,
        "nothing to publish yet",
        "A round of uploads found no files.",
        (r"No files found to publish under",),
        ("Save a checkpoint before the validation that publishes.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "hub-upload-retried",
        K.UPLOAD_FAILED,
        "an upload to the Hub failed",
        "Attempt {1} of 3 to upload to the Hub failed. After the third it is given up.",
        (r"\(attempt (\d)/3\) Error uploading model to Hugging Face Hub",),
        ("List the repository before you rely on it; pushed checkpoints may be complete.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
    Rule(
        "hub-upload-failed",
        K.UPLOAD_FAILED,
        "an upload to the Hub failed",
        "An upload to the Hub failed.",
        (
            r"Failed to upload (?:LoRA artifacts|pipeline|LoRA EMA weights) to hub",
            r"Failed to upload latest checkpoint",
            r"Hugging Face upload task .* failed",
            r"Error uploading (?:final model )?to hub",
            r"(?i:failed to (?:upload|publish|push))",
        ),
        ("List the repository before you rely on it; pushed checkpoints may be complete.",),
        again="maybe",
        tier=Tier.NOTICE,
    ),
)

PLATFORM_RULES: Final = (
    Rule(
        "time-limit",
        K.TIME_LIMIT,
        "stopped at the time limit",
        "Replicate stopped the run at its time limit. By default that is 30 minutes.",
        (
            r"\bPrediction timed out\b",
            r"E\d{4} .*(?:TooManyRequests|[Tt]imeout)",
            r"exceeded .*time limit",
        ),
        (
            Advice("Train as many steps as fitted, less a margin.", _shorter),
            "Or go on from the last checkpoint that was delivered; run again offers it.",
            "Save and deliver checkpoints more often, so that a stopped run still leaves files.",
            "Use faster hardware, or a model whose owner has a longer limit with Replicate.",
        ),
        # Not the time-outs of a start, a connection or a download.
        error_patterns=(
            (
                r"^(?!.*(?i:start|boot|setup|connect|read|http|nccl|collective))"
                r".*\b(?i:time(?:d ?|-)?out)\b"
            ),
        ),
        platform=True,
    ),
    Rule(
        "setup-failed",
        K.WORKER_LOST,
        "the container did not start",
        "Replicate could not start the trainer's container.",
        (
            r"\bFailed to start\b",
            r"(?i:\bsetup failed)",
            r"Model setup failed",
            r"(?i:failed to pull)",
            r"\(E6716\)",
        ),
        ("Run it again.", "If it repeats, choose another version of the model."),
        again="yes",
        tier=Tier.CONSEQUENCE,
        error_patterns=(r"(?i:\b(?:start|boot|setup).{0,80}\btime(?:d ?|-)?out\b)",),
        platform=True,
    ),
    Rule(
        "interrupted",
        K.WORKER_LOST,
        "the platform stopped the run",
        "Replicate stopped the container, or lost the machine. This is no fault of the job.",
        (
            r"(?i:prediction interrupted)",
            r"code: PA\b",
            r"\(E1000\)",
            r"(?i:worker (?:process )?(?:crashed|died|was lost|exited|terminated|is gone))",
        ),
        (
            "Run it again: this is mostly bad luck with a machine.",
            "If it repeats at the same place, main memory may be too small: use larger hardware.",
        ),
        again="yes",
        tier=Tier.CONSEQUENCE,
        error_patterns=(r"(?i:\b(?:crash|interrupted|director\b|killed|shut ?down|unhealthy))",),
        platform=True,
    ),
    Rule(
        "input-refused",
        K.BAD_SETTING,
        "an input was refused",
        "This version of the model does not take one of the inputs.",
        (r"[Ii]nput validation error", r"is not a valid .*input", r"extra fields"),
        ("Choose the newest version of the model, or leave the input named below out.",),
    ),
)
