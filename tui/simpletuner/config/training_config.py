"""A training config in memory: the options as written, read with the trainer's own looseness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.simpletuner.config.dataloader import DatasetSpec, edge_pixels
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text, first_present
from tui.simpletuner.errors import Note


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training config with its dataloader, as read; nothing is filled in or corrected.

    Attributes:
        name: the folder's or file's name.
        path: the file that was read.
        values: options by plain name (no dashes), values untouched.
        datasets: entries of the dataloader file.
        dataloader: the same entries, as read.
        dataloader_path: the dataloader file, None where there is none.
        lycoris: the LyCORIS settings, if any were found.
        env: variables of `config.env`, beside or instead of the config, without secrets.
        notes: what was odd or wrong while reading, for the checks.
    """

    name: str
    path: Path
    values: Mapping[str, Any]
    datasets: tuple[DatasetSpec, ...] = ()
    dataloader: tuple[Mapping[str, Any], ...] = ()
    dataloader_path: Path | None = None
    lycoris: Mapping[str, Any] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def family(self) -> str | None:
        """`model_family`, lower case."""
        text = as_text(self.values.get("model_family"))
        return text.lower() if text else None

    @property
    def flavour(self) -> str | None:
        """`model_flavour` (either spelling of the option)."""
        return as_text(first_present(self.values, ("model_flavour", "model_flavor")))

    @property
    def model_type(self) -> str:
        """`lora` or `full`; the trainer's own default is full."""
        return (as_text(self.values.get("model_type")) or "full").lower()

    @property
    def lora_type(self) -> str | None:
        """`standard` or `lycoris`; None unless a LoRA is trained."""
        if self.model_type != "lora":
            return None
        return (as_text(self.values.get("lora_type")) or "standard").lower()

    @property
    def lora_rank(self) -> int | None:
        """Rank of a standard LoRA (the trainer's default is 16), or LyCORIS' `linear_dim`."""
        if self.lora_type == "standard":
            return as_int(self.values.get("lora_rank")) or 16
        if self.lora_type == "lycoris" and self.lycoris:
            return as_int(self.lycoris.get("linear_dim"))
        return None

    @property
    def max_train_steps(self) -> int:
        """Optimisation steps asked for; 0 means that the epochs decide."""
        return max(0, as_int(first_present(self.values, ("max_train_steps", "max_steps"))) or 0)

    @property
    def num_train_epochs(self) -> int:
        """Epochs asked for; 0 means that the steps decide. With neither set, one epoch."""
        epochs = as_int(self.values.get("num_train_epochs"))
        return max(0, epochs if epochs is not None else 0 if self.max_train_steps else 1)

    @property
    def train_batch_size(self) -> int:
        """Samples per card and step."""
        return max(1, as_int(self.values.get("train_batch_size")) or 1)

    @property
    def gradient_accumulation_steps(self) -> int:
        """Batches that make one optimisation step."""
        return max(1, as_int(self.values.get("gradient_accumulation_steps")) or 1)

    @property
    def num_processes(self) -> int:
        """Cards used (from the config, else from `config.env`)."""
        text = self.values.get("num_processes", self.env.get("TRAINING_NUM_PROCESSES"))
        return max(1, as_int(text) or 1)

    @property
    def learning_rate(self) -> float | None:
        """`learning_rate` as a number."""
        return as_float(self.values.get("learning_rate"))

    @property
    def resolution_pixels(self) -> int:
        """Edge in pixels of the square the training size stands for (largest of the datasets)."""
        edges = [spec.resolution_pixels for spec in self.training_datasets]
        stated = [edge for edge in edges if edge]
        if stated:
            return max(stated)
        values = self.values
        return edge_pixels(values.get("resolution"), values.get("resolution_type")) or 1024

    @property
    def validation_interval(self) -> int:
        """Steps between validations; 0 when none is set."""
        names = ("validation_step_interval", "validation_steps")
        return max(0, as_int(first_present(self.values, names)) or 0)

    @property
    def checkpoint_interval(self) -> int:
        """Steps between checkpoints; 0 when none is set."""
        names = ("checkpoint_step_interval", "checkpointing_steps")
        return max(0, as_int(first_present(self.values, names)) or 0)

    @property
    def push_to_hub(self) -> bool:
        """Whether the config itself asks for an upload to the Hugging Face Hub."""
        return as_bool(self.values.get("push_to_hub"))

    @property
    def hub_model_id(self) -> str | None:
        """`hub_model_id` as written."""
        return as_text(self.values.get("hub_model_id"))

    @property
    def run_name(self) -> str | None:
        """`tracker_run_name` as written."""
        return as_text(self.values.get("tracker_run_name"))

    @property
    def training_datasets(self) -> tuple[DatasetSpec, ...]:
        """Datasets that hold training data and are not disabled."""
        return tuple(spec for spec in self.datasets if spec.kind != "cache" and not spec.disabled)

    @property
    def local_datasets(self) -> tuple[DatasetSpec, ...]:
        """Those whose data lies on this machine."""
        return tuple(spec for spec in self.training_datasets if spec.kind == "local")
