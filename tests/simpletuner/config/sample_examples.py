"""Examples in the layout of SimpleTuner's package."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "boogu.lycoris-lokr+tread"


def write_examples(place: Path) -> Path:
    """A folder of examples in SimpleTuner's layout: files beside them are shared."""
    (place / NAME).mkdir(parents=True)
    (place / "plain.peft-lora").mkdir()
    (place / "external-validation").mkdir()
    shared = [
        {"id": "pictures", "type": "huggingface", "dataset_name": "a/b"},
        {"id": "mine", "type": "local", "instance_data_dir": "datasets/mine"},
        {"id": "text", "type": "local", "dataset_type": "text_embeds", "default": True,
         "cache_dir": "cache/text"},
    ]  # fmt: skip
    (place / "shared.json").write_text(json.dumps(shared))
    (place / NAME / "lycoris_config.json").write_text('{"algo": "lokr"}')
    values = {
        "model_family": "flux", "model_type": "lora", "lora_type": "lycoris",
        "data_backend_config": "config/examples/shared.json",
        "lycoris_config": f"config/examples/{NAME}/lycoris_config.json",
    }  # fmt: skip
    (place / NAME / "config.json").write_text(json.dumps(values))
    (place / "plain.peft-lora" / "config.json").write_text('{"model_family": "flux",}')
    return place
