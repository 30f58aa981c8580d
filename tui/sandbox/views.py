"""The JSON objects of the service's answers.

There are two styles. `fast`: every required key is present and never null, times have three digits
of a second; this satisfies the published OpenAPI description and both official Python clients.
`django`, as recorded from the live service: create and get leave out unknown values and write
nanoseconds; list and cancel write explicit nulls, empty metrics and microseconds.
"""

from __future__ import annotations

import json
from typing import Literal, TypedDict

from tui.base.json_types import JsonObject, as_object
from tui.sandbox.clock import stamp
from tui.sandbox.config import Style
from tui.sandbox.record import Record
from tui.sandbox.registry import Model, Version

Purpose = Literal["create", "get", "list", "cancel"]


class VersionView(TypedDict):
    """A version of a model, as Replicate's API has it."""

    id: str
    created_at: str
    cog_version: str
    openapi_schema: JsonObject


class ModelView(TypedDict):
    """A model, as Replicate's API has it."""

    url: str
    owner: str
    name: str
    description: str | None
    visibility: str
    github_url: str | None
    paper_url: str | None
    license_url: str | None
    weights_url: str | None
    run_count: int
    cover_image_url: str | None
    default_example: JsonObject | None
    latest_version: VersionView | None
    is_official: bool
    created_at: str


class AccountView(TypedDict):
    """An account, as Replicate's API has it."""

    type: str
    username: str
    name: str
    avatar_url: str
    github_url: str


class Views:
    """Turns records, models and versions into JSON objects for one base address and style."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.base_url = ""
        """Ends in `/v1`; the server sets it when it knows its port."""

    def encode(self, record: Record, purpose: Purpose) -> bytes:
        """A record as JSON text, cached until the record changes."""
        key = purpose if self.style == "django" else "any"
        if (known := record.encoded.get(key)) is None:
            known = json.dumps(self.record(record, purpose)).encode()
            record.encoded[key] = known
        return known

    def record(self, record: Record, purpose: Purpose) -> JsonObject:
        """The JSON object of a prediction or training."""
        if self.style == "fast":
            body = self._strict(record)
        elif purpose in {"list", "cancel"}:
            body = self._with_nulls(record)
        else:
            body = self._with_gaps(record)
        if record.kind == "training":
            body = self._as_training(record, body, purpose)
        return body

    def _strict(self, record: Record) -> JsonObject:
        body = self._common(record, 3)
        body |= {"logs": record.logs, "output": record.output, "data_removed": record.data_removed}
        for name in ("started_at", "completed_at", "deadline"):
            moment = getattr(record, name)
            if moment is not None:
                body[name] = stamp(moment)
        if record.is_terminal:
            body["metrics"] = record.metrics()
        return body

    def _with_gaps(self, record: Record) -> JsonObject:
        body = self._common(record, 9) | {"logs": record.logs}
        if record.output is not None:
            body["output"] = record.output
        if record.data_removed:
            body["data_removed"] = True
        for name in ("started_at", "completed_at", "deadline"):
            moment = getattr(record, name)
            if moment is not None:
                body[name] = stamp(moment, 9)
        if record.is_terminal:
            body["metrics"] = record.metrics()
        return body

    def _with_nulls(self, record: Record) -> JsonObject:
        body = self._common(record, 6)
        body |= {
            "logs": record.logs or None,
            "output": record.output,
            "data_removed": record.data_removed,
            "metrics": record.metrics(),
            "webhook_completed": None,
        }
        for name in ("started_at", "completed_at"):
            moment = getattr(record, name)
            body[name] = None if moment is None else stamp(moment, 6)
        return body

    def _common(self, record: Record, digits: int) -> JsonObject:
        here = f"{self.base_url}/predictions/{record.id}"
        root = self.base_url.removesuffix("/v1")
        body: JsonObject = {
            "id": record.id,
            "model": record.version.model,
            "version": record.version.id,
            "input": record.input,
            "error": record.error,
            "status": record.status,
            "created_at": stamp(record.created_at, digits),
            "source": record.source,
            "urls": {
                "web": f"{root}/p/{record.id}",
                "get": here,
                "cancel": f"{here}/cancel",
                "stream": f"{root}/streams/{record.stream_key}",
            },
        }
        if record.deployment is not None:
            body["deployment"] = record.deployment
        return body

    def _as_training(self, record: Record, body: JsonObject, purpose: Purpose) -> JsonObject:
        """Remove the keys that trainings lack; only a create answer has the prediction's URLs."""
        for name in ("data_removed", "deadline"):
            body.pop(name, None)
        if body.get("output") is None and self.style == "fast":
            body.pop("output", None)
        here = f"{self.base_url}/trainings/{record.id}"
        if purpose != "create":
            body["urls"] = {"get": here, "cancel": f"{here}/cancel"}
        else:
            urls = as_object(body["urls"])
            body["urls"] = {name: urls[name] for name in ("get", "cancel")}
        return body

    def version(self, version: Version) -> VersionView:
        """A model's version with its schema."""
        return {
            "id": version.id,
            "created_at": stamp(version.release.created_at, 6),
            "cog_version": version.release.cog_version,
            "openapi_schema": version.schema,
        }

    def model(self, model: Model, example: Record | None = None) -> ModelView:
        """A model with its newest version and, if there is one, an example."""
        return {
            "url": f"https://replicate.com/{model.full_name}",
            "owner": model.owner,
            "name": model.name,
            "description": model.description,
            "visibility": model.visibility,
            "github_url": model.github_url,
            "paper_url": model.paper_url,
            "license_url": model.license_url,
            "weights_url": model.weights_url,
            "run_count": model.run_count,
            "cover_image_url": model.cover_image_url,
            "default_example": None if example is None else self.record(example, "get"),
            "latest_version": self.version(model.versions[0]) if model.versions else None,
            "is_official": model.is_official,
            "created_at": stamp(model.created_at, 6),
        }

    def account(self, username: str) -> AccountView:
        """The JSON object of an account."""
        return {
            "type": "user",
            "username": username,
            "name": f"{username} (simulated)",
            "avatar_url": f"https://github.com/{username}.png",
            "github_url": f"https://github.com/{username}",
        }
