"""Starter configs for users who have none yet: a LoRA for each common model family.

The figures are moderate ones for a few dozen pictures on a card with 48 GB; the checks of a config
hold for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tui.base.json_types import JsonObject
from tui.simpletuner.config.save import write_config
from tui.simpletuner.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Starter:
    """A starter config.

    Attributes:
        id: short name.
        title: name for the screen.
        family: `model_family`.
        flavour: `model_flavour`.
        options: options that differ from the common ones.
        resolution: training edge in pixels.
        lycoris: the LyCORIS settings, written beside the config; None for a standard LoRA.
        frames: frames of a sample, for a starter that trains on videos; 0 for pictures.
    """

    id: str
    title: str
    family: str
    flavour: str
    options: JsonObject = field(default_factory=dict)
    resolution: int = 1024
    lycoris: JsonObject | None = None
    frames: int = 0


_LOKR: JsonObject = {
    "algo": "lokr",
    "multiplier": 1.0,
    "full_matrix": True,
    "linear_dim": 10000,
    "linear_alpha": 1,
    "factor": 12,
    "apply_preset": {"target_module": ["Attention", "FeedForward"]},
}
"""A LoKr of the attention and feed-forward blocks; the names are those of diffusers' classes."""
_COMMON: JsonObject = {
    "model_type": "lora",
    "lora_type": "standard",
    "lora_rank": 16,
    "lora_alpha": 16,
    "max_train_steps": 1000,
    "num_train_epochs": 0,
    "train_batch_size": 1,
    "gradient_checkpointing": True,
    "learning_rate": 1e-4,
    "lr_scheduler": "constant",
    "lr_warmup_steps": 50,
    "optimizer": "adamw_bf16",
    "mixed_precision": "bf16",
    "base_model_precision": "no_change",
    "caption_dropout_probability": 0.05,
    "seed": 42,
    "checkpoint_step_interval": 250,
    "checkpoints_total_limit": 3,
    "validation_step_interval": 250,
    "validation_prompt": "a photograph in the style of the dataset",
    "validation_seed": 42,
    "validation_num_inference_steps": 20,
    "report_to": "none",
    "push_to_hub": False,
    "disable_bucket_pruning": True,
}

_STARTERS = (
    Starter(
        "flux",
        "Flux.1 dev LoRA",
        "flux",
        "dev",
        {
            "base_model_precision": "int8-quanto",
            "flow_schedule_shift": 3,
            "validation_guidance": 3.5,
        },
    ),
    Starter(
        "flux-lokr",
        "Flux.1 dev LoKr",
        "flux",
        "dev",
        {
            "lora_type": "lycoris",
            "base_model_precision": "int8-quanto",
            "learning_rate": 4e-4,
            "flow_schedule_shift": 3,
            "validation_guidance": 3.5,
        },
        lycoris=_LOKR,
    ),
    Starter(
        "flux-krea",
        "Flux.1 Krea LoRA",
        "flux",
        "krea",
        {
            "base_model_precision": "int8-quanto",
            "flow_schedule_shift": 3,
            "validation_guidance": 3.5,
        },
    ),
    Starter(
        "flux2-klein",
        "Flux.2 Klein 4B LoRA",
        "flux2",
        "klein-4b",
        {"base_model_precision": "int8-quanto", "validation_guidance": 4.0},
    ),
    Starter(
        "sdxl",
        "SDXL LoRA",
        "sdxl",
        "base-1.0",
        {"train_batch_size": 2, "lora_rank": 32, "lora_alpha": 32, "validation_guidance": 5.5},
    ),
    Starter(
        "sd3",
        "Stable Diffusion 3.5 medium LoRA",
        "sd3",
        "medium",
        {"lora_rank": 32, "lora_alpha": 32, "validation_guidance": 5.0},
    ),
    Starter(
        "qwen-image",
        "Qwen-Image LoRA",
        "qwen_image",
        "v1.0",
        {
            "base_model_precision": "int8-quanto",
            "lora_rank": 8,
            "lora_alpha": 8,
            "validation_guidance": 4.0,
        },
    ),
    Starter(
        "z-image",
        "Z-Image turbo LoRA",
        "z_image",
        "turbo",
        {"validation_num_inference_steps": 8, "validation_guidance": 1.0},
    ),
    Starter(
        "chroma",
        "Chroma LoRA",
        "chroma",
        "base",
        {"base_model_precision": "int8-quanto", "validation_guidance": 4.0},
    ),
    Starter(
        "sana",
        "Sana 1.5 1.6B LoRA",
        "sana",
        "sana1.5-1.6b-1024",
        {"lora_rank": 32, "lora_alpha": 32, "validation_guidance": 4.5},
    ),
    Starter(
        "auraflow",
        "AuraFlow LoRA",
        "auraflow",
        "v0.3",
        {"base_model_precision": "int8-quanto", "validation_guidance": 3.5},
    ),
    Starter(
        "kolors",
        "Kolors LoRA",
        "kolors",
        "1.0",
        {"train_batch_size": 2, "lora_rank": 32, "lora_alpha": 32, "validation_guidance": 5.0},
    ),
    Starter(
        "wan",
        "Wan 2.1 1.3B video LoRA",
        "wan",
        "t2v-480p-1.3b-2.1",
        {
            "lora_rank": 32,
            "lora_alpha": 32,
            "flow_schedule_shift": 3,
            "validation_guidance": 5.0,
            "validation_num_video_frames": 33,
            "validation_resolution": "832x480",
        },
        resolution=480,
        frames=33,
    ),
)

