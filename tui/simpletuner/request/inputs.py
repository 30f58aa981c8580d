"""Builds the `input` of a prediction.

Only inputs that the chosen version has are sent, and credentials only in inputs that the version
declares secret.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tui.base.json_types import JsonObject
from tui.simpletuner.config.families import is_gated
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_int
from tui.simpletuner.datasets import advice as data_advice
from tui.simpletuner.datasets.safety import folder_names
from tui.simpletuner.errors import Note
from tui.simpletuner.request.container import (
    container_dataloader,
    container_options,
    dashed,
    reaches_outside,
)
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.delivery_inputs import add_delivery_inputs
from tui.simpletuner.request.modes import DatasetMode, default_mode
from tui.simpletuner.request.schema import InputField, input_fields, misfit

SECRET_INPUTS = ("hf_token", "s3_access_key", "s3_secret_key")
NOTHING_TO_READ = "no dataset is left that the trainer can reach"
"""Inputs that carry a credential."""


class Revealable(Protocol):
    """A secret whose value is only available by an explicit call."""

    def reveal(self) -> str:
        """The secret's value in clear text."""
        ...


@dataclass(frozen=True, slots=True)
class PredictorInputs:
    """The inputs of a request.

    Attributes:
        values: inputs that may be stored and shown.
        secrets: inputs that may not; `reveal()` gives a value.
        dropped: options of the config or the form that are not sent, with the reason.
        notes: remarks; one of level `error` means that the job cannot work.
        mode: how the trainer gets its data.
    """

    values: JsonObject
    secrets: Mapping[str, Revealable] = field(default_factory=dict, repr=False)
    dropped: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    mode: DatasetMode = "remote"

    @property
    def secret_names(self) -> frozenset[str]:
        """Names of the secret inputs."""
        return frozenset(self.secrets)

    @property
    def errors(self) -> tuple[Note, ...]:
        """The remarks that prevent a submit."""
        return tuple(note for note in self.notes if note.level == "error")

    def request(self) -> JsonObject:
        """The `input` object to send, with secrets in clear text. Never log or store it."""
        return {**self.values, **{name: key.reveal() for name, key in self.secrets.items()}}

    def shown(self) -> JsonObject:
        """The `input` object with secrets masked."""
        return {**self.values, **dict.fromkeys(self.secrets, "***")}


def build_inputs(
    config: TrainingConfig,
    *,
    delivery: Delivery,
    schema: Mapping[str, Any] | None = None,
    images_url: str | None = None,
    mode: DatasetMode | None = None,
    folders: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Revealable] | None = None,
    local_asked: bool = False,
    version_known: bool = True,
) -> PredictorInputs:
    """Build the inputs of a job.

    Args:
        config: the training config.
        delivery: where the trainer uploads its results.
        schema: the version's `openapi_schema`; without one the inputs of the trainer's public
            source are assumed, and a note says so.
        images_url: address of the archive: a Replicate file or any https address.
        mode: how the trainer gets its data; by default the mode that fits the config's datasets.
        folders: archive folder by dataset id, as `pack` returns it.
        overrides: options that replace the config's, dashed or not.
        secrets: available secrets by input name (`SECRET_INPUTS`); only needed ones are sent.
        local_asked: how local datasets travel is still being asked, so that nothing is said of
            them; such inputs are shown and never sent.
        version_known: whether the version was looked up. Without a token it cannot be, and then
            nothing is said about what it takes; such inputs are never sent either.
    """
    changed = with_options(config, overrides or {})
    return _Builder(changed, delivery, input_fields(schema), secrets or {}).build(
        schema_known=bool(schema) or not version_known,
        images_url=images_url,
        mode=mode or default_mode(config),
        folders=folders,
        local_asked=local_asked,
    )


def hf_token_reason(config: TrainingConfig, delivery: Delivery) -> str | None:
    """Why the job needs a Hugging Face token; None when it needs none."""
    if delivery.kind == "hub":
        return "to upload to the Hub"
    if is_gated(config.family, config.flavour):
        return "to download a base model that asks for an accepted licence"
    if any(spec.type == "huggingface" for spec in config.training_datasets):
        return "to read a Hub dataset that may be private"
    return None


