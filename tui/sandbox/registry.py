"""The sandbox's models, versions, hardware, collections and deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from tui.base.json_types import JsonObject
from tui.sandbox import ids
from tui.sandbox.clock import stamp
from tui.sandbox.releases import (
    EARLY,
    SUMMER,
    TRAINERS,
    Release,
    hello_schema,
    trainer_schema,
    webhook_check_schema,
)
from tui.sandbox.schema_check import secret_inputs

Program = Literal["train", "webhook-check", "hello"]

HARDWARE: tuple[tuple[str, str], ...] = (
    ("CPU", "cpu"),
    ("Nvidia T4 GPU", "gpu-t4"),
    ("Nvidia L40S GPU", "gpu-l40s"),
    ("2x Nvidia L40S GPU", "gpu-l40s-2x"),
    ("Nvidia A100 (80GB) GPU", "gpu-a100-large"),
    ("2x Nvidia A100 (80GB) GPU", "gpu-a100-large-2x"),
    ("Nvidia H100 GPU", "gpu-h100"),
    ("2x Nvidia H100 GPU", "gpu-h100-2x"),
)
"""Names and SKUs of the service's hardware list."""

GPU_GIB = {"l40s": 44.39, "h100": 79.10, "cpu": 0.0}
"""GPU memory in GiB as the driver reports it, for out-of-memory messages."""


@dataclass(frozen=True)
class Version:
    """One pushed version of a model."""

    id: str
    model: str
    release: Release
    schema: JsonObject
    program: Program

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Inputs whose values the service never shows."""
        return secret_inputs(self.schema)


@dataclass
class Model:
    """One model; `versions` are newest first."""

    owner: str
    name: str
    description: str
    program: Program
    versions: list[Version] = field(default_factory=list)
    is_official: bool = False
    visibility: str = "public"
    hardware: str = "cpu"
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None
    cover_image_url: str | None = None
    weights_url: str | None = None
    readme: str = ""
    run_count: int = 0
    created_at: datetime = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


_SIMPLETUNER = "https://github.com/bghira/SimpleTuner"


def _trainer(profile: str, releases: tuple[Release, ...]) -> Model:
    name = "advanced-trainer" + (f"-{profile}" if profile else "")
    gpu, _, count = (profile or "l40s").partition("-x")
    model = Model(
        "simpletuner",
        name,
        f"Fine-tune diffusion models with SimpleTuner on {count or 1} x {gpu.upper()}.",
        "train",
        hardware=f"gpu-{gpu}" + (f"-{count}x" if count else ""),
        github_url=_SIMPLETUNER,
        license_url=f"{_SIMPLETUNER}/blob/main/LICENSE",
        readme=f"# {name}\n\nA stand-in: its training is simulated.\n",
        run_count=1200,
    )
    model.versions = [
        Version(
            ids.version_id(model.full_name, release.name),
            model.full_name,
            release,
            trainer_schema(release),
            "train",
        )
        for release in releases
    ]
    return model


def _small(model: Model, schemas: list[tuple[Release, JsonObject]]) -> Model:
    model.versions = [
        Version(
            ids.version_id(model.full_name, release.name),
            model.full_name,
            release,
            schema,
            model.program,
        )
        for release, schema in schemas
    ]
    return model


class Registry:
    """All models by name, and all versions by id."""

    def __init__(self, username: str, release: str) -> None:
        """Take the owner of the account, and the name of the trainers' newest release."""
        self.username = username
        self.models: dict[str, Model] = {}
        releases = TRAINERS[release]
        # Where the newest release is wished for, the other hardware has the one with the defects.
        others = (SUMMER, EARLY) if release == "wished" else releases
        for profile in ("l40s", "l40s-x2", "l40s-x4", "l40s-x8"):
            self.add(_trainer(profile, releases))
        for profile in ("h100", "h100-x2", "h100-x4", "h100-x8", ""):
            self.add(_trainer(profile, others))
        check = Model(
            "simpletuner",
            "webhook-check",
            "Send one POST to an address and report how it went.",
            "webhook-check",
            github_url=_SIMPLETUNER,
        )
        self.add(
            _small(
                check,
                [
                    (SUMMER, webhook_check_schema(with_timeout=True)),
                    (EARLY, webhook_check_schema(with_timeout=False)),
                ],
            )
        )
        hello = Model(
            "replicate", "hello-world", "Greet a text.", "hello", is_official=True, run_count=99
        )
        self.add(_small(hello, [(SUMMER, hello_schema()), (EARLY, hello_schema())]))
        self.add(
            Model(username, "my-lora", "Destination for trainings.", "train", visibility="private")
        )

    def add(self, model: Model) -> None:
        """Add a model; it replaces a model of the same name."""
        self.models[model.full_name] = model

    def model(self, owner: str, name: str) -> Model | None:
        """The model; None when it does not exist."""
        return self.models.get(f"{owner}/{name}")

    def version(self, identifier: str) -> Version | None:
        """The version that a prediction request names; None when it does not exist.

        Args:
            identifier: `64hex`, `owner/name:64hex`, or `owner/name` of an official model.
        """
        name, _, wanted = identifier.rpartition(":")
        if not name and "/" in identifier:
            model = self.models.get(identifier)
            return model.versions[0] if model and model.is_official and model.versions else None
        models = [self.models[name]] if name in self.models else []
        if not name:
            models = list(self.models.values())
        return next((v for m in models for v in m.versions if v.id == wanted), None)

    def collections(self) -> dict[str, tuple[str, str, list[Model]]]:
        """Name, description and models of each collection by slug."""
        trainers = [m for m in self.models.values() if m.owner == "simpletuner"]
        return {
            "training": ("Train your own", "Models that fine-tune other models", trainers),
            "official": (
                "Official models",
                "Models that are always on",
                [m for m in self.models.values() if m.is_official],
            ),
        }


@dataclass(slots=True)
class Deployment:
    """One deployment with its current release."""

    owner: str
    name: str
    version: Version
    hardware: str
    min_instances: int
    max_instances: int
    created_at: datetime
    number: int = 1

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def view(self, account: Mapping[str, object]) -> JsonObject:
        """The deployment's JSON object in answers."""
        return {
            "owner": self.owner,
            "name": self.name,
            "current_release": {
                "number": self.number,
                "model": self.version.model,
                "version": self.version.id,
                "created_at": stamp(self.created_at, 6),
                "created_by": account,
                "configuration": {
                    "hardware": self.hardware,
                    "min_instances": self.min_instances,
                    "max_instances": self.max_instances,
                },
            },
        }