STARTERS: dict[str, Starter] = {starter.id: starter for starter in _STARTERS}
"""All starters by id."""


def starter_config(starter: Starter, name: str) -> JsonObject:
    """The training config of a starter whose dataset and output are called `name`."""
    square = f"{starter.resolution}x{starter.resolution}"
    return {
        "model_family": starter.family,
        "model_flavour": starter.flavour,
        **_COMMON,
        "validation_resolution": square,
        **starter.options,
        "resolution": starter.resolution,
        "resolution_type": "pixel_area",
        "data_backend_config": f"config/{name}/multidatabackend.json",
        "output_dir": f"output/{name}",
        "tracker_project_name": name,
        "tracker_run_name": name,
    }


def starter_dataloader(starter: Starter, name: str, images: Path | str) -> list[JsonObject]:
    """The dataloader of a starter: one folder of images with text files, and the text cache."""
    video = {"video": {"num_frames": starter.frames, "min_frames": starter.frames}}
    return [
        {
            "id": name,
            "type": "local",
            "dataset_type": "video" if starter.frames else "image",
            "instance_data_dir": str(images),
            "caption_strategy": "textfile",
            "crop": True,
            "crop_style": "center",
            "crop_aspect": "square",
            "resolution": starter.resolution,
            "resolution_type": "pixel_area",
            "minimum_image_size": starter.resolution // 4,
            "metadata_backend": "discovery",
            "cache_dir_vae": f"cache/vae/{starter.family}/{name}",
            **(video if starter.frames else {}),
        },
        {
            "id": f"{name}-text",
            "type": "local",
            "dataset_type": "text_embeds",
            "default": True,
            "cache_dir": f"cache/text/{starter.family}/{name}",
        },
    ]


def write_starter(
    starter_id: str, root: Path, name: str, *, images: Path | str | None = None
) -> Path:
    """Write a starter project below `root`.

    Args:
        starter_id: one of `STARTERS`.
        root: the project folder; `config/<name>/` is created in it.
        name: name of the config and its dataset.
        images: the folder of images; by default `datasets/<name>` in the project, which is created.

    Returns:
        The path of the written config.json.

    Raises:
        ConfigError: the starter is unknown, the name cannot be a folder, a config of that name
            exists, or the folder cannot be written.
    """
    starter = STARTERS.get(starter_id)
    if starter is None:
        advice = f"There are: {', '.join(STARTERS)}."
        raise ConfigError(f"there is no starter called {starter_id}", advice)
    place = images if images is not None else f"datasets/{name}"
    path = write_config(
        root,
        name,
        starter_config(starter, name),
        starter_dataloader(starter, name, place),
        starter.lycoris,
    )
    if images is None:
        try:
            (root / "datasets" / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            advice = "Choose a folder that you may write to."
            raise ConfigError(f"{root}: {error.strerror}", advice, root) from error
    return path