class _Builder:
    def __init__(
        self,
        config: TrainingConfig,
        delivery: Delivery,
        fields: Mapping[str, InputField],
        secrets: Mapping[str, Revealable],
    ) -> None:
        self.config = config
        self._delivery = delivery
        self._fields = fields
        self._given = secrets
        self._values: JsonObject = {}
        self._secrets: dict[str, Revealable] = {}
        self.dropped: list[str] = []
        self.notes: list[Note] = []

    def build(
        self,
        *,
        schema_known: bool,
        images_url: str | None,
        mode: DatasetMode,
        folders: Mapping[str, str] | None,
        local_asked: bool,
    ) -> PredictorInputs:
        if not schema_known:
            message = "the version does not say what inputs it takes; the usual ones are sent"
            self.notes.append(Note("warn", message, "Choose a version that has a schema."))
        options = container_options(self.config.values, self.notes, self.dropped)
        add_delivery_inputs(self, self._delivery, options)
        self._data(options, mode, images_url, folders, local_asked=local_asked)
        self._steps(options)
        self._lycoris()
        if self._delivery.kind != "hub" and hf_token_reason(self.config, self._delivery):
            self.secret("hf_token")
        self.add("config_json", _compact(dashed(options)))
        self._paths(options)
        self._required()
        return PredictorInputs(
            dict(sorted(self._values.items())),
            dict(sorted(self._secrets.items())),
            tuple(self.dropped),
            tuple(self.notes),
            mode,
        )

    def takes(self, name: str) -> bool:
        """Whether the version has such an input."""
        return name in self._fields

    def _data(
        self,
        options: JsonObject,
        mode: DatasetMode,
        images_url: str | None,
        folders: Mapping[str, str] | None,
        *,
        local_asked: bool,
    ) -> None:
        config = self.config
        if mode in ("images", "both"):
            if images_url:
                self.add("images", images_url)
            else:
                advice = f"{data_advice.STAGE} Or give an https address of an archive."
                self.notes.append(Note("error", "the job has no archive of images", advice))
        if mode == "images":
            self._copy_dataset_options(options)
            return
        if mode == "both" and folders is None:
            ids = [spec.id for spec in config.local_datasets]
            folders = dict(zip(ids, folder_names(ids), strict=True))
        used = folders if mode == "both" else None
        datasets = [one for one in config.datasets if not (local_asked and one.kind == "local")]
        entries = container_dataloader(datasets, used, self.notes, self.dropped)
        hosted = [s for s in config.training_datasets if s.kind == "remote" or used is not None]
        if not hosted and not local_asked:
            advice = f"{data_advice.STAGE} Or add a hosted dataset to the dataloader."
            self.notes.append(Note("error", NOTHING_TO_READ, advice))
        self.add("dataloader_json", _compact(entries))

    def _copy_dataset_options(self, options: JsonObject) -> None:
        """Copy the resolution of the first dataset into the options.

        With only an archive the trainer makes one dataset of it, and options are the only way to
        set its resolution.
        """
        stated = [
            spec for spec in self.config.local_datasets if spec.raw.get("resolution") is not None
        ]
        if stated and options.get("resolution") is None:
            options["resolution"] = stated[0].raw["resolution"]
            if (kind := stated[0].raw.get("resolution_type")) is not None:
                options["resolution_type"] = kind
        hosted = [s.id for s in self.config.training_datasets if s.kind == "remote"]
        if hosted:
            self.dropped.append(f"datasets {', '.join(hosted)}: only the archive is used")

    def _steps(self, options: JsonObject) -> None:
        steps = as_int(options.get("max_train_steps")) or 0
        if steps > 0 and as_int(options.get("num_train_epochs")) is None:
            # The trainer's default is one epoch, and it refuses to start with both.
            options["num_train_epochs"] = 0
            message = "num_train_epochs 0 is written into the config: the steps decide"
            self.notes.append(Note("ok", message))
        if steps > 0 and "max_train_steps" in self._fields:
            options.pop("max_train_steps", None)
            self.add("max_train_steps", steps)

    def _lycoris(self) -> None:
        if self.config.lora_type == "lycoris" and self.config.lycoris is not None:
            self.add("lycoris_config", _compact(dict(self.config.lycoris)), needed=True)

    def _paths(self, options: Mapping[str, Any]) -> None:
        if names := reaches_outside(options):
            listed = ", ".join(f"{name} = {options[name]}" for name in names)
            advice = "Use a Hub name or a path inside the trainer."
            message = f"these paths of this machine do not exist in the trainer: {listed}"
            self.notes.append(Note("warn", message, advice))

    def _required(self) -> None:
        for name, entry in self._fields.items():
            if entry.required and name not in self._values and name not in self._secrets:
                message = f"this version requires the input {name}, which the job does not have"
                self.notes.append(Note("error", message, "Choose another version."))

    def add(self, name: str, value: Any, *, needed: bool = False) -> None:
        """Set an input in the form that the version accepts."""
        entry = self._fields.get(name)
        if entry is None:
            self.dropped.append(f"{name}: this version of the trainer has no such input")
            if needed or name in ("config_json", "images", "dataloader_json"):
                message = f"this version of the trainer has no input {name}"
                self.notes.append(Note("error", message, "Choose another version."))
            return
        if entry.format == "uri" and isinstance(value, str) and name.endswith(("_json", "_config")):
            # Older versions declare these inputs as files; Replicate accepts a file as a data URL.
            coded = base64.b64encode(value.encode()).decode()
            value = f"data:application/json;base64,{coded}"
        if problem := misfit(entry, value):
            self.notes.append(Note("error", f"this version: {problem}", "Change the value."))
        self._values[name] = value

    def secret(self, name: str) -> bool:
        """Add a secret input; False when the secret is not available."""
        secret = self._given.get(name)
        if secret is None:
            return False
        entry = self._fields.get(name)
        if entry is None:
            self.dropped.append(f"{name}: this version of the trainer has no such input")
        elif not entry.secret:
            message = f"this version would show {name} to everyone who sees the job; it is not sent"
            self.notes.append(Note("error", message, "Choose another version."))
            self.dropped.append(f"{name}: not a secret input in this version")
        else:
            self._secrets[name] = secret
        return True


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
