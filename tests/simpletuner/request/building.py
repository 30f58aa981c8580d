"""Builds requests with keys and a schema, and reads the config in them."""

from __future__ import annotations

import json
from typing import Any

from tui.simpletuner.config.load import TrainingConfig
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.inputs import PredictorInputs, build_inputs
from tui.simpletuner.request.schema import KNOWN_FIELDS


class Key:
    """A secret as the rest of the program wraps them."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value


KEYS = {
    "hf_token": Key("hf_canarycanarycanary"),
    "s3_access_key": Key("access-canary"),
    "s3_secret_key": Key("secret-canary"),
}
LOCAL = Delivery("local", bucket="outputs", base_path="job-1", endpoint_url="http://127.0.0.1:1/s")
HUB = Delivery("hub", hub_model_id="alice/cats")


def schema(**extra: Any) -> dict[str, Any]:
    """The trainer's schema as Replicate shows it: optional types behind anyOf."""

    def text(**more: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", **more}, {"type": "null"}]}

    properties: dict[str, Any] = {
        name: text()
        for name, entry in KNOWN_FIELDS.items()
        if not entry.secret and entry.types == {"string"}
    }
    properties["images"] = text(format="uri")
    properties["max_train_steps"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "minimum": 1}
    properties["return_logs"] = {"type": "boolean", "default": True}
    for name in KEYS:
        properties[name] = {"type": "string", "format": "password", "x-cog-secret": True}
    properties.update(extra)
    properties = {name: entry for name, entry in properties.items() if entry is not None}
    return {"components": {"schemas": {"Input": {"type": "object", "properties": properties}}}}


def options(inputs: PredictorInputs) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(str(inputs.values["config_json"]))
    return parsed


def dataloader(inputs: PredictorInputs) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(str(inputs.values["dataloader_json"]))
    return parsed


def build(config: TrainingConfig, **changes: Any) -> PredictorInputs:
    given: dict[str, Any] = {
        "delivery": LOCAL,
        "schema": schema(),
        "images_url": "https://files/x.zip",
        "secrets": KEYS,
    }
    return build_inputs(config, **(given | changes))
