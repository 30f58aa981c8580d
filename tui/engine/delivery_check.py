"""What would happen to a result if a job were submitted now, each way proved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from tui.engine.book import utc_now
from tui.engine.errors import RefusedError
from tui.engine.hub import Hub
from tui.engine.listening import Listening
from tui.engine.live_settings import LiveSettings
from tui.engine.token_service import TokenService
from tui.network import network_of
from tui.replicate.network import RoutedTransport
from tui.simpletuner.checks import Check
from tui.simpletuner.config import TrainingConfig, load_config
from tui.simpletuner.delivery import clean_repo_id, default_delivery_kind, validation_enabled
from tui.simpletuner.errors import SimpleTunerError
from tui.store.writer import StoreWriter

FACT: Final = "delivery"
_LIMIT: Final = 15.0
KINDS: Final = ("local", "hub", "s3", "none")


class DeliveryCheck:
    """Tries the way that results would take."""

    def __init__(
        self,
        *,
        hub: Hub,
        listening: Listening,
        live: LiveSettings,
        config_roots: Callable[[], list[Path]],
        tokens: TokenService,
        writer: StoreWriter,
    ) -> None:
        """Args: the services; `config_roots` says where configs are looked for."""
        self._hub = hub
        self._listening = listening
        self._live = live
        self._config_roots = config_roots
        self._tokens = tokens
        self._writer = writer

    async def run(self, api_base: str, body: dict[str, Any]) -> dict[str, Any]:
        """Prove one way: `{kind, ok, summary, steps: [{id, level, message, advice}]}`.

        Args:
            api_base: whose trainer would deliver.
            body: `kind` (else the config's or the settings'), `hub_model_id`, `config` (a path or
                name, for what depends on it); all may be missing.

        Raises:
            RefusedError: a field is wrong, or the config cannot be read.
        """
        config = await self._config(body.get("config"))
        kind = body.get("kind")
        if kind is None:
            kind = default_delivery_kind(config) if config else self._live.now.cloud.delivery
        if kind not in KINDS:
            words = f"must be one of {', '.join(KINDS)}"
            raise RefusedError(f"The delivery {words}.", details={"fields": {"kind": words}})
        repo = str(body.get("hub_model_id") or "")
        if not repo and config is not None:
            repo = str(config.values.get("hub_model_id") or "")
        steps = [*await self._steps(kind, api_base, repo), *_promises(kind, config)]
        answer = {
            "api_base": api_base,
            "kind": kind,
            "ok": all(step.level != "error" for step in steps),
            "summary": _SUMMARIES[kind].format(
                where=self._listening.outputs, repo=repo or "the Hub"
            ),
            "steps": [asdict(step) for step in steps],
            "checked_at": utc_now().isoformat(),
        }
        self._writer.set_fact(FACT, answer)
        self._hub.publish("fact", name=FACT)
        return answer

    async def _config(self, name: object) -> TrainingConfig | None:
        if not name:
            return None
        try:
            path, roots = Path(str(name)).expanduser(), self._config_roots()
            return await asyncio.to_thread(partial(load_config, path, roots=roots))
        except SimpleTunerError as error:
            raise RefusedError(
                error.message, error.advice, code="invalid_config",
                details={"fields": {"config": error.message}},
            ) from None  # fmt: skip

    async def _steps(self, kind: str, api_base: str, repo: str) -> list[Check]:
        if kind == "local":
            return await self._local(api_base)
        if kind == "hub":
            return await self._to_hub(api_base, repo)
        if kind == "s3":
            words = "the bucket and its keys come from the config or from a profile"
            advice = "The write test of the profile, on the Publishing screen, proves it."
            return [Check("bucket", "warn", words, advice)]
        return [
            Check(
                "nowhere", "error", "results would stay in the container and be lost",
                "Choose the Hub, an S3 bucket or this machine.",
            )
        ]  # fmt: skip

    # -- this machine -------------------------------------------------------------------------

    async def _local(self, api_base: str) -> list[Check]:
        url = self._listening.storage_url(api_base)
        if not self._listening.address:
            why = self._listening.problem or "it is off"
            return [Check("listener", "error", f"the listener does not listen: {why}",
                          "Free its port, or set listener.listen to another one.")]  # fmt: skip
        steps = [Check("listener", "ok", f"listening on {self._listening.address}")]
        if url is None:
            advice = "Start a tunnel and set listener.public_url to its https address."
            words = "the trainer cannot reach this machine: no public https URL is set"
            return [*steps, Check("public_url", "error", words, advice)]
        return [*steps, await self._reach(url)]

    async def _reach(self, url: str) -> Check:
        """Knock at our own door from outside: only our receiver answers like this."""
        try:
            async with self._client() as client:
                reply = await client.get(f"{url}/outputs")
        except (httpx.HTTPError, OSError, ValueError) as error:
            words = f"{url} cannot be reached ({type(error).__name__})"
            advice = "Is the tunnel or reverse proxy running, and does it forward to the listener?"
            return Check("receiver", "error", words, advice)
        if reply.status_code == httpx.codes.FORBIDDEN and "<Code>AccessDenied</Code>" in reply.text:
            return Check("receiver", "ok", f"the storage receiver answers at {url}")
        words = f"something else answers at {url} (HTTP {reply.status_code})"
        advice = (
            "Forward /api/cloud/storage/ to the listener as well, with its path and Host unchanged."
        )
        return Check("receiver", "error", words, advice)

    # -- the Hub ------------------------------------------------------------------------------

    async def _to_hub(self, api_base: str, repo: str) -> list[Check]:
        known = await self._tokens.validate("huggingface", api_base)
        if not known["valid"]:
            return [Check("hub_token", "error", str(known["error"]).rstrip("."), known["advice"])]
        user = str(known["username"])
        steps = [Check("hub_token", "ok", f"Hugging Face token valid, @{user}")]
        if known["role"] == "read":
            steps.append(
                Check("hub_write", "error", "the Hugging Face token can only read",
                      "Make one with write access: https://huggingface.co/settings/tokens")
            )  # fmt: skip
        name = clean_repo_id(repo) if repo else None
        if name is None:
            words = f"{repo!r} is no repository's name" if repo else "no repository is named"
            advice = f"Write {user}/my-lora, for example."
            return [*steps, Check("hub_repo", "error", words, advice)]
        owner = name.split("/")[0] if "/" in name else user
        full = name if "/" in name else f"{user}/{name}"
        if owner.lower() not in {user.lower(), *(one.lower() for one in known["organisations"])}:
            words = f"@{user} does not belong to {owner}"
            steps.append(Check("hub_owner", "error", words, f"Use {user}/{full.split('/')[1]}."))
        return [*steps, await self._repo(full, api_base)]

    async def _repo(self, full: str, api_base: str) -> Check:
        endpoint = self._tokens.hub_endpoint(api_base)
        try:
            async with self._client() as client:
                reply = await client.get(
                    f"{endpoint}/api/models/{full}", headers=self._tokens.hub_headers(api_base)
                )
        except (httpx.HTTPError, OSError) as error:
            words = f"whether {full} exists cannot be asked ({type(error).__name__})"
            return Check("hub_repo", "warn", words, "Check the network.")
        if reply.status_code == httpx.codes.OK:
            return Check("hub_repo", "ok", f"{full} exists; files are added to it")
        if reply.status_code in (httpx.codes.NOT_FOUND, httpx.codes.UNAUTHORIZED):
            return Check("hub_repo", "ok", f"{full} is free and is made by the first upload")
        words = f"{full}: the Hub answers HTTP {reply.status_code}"
        return Check("hub_repo", "warn", words, "Try again; its status page may say more.")

    def _client(self) -> httpx.AsyncClient:
        transport = RoutedTransport(network_of(self._live.now.network))
        return httpx.AsyncClient(transport=transport, timeout=_LIMIT)


_SUMMARIES: Final = {
    "local": "The trainer uploads to this machine, into {where}.",
    "hub": "The trainer uploads to {repo}.",
    "s3": "The trainer uploads to an S3 bucket.",
    "none": "Nothing is kept.",
}


def _promises(kind: str, config: TrainingConfig | None) -> list[Check]:
    """What the trainer does not say: by the S3 protocol it uploads after validations only."""
    if kind not in ("local", "s3"):
        return []
    if config is None:
        words = "final files are uploaded after a validation only"
        return [Check("validation", "warn", words, "Keep validation on in the config.")]
    if validation_enabled(config):
        return [Check("validation", "ok", "validation is on, so final files are uploaded")]
    return [
        Check(
            "validation", "warn",
            "validation is off: with this delivery the final files may never be uploaded",
            "Set a validation prompt, or deliver to the Hub, which gets them at the end in any "
            "case.",
        )
    ]  # fmt: skip
