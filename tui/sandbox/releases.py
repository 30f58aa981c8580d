"""The simulated releases of the trainer image: their schemas, behaviour and defects.

SimpleTuner's image freezes the state of its sources when it is pushed, so two versions of one
model differ in their inputs and defects. Four releases are modelled:

* `2026.02`, early: rejects inputs that it does not know, lacks two inputs, prints progress bars
  line by line, unpacks the archive in every mode, publishes at the end.
* `2026.08`, the state of SimpleTuner's main branch of that summer with both of its defects: an
  archive is never unpacked when a dataloader is given, and every archive member is refused when
  none is given. Files reach S3 only after a validation.
* `wished`, which does not exist: the same with both defects fixed and a last upload after the final
  save. It accepts every option and trains on hosted datasets that it does not fetch.
* `4.10.1`, SimpleTuner 4.10.1 as it is: both defects, its rules for options and datasets, data from
  the Hub and from S3 by real clients, and uploads at the moments of its training loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the trainer image.

    Attributes:
        name: our name of the release, part of the version id.
        created_at: when the version was pushed.
        cog_version: the runtime it was built with.
        ignores_archive_with_dataloader: it does not unpack the archive when a dataloader is given.
        refuses_archive_members: its path check refuses every member of an archive.
        publishes_final: it also uploads to S3 after checkpoints and after the final save.
        bars_as_lines: its runtime turns carriage returns into line feeds.
        rejects_unknown: it refuses inputs that the schema lacks, instead of ignoring them.
        is_current: it runs as SimpleTuner 4.10.1 does; see `tui.sandbox.trainer.current`.
    """

    name: str
    created_at: datetime
    cog_version: str
    ignores_archive_with_dataloader: bool = False
    refuses_archive_members: bool = False
    publishes_final: bool = True
    bars_as_lines: bool = False
    rejects_unknown: bool = False
    is_current: bool = False


EARLY = Release(
    "2026.02",
    datetime(2026, 2, 11, 9, 30, 12, 345678, UTC),
    "0.16.7",
    bars_as_lines=True,
    rejects_unknown=True,
)
SUMMER = Release(
    "2026.08",
    datetime(2026, 8, 22, 17, 4, 51, 118204, UTC),
    "0.18.0",
    ignores_archive_with_dataloader=True,
    refuses_archive_members=True,
    publishes_final=False,
)
WISHED = Release("wished", datetime(2026, 10, 6, 6, 12, 3, 904117, UTC), "0.23.1")
CURRENT = Release(
    "4.10.1",
    datetime(2026, 10, 21, 8, 40, 27, 551290, UTC),
    "0.23.1",
    ignores_archive_with_dataloader=True,
    refuses_archive_members=True,
    publishes_final=False,
    is_current=True,
)
TRAINERS = {
    "wished": (WISHED, SUMMER, EARLY),
    "4.10.1": (CURRENT, WISHED, SUMMER, EARLY),
}
"""The releases of the L40S trainers, newest first, by the name of the newest."""

Shape = dict[str, Any]


def _text(description: str) -> Shape:
    return {"type": "string", "description": description, "nullable": True}


def _secret(description: str) -> Shape:
    return _text(description) | {"format": "password", "writeOnly": True, "x-cog-secret": True}


def trainer_schema(release: Release) -> Shape:
    """The OpenAPI description of the trainer as `release` has it."""
    inputs: dict[str, Shape] = {
        "images": _text("Zip or tar archive of training images.") | {"format": "uri"},
        "config_json": _text("Training configuration: JSON text, or a path in the image."),
        "dataloader_json": _text("Dataloader list: JSON text, or a path in the image."),
        "max_train_steps": {
            "type": "integer",
            "description": "Number of steps; replaces the one in the configuration.",
            "nullable": True,
        },
        "s3_bucket": _text("Bucket that results are uploaded to."),
        "s3_region": _text("Region of the bucket."),
        "s3_endpoint_url": _text("Address of an S3 service other than AWS."),
        "s3_base_path": _text("Prefix of every uploaded key. Default: simpletuner"),
        "s3_public_base_url": _text("Address under which the bucket can be read; for links."),
        "s3_access_key": _secret("Access key of the bucket."),
        "s3_secret_key": _secret("Secret key of the bucket."),
        "hub_model_id": _text("Hugging Face repository, owner/name; needs hf_token."),
        "hf_token": _secret("Hugging Face token."),
        "lycoris_config": _text("LyCORIS configuration: JSON text, or a path in the image."),
        "return_logs": {
            "type": "boolean",
            "description": "Print the end of debug.log when the run is over.",
            "default": True,
        },
    }
    if release is EARLY:
        del inputs["lycoris_config"], inputs["s3_public_base_url"]
    if release in {WISHED, CURRENT}:
        inputs["max_train_steps"]["minimum"] = 1
    document = _document(inputs, {"type": "string"}, strict=release.rejects_unknown)
    if not release.is_current:
        # The live service has no such key. Our checks read it, so that they can warn of the defect.
        document["x-unpacks-archives"] = not release.refuses_archive_members
    return document


def webhook_check_schema(*, with_timeout: bool) -> Shape:
    """The OpenAPI description of the model that tests a webhook address."""
    inputs: dict[str, Shape] = {
        "webhook_url": {"type": "string", "description": "Address to send one POST to."}
    }
    if with_timeout:
        inputs["timeout_seconds"] = {
            "type": "integer",
            "description": "Give up after this many seconds.",
            "default": 10,
            "minimum": 1,
            "maximum": 60,
        }
    return _document(inputs, {"type": "object"}, required=["webhook_url"])


def hello_schema() -> Shape:
    """The OpenAPI description of a small text model, for sync calls and streams."""
    inputs: dict[str, Shape] = {
        "text": {"type": "string", "description": "Text to greet."},
        "tone": {
            "allOf": [{"$ref": "#/components/schemas/tone"}],
            "description": "How to greet.",
            "default": "plain",
        },
    }
    output = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
    document = _document(inputs, output, required=["text"])
    tone = {"title": "tone", "type": "string", "enum": ["plain", "loud"]}
    document["components"]["schemas"]["tone"] = tone
    return document


def _document(
    inputs: dict[str, Shape],
    output: Shape,
    *,
    required: list[str] | None = None,
    strict: bool = False,
) -> Shape:
    for order, (name, shape) in enumerate(inputs.items()):
        shape["x-order"] = order
        if "allOf" not in shape:
            shape["title"] = name.replace("_", " ").title()
    input_shape: Shape = {"type": "object", "title": "Input", "properties": inputs}
    if required:
        input_shape["required"] = required
    if strict:
        input_shape["additionalProperties"] = False
    schemas = {"Input": input_shape, "Output": output | {"title": "Output"}}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {},
        "components": {"schemas": schemas},
    }
