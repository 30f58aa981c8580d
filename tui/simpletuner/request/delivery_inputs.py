"""The inputs of a request that configure the delivery of results.

Keys and tokens go into the trainer's Secret inputs only. Replicate shows every other input, the
config included, in clear text to whoever can see the prediction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from tui.base.json_types import JsonObject
from tui.simpletuner.config.overrides import secret_variables
from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.errors import Note
from tui.simpletuner.request.delivery import Delivery, clean_repo_id, is_s3, publishing_targets

SCRIPTS: Final = ("post_upload_script", "post_checkpoint_script")
_SIGNED: Final = re.compile(r"[?&](?:sig|[\w-]*signature|[\w-]*token)=", re.IGNORECASE)
_PROVIDERS: Final = {
    "azure_blob": "Azure Blob", "azure": "Azure Blob", "dropbox": "Dropbox", "s3": "S3",
    "backblaze_b2": "Backblaze B2", "b2": "Backblaze B2",
}  # fmt: skip


class InputBuilder(Protocol):
    """A request while it is being built."""

    @property
    def config(self) -> TrainingConfig:
        """The config, with the job's overrides applied."""

    @property
    def notes(self) -> list[Note]:
        """Remarks are added here."""

    @property
    def dropped(self) -> list[str]:
        """What is left out, with the reason, is added here."""

    def takes(self, name: str) -> bool:
        """Whether the version has such an input."""

    def add(self, name: str, value: Any) -> None:
        """Set an input."""

    def secret(self, name: str) -> bool:
        """Set a secret input; False when its value is not available."""


def add_delivery_inputs(builder: InputBuilder, delivery: Delivery, options: JsonObject) -> None:
    """Add the inputs of a delivery, and change `options` (the config's) to fit it."""
    _add_targets(builder, delivery, options)
    _note_scripts(builder, options)
    _check_comment(builder, options)
    repository = options.pop("hub_model_id", None)
    if delivery.kind == "hub":
        _add_hub(builder, options, delivery.hub_model_id or str(repository or ""))
        return
    if builder.config.push_to_hub:
        builder.dropped.append("push_to_hub: another delivery was chosen for the job")
    options.update(push_to_hub=False, push_checkpoints_to_hub=False)
    options.pop("push_to_hub_background", None)
    if delivery.uses_s3:
        _add_s3(builder, delivery)


def _add_hub(builder: InputBuilder, options: JsonObject, wanted: str) -> None:
    repository = clean_repo_id(wanted)
    if repository is None:
        problem = f"{wanted!r} is no repository name" if wanted else "no Hub repository is named"
        builder.notes.append(Note("error", problem, "Write it as owner/name."))
        return
    checkpoints = as_bool(options.get("push_checkpoints_to_hub"), default=True)
    options.update(push_to_hub=True, push_checkpoints_to_hub=checkpoints)
    if checkpoints and builder.takes("hub_model_id"):
        builder.add("hub_model_id", repository)
    else:
        # The input hub_model_id turns the upload of checkpoints on, whatever the config says
        # (SimpleTuner's simpletuner/cog.py), so the repository goes into the config instead.
        options["hub_model_id"] = repository
    if not builder.secret("hf_token"):
        advice = "Set HF_TOKEN or save a token with write access on the Publishing screen."
        builder.notes.append(Note("error", "delivery to the Hub needs a token", advice))


def _add_s3(builder: InputBuilder, delivery: Delivery) -> None:
    if not delivery.bucket:
        builder.notes.append(Note("error", "no bucket is named for the results", "Name one."))
        return
    if not builder.takes("s3_bucket"):
        advice = "Choose delivery to the Hub, or another version."
        message = "this version cannot add_delivery_inputs to S3 or to this machine"
        builder.notes.append(Note("error", message, advice))
        return
    for name in ("bucket", "region", "endpoint_url", "base_path", "public_base_url"):
        if value := getattr(delivery, name):
            builder.add(f"s3_{name}", value)
    for name in ("s3_access_key", "s3_secret_key"):
        if not builder.secret(name):
            message = f"delivery needs {name}, and it is not at hand"
            builder.notes.append(Note("error", message, "Enter the keys of the bucket."))


def _add_targets(builder: InputBuilder, delivery: Delivery, options: JsonObject) -> None:
    """Pass further targets of the config on, without keys, unless the trainer drops them."""
    given = builder.config.values.get("publishing_config")
    if given is None:
        return
    targets = publishing_targets(given)
    if delivery.uses_s3:
        options.pop("publishing_config", None)
        builder.dropped.append("publishing_config: the trainer replaces it by the job's own bucket")
        others = [_label(target) for target in targets if not is_s3(target)]
        if others:
            advice = "Deliver to the Hub, which it stands beside."
            message = f"nothing goes to {', '.join(others)}: a job's own bucket replaces it"
            builder.notes.append(Note("warn", message, advice))
        return
    if not targets:
        message = f"publishing_config {given!r} is a file that is not in the trainer's container"
        advice = "Write the targets into the config itself."
        builder.notes.append(Note("warn", message, advice))
        options.pop("publishing_config", None)
        return
    shareable = [_without_keys(target) for target in targets]
    without_keys = [
        _label(target) for target, kept in zip(targets, shareable, strict=True) if kept != target
    ]
    complete = [
        _label(target) for target, kept in zip(targets, shareable, strict=True) if kept == target
    ]
    if without_keys:
        options["publishing_config"] = shareable
    if complete:
        message = f"results go to {', '.join(complete)} as well, as publishing_config says"
        builder.notes.append(Note("ok", message))
    if without_keys:
        message = (
            f"{', '.join(without_keys)} of publishing_config gets nothing: its keys are left out, "
            "since anyone who sees the job could read them"
        )
        advice = "Publish from here once the job is done, or use a way that needs no key."
        builder.notes.append(Note("warn", message, advice))


def _without_keys(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """A target without credentials. The query of a signed URL (Azure's SAS) is a credential."""
    kept: Mapping[str, Any] = without_secrets(dict(target))[0]
    return {
        name: value.partition("?")[0] if isinstance(value, str) and _SIGNED.search(value) else value
        for name, value in kept.items()
    }


def _label(target: Mapping[str, Any]) -> str:
    provider = as_text(target.get("provider")) or "a target without a provider"
    return _PROVIDERS.get(provider, provider)


def _note_scripts(builder: InputBuilder, options: Mapping[str, Any]) -> None:
    for name in SCRIPTS:
        if as_text(options.get(name)):
            message = f"{name} goes along unchanged; it runs in the trainer's container"
            builder.notes.append(Note("ok", message))


def _check_comment(builder: InputBuilder, options: Mapping[str, Any]) -> None:
    comment = options.get("modelspec_comment")
    parts = comment if isinstance(comment, list | tuple) else [comment]
    for placeholder in (name for part in parts for name in secret_variables(str(part or ""))):
        message = (
            f"modelspec_comment would write {placeholder}, a secret of the trainer's, "
            "into the model"
        )
        builder.notes.append(Note("error", message, "Take it out: everyone could read it there."))
