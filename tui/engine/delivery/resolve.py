"""Resolves the delivery of a job from its draft, its config and the user's destinations.

Keys of the user's buckets are read when the job is posted, and are not kept before or after.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tui.base.errors import RefusedError
from tui.destinations.card.model_card import licence_fields
from tui.destinations.common.errors import PublishError
from tui.destinations.s3.profile import S3Profile
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.credentials.token_store import HOW_TO_SEND_OPENLY
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.engine.listener.service import ListenerService
from tui.engine.submission.draft import DeliveryDraft
from tui.engine.transfers.destinations import Destinations, Target
from tui.replicate.secret import Secret
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.request.delivery import (
    Delivery,
    clean_repo_id,
    default_delivery_kind,
    is_s3,
    job_prefix,
    publishing_targets,
)
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.check_report import PlannedDelivery

REGION: Final = "us-east-1"
_KEY_PLACEHOLDER: Final = Secret("read-when-the-job-is-posted")
_S3_INPUTS: Final = ("s3_access_key", "s3_secret_key")


class JobDelivery:
    """Resolves deliveries, and reads the keys for them."""

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        listener: ListenerService,
        destinations: Destinations,
        repositories: HubRepositories,
    ) -> None:
        self._clients = clients
        self._listener = listener
        self._destinations = destinations
        self._repositories = repositories

    @property
    def outputs(self) -> Path:
        """The folder that jobs deliver into on this machine."""
        return self._listener.outputs

    # -- before -------------------------------------------------------------------------------

    async def resolve(
        self,
        api_base: str,
        wanted: DeliveryDraft,
        config: TrainingConfig,
        checks: list[Check],
        *,
        ask: bool = True,
    ) -> Delivery:
        """Resolve the delivery of a draft.

        Args:
            api_base: API whose trainer delivers.
            wanted: the draft's delivery.
            config: the job's config.
            checks: findings are appended to it.
            ask: whether the Hub may be asked whose the token is; else only what is known counts.
        """
        kind = wanted.wanted or default_delivery_kind(config)
        if kind == "local":
            return self._local(api_base, checks)
        if kind == "s3":
            return self._s3(wanted, config, checks)
        if kind == "hub":
            return await self._hub(api_base, wanted, config, checks, ask=ask)
        return Delivery("none")

    def secrets(self, api_base: str, delivery: Delivery) -> dict[str, Secret]:
        """The secret inputs for a preparation; placeholders stand for the keys of S3."""
        inputs: dict[str, Secret] = {}
        if (token := self._clients.hub_token(api_base)) is not None:
            inputs["hf_token"] = token
        if delivery.kind == "local" or (delivery.kind == "s3" and delivery.destination):
            inputs |= dict.fromkeys(_S3_INPUTS, _KEY_PLACEHOLDER)
        return inputs

    def _local(self, api_base: str, checks: list[Check]) -> Delivery:
        endpoint = self._listener.storage_url(api_base)
        if endpoint is None:
            message = "the trainer cannot reach this machine: no public URL is set"
            advice = "Start a tunnel and set listener.public_url, or deliver to the Hub."
            checks.append(Check("receiver", "error", message, advice))
        else:
            message = f"the trainer's files would go into {self._listener.outputs}"
            checks.append(Check("receiver", "ok", message, ""))
        return Delivery(
            kind="local",
            bucket=BUCKET,
            region=REGION,
            endpoint_url=endpoint or "https://no-public-url.invalid",
        )

    async def _hub(
        self,
        api_base: str,
        wanted: DeliveryDraft,
        config: TrainingConfig,
        checks: list[Check],
        *,
        ask: bool,
    ) -> Delivery:
        given = wanted.hub_model_id or config.hub_model_id
        repo = clean_repo_id(given) if given else None
        if repo is not None and "/" not in repo:
            lookup = self._repositories
            with contextlib.suppress(PublishError):  # the delivery check reports it
                owner = await (
                    lookup.identity(api_base) if ask else lookup.known_identity(api_base)
                )
                if owner is None:
                    checks.append(Check("hub", "asking", f"whose {repo} will be is being asked"))
                else:
                    repo = f"{owner.user}/{repo}"
        licence = licence_fields(config.family, config.flavour)
        if name := licence.get("license_name") or licence.get("license", "").replace("other", ""):
            message = f"licence of the base model, which the result inherits: {name}"
            checks.append(Check("licence", "ok", message))
        return Delivery("hub", hub_model_id=repo or given)

    def _s3(self, wanted: DeliveryDraft, config: TrainingConfig, checks: list[Check]) -> Delivery:
        config_target = next(
            (entry for entry in publishing_targets(config.values.get("publishing_config"))
             if is_s3(entry)), {},
        )  # fmt: skip
        name = wanted.destination or self._matching_destination(config_target)
        bucket = wanted.bucket or (
            as_text(config_target.get("bucket")) if not wanted.destination else ""
        )
        if not name:
            message = "no destination is named whose keys the trainer can use"
            advice = "Add one (simpletuner-tui destinations add NAME --kind s3 …) and choose it."
            checks.append(Check("s3-destination", "error", message, advice))
            return Delivery("s3", bucket=bucket or None)
        try:
            destination = self._target(name, wanted, bucket or "")
            profile = S3Profile(**destination.options)
        except (RefusedError, PublishError) as error:
            checks.append(Check("s3-destination", "error", _as_clause(error.message), error.advice))
            return Delivery("s3", bucket=bucket or None)
        checks += [
            *_encryption_findings(profile, allowed=self._clients.may_send_openly),
            *_unsupported_findings(profile),
        ]
        return Delivery(
            "s3",
            bucket=profile.bucket,
            base_path=job_prefix(profile.prefix),
            region=profile.region,
            endpoint_url=profile.endpoint,
            public_base_url=profile.public_base_url or None,
            destination=name,
        )

    def _matching_destination(self, config_target: Mapping[str, Any]) -> str:
        """The user's destination with the bucket of a config's target; "" if there is none."""
        endpoint, bucket = (
            as_text(config_target.get("endpoint_url")),
            as_text(config_target.get("bucket")),
        )
        for row in self._destinations.list():
            options = row["options"]
            if row["kind"] == "s3" and bucket and options["bucket"] == bucket and (
                urlsplit(options["endpoint"] or "").netloc == urlsplit(endpoint or "").netloc
            ):  # fmt: skip
                return str(row["name"])
        return ""

    def _target(self, name: str, wanted: DeliveryDraft, bucket: str) -> Target:
        """A destination with its options overridden by those of the draft."""
        target = self._destinations.read(f"s3:{name}")
        overrides = {
            "bucket": bucket, "region": wanted.region, "prefix": wanted.prefix,
            "public_base_url": wanted.public_base_url,
        }  # fmt: skip
        return replace(
            target, options={**target.options, **{k: v for k, v in overrides.items() if v}}
        )

    # -- at the post --------------------------------------------------------------------------

    async def keys_for(self, job: JobRecord) -> dict[str, Secret]:
        """Read the S3 keys that a job's trainer gets; empty unless it delivers to a destination.

        Raises:
            SimpleTunerError: the keys cannot be read, or the destination's endpoint has changed
                since the job was created.
        """
        name = str(job.submit.get("destination") or "")
        if not name:
            return {}
        try:
            target = self._destinations.read(f"s3:{name}")
            if (target.options.get("endpoint") or "") != (job.inputs.get("s3_endpoint_url") or ""):
                raise SimpleTunerError(
                    f"the destination {name} is another server now than when the job was made",
                    "Nothing was started. Run the job again.",
                )
            keys = await self._destinations.keys.of(target.profile, target.options)
        except (RefusedError, PublishError) as error:
            message = f"the keys of the bucket are not at hand: {_as_clause(error.message)}"
            raise SimpleTunerError(message, f"Nothing was started. {error.advice}") from None
        return {"s3_access_key": Secret(keys.access_key), "s3_secret_key": keys.secret_key}


def delivery_data(delivery: Delivery, config: TrainingConfig) -> PlannedDelivery:
    """The delivery as a check shows it."""
    values, hub = config.values, delivery.kind == "hub"
    comment = values.get("modelspec_comment")
    return {
        "kind": delivery.kind,
        "hub_model_id": delivery.hub_model_id if hub else None,
        "private": as_bool(values.get("model_card_private"), default=True) if hub else None,
        "push_checkpoints": (
            as_bool(values.get("push_checkpoints_to_hub"), default=True) if hub else None
        ),
        "background": as_bool(values.get("push_to_hub_background")) if hub else None,
        "safe_for_work": as_bool(values.get("model_card_safe_for_work")) if hub else None,
        "note": as_text(values.get("model_card_note")) if hub else None,
        "comment": "; ".join(map(str, comment)) if isinstance(comment, list) else as_text(comment),
        "licence": licence_fields(config.family, config.flavour) if hub else {},
        "destination": delivery.destination,
        "bucket": delivery.bucket if delivery.kind == "s3" else None,
        "region": delivery.region if delivery.kind == "s3" else None,
        "endpoint": delivery.endpoint_url if delivery.kind == "s3" else None,
        "base_path": delivery.base_path,
        "public_base_url": delivery.public_base_url,
    }


def _encryption_findings(profile: S3Profile, *, allowed: bool) -> list[Check]:
    if not profile.is_open:
        return []
    if not allowed:
        message = f"{profile.endpoint} is not encrypted, so no keys are used there"
        return [Check("s3-endpoint", "error", message, HOW_TO_SEND_OPENLY)]
    message = f"{profile.endpoint} has no TLS: the result can be read on the way"
    return [Check("s3-endpoint", "warn", message, "Use https.")]


def _unsupported_findings(profile: S3Profile) -> list[Check]:
    """A warning about the destination's options that the trainer has no input for."""
    options = {
        "storage class": profile.storage_class, "encryption": profile.encryption,
        "ACL": profile.acl,
    }  # fmt: skip
    unsupported = [f"{name} {value}" for name, value in options.items() if value]
    if not unsupported:
        return []
    message = f"the trainer uploads without the destination's {' and '.join(unsupported)}"
    return [Check("s3-options", "warn", message, "Set the bucket's own default instead.")]


def _as_clause(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}".rstrip(".") if sentence else sentence
