"""Uploads a run's output: to S3 with boto3, to the Hub with huggingface_hub.

As in SimpleTuner, a failed upload is logged and does not fail the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tui.base.hosts import is_loopback
from tui.destinations.s3.client import service_descriptions
from tui.sandbox.faults import FaultKind
from tui.sandbox.trainer.plan import Plan
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_text

DEFAULT_BASE_PATH = "simpletuner"
LOST_CONNECTION = "Connection was closed before we received a valid response"
"""The cause in the log of an upload that a fault makes fail."""


class S3Client(Protocol):
    """The calls of boto3's S3 client that are used here."""

    def upload_file(self, filename: str, bucket: str, key: str, /) -> None:
        """Upload one file, in parts when it is large."""

    def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class S3Target:
    """One bucket that results go to."""

    bucket: str
    base_path: str
    endpoint: str | None
    region: str | None
    public_base: str | None
    access_key: str | None
    secret_key: str | None

    def shown(self) -> str:
        """The address of the results as the run prints it, without the run's own folder."""
        if self.public_base:
            return f"{self.public_base.rstrip('/')}/{self.base_path}"
        if self.endpoint:
            return f"{self.endpoint.rstrip('/')}/{self.bucket}/{self.base_path}"
        return f"s3://{self.bucket}/{self.base_path}"


def input_target(inputs: Mapping[str, Any]) -> S3Target | None:
    """The bucket that the predictor's own inputs name."""
    bucket = as_text(inputs.get("s3_bucket"))
    if not bucket:
        return None
    base = (as_text(inputs.get("s3_base_path")) or DEFAULT_BASE_PATH).strip("/")
    return S3Target(
        bucket,
        base,
        as_text(inputs.get("s3_endpoint_url")),
        as_text(inputs.get("s3_region")),
        as_text(inputs.get("s3_public_base_url")),
        as_text(inputs.get("s3_access_key")),
        as_text(inputs.get("s3_secret_key")),
    )


def config_targets(plan: Plan) -> list[S3Target]:
    """The buckets of the configuration's `publishing_config`."""
    given = plan.options.get("publishing_config")
    entries = given if isinstance(given, list) else [given]
    targets = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("provider") not in {"s3", "backblaze_b2", "b2"}:
            continue
        bucket = as_text(entry.get("bucket"))
        if bucket:
            base = (as_text(entry.get("base_path")) or "").strip("/")
            keys = [
                as_text(entry.get(short) or entry.get(f"aws_{long}"))
                for short, long in (
                    ("access_key", "access_key_id"),
                    ("secret_key", "secret_access_key"),
                )
            ]
            targets.append(
                S3Target(
                    bucket,
                    base,
                    as_text(entry.get("endpoint_url")),
                    as_text(entry.get("region") or entry.get("region_name")),
                    as_text(entry.get("public_base_url")),
                    *keys,
                )
            )
    return targets


class Publisher:
    """Uploads one run's output folder.

    Attributes:
        repo: repository on the Hub; None for no upload there.
    """

    def __init__(self, run: RunContext, plan: Plan, output: Path) -> None:
        self._run = run
        self._plan = plan
        self._output = output
        own = input_target(run.inputs)
        self._targets = [own] if own else config_targets(plan)
        self._own = own
        self.repo = repository_id(run.inputs.get("hub_model_id"))
        # The predictor's input hub_model_id turns checkpoints on, whatever the config says.
        self._checkpoints = self.repo is not None or as_bool(
            plan.options.get("push_checkpoints_to_hub")
        )
        if self.repo is None and as_bool(plan.options.get("push_to_hub")):
            self.repo = repository_id(plan.options.get("hub_model_id"))
        self._clients: dict[S3Target, S3Client] = {}
        self._sent: dict[tuple[S3Target, str], tuple[int, int]] = {}
        if self.repo and not run.config.hub_endpoint:
            raise ProgramError(
                "This sandbox's trainer cannot reach the Hugging Face Hub; choose delivery to "
                "this machine or to S3"
            )

    def result(self) -> tuple[str, str]:
        """The run's output value, and the log line with it (may be empty)."""
        if self._own is not None:
            place = self._own.shown()
            return place, f"Checkpoints published to: {place}"
        if self.repo is not None:
            place = f"https://huggingface.co/{self.repo}"
            return place, f"Model published to: {place}"
        return f"Training complete. Output: {self._plan.output_dir}", ""

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def publish_s3(self) -> list[str]:
        """Upload the output folder to every bucket, and return the problems as log texts.

        A release that publishes only after validations sends the whole folder each time, as
        SimpleTuner does; the others send new files only.
        """
        problems = []
        half = self._run.fault(FaultKind.HALF_UPLOAD)
        if late := self._run.fault(FaultKind.LATE_UPLOAD):
            self._run.pause(late.number(20))
        for target in self._targets:
            files = sorted(item for item in self._output.rglob("*") if item.is_file())
            for path in files[: len(files) // 2] if half else files:
                self._run.check()
                name = path.relative_to(self._output).as_posix()
                if self._is_sent(target, name, path):
                    continue
                key = "/".join(part for part in (target.base_path, self._output.name, name) if part)
                if problem := self._send(target, path, key):
                    problems.append(f"Publishing {name} failed: {problem}")
                    break
                self._sent[target, name] = _mark(path)
            if half:
                problems.append(f"Publishing failed: {LOST_CONNECTION}")
        return problems

    def publish_hub(self, message: str) -> list[str]:
        """Upload the output folder to the run's repository, if any, and return the problems."""
        if self.repo is None:
            return []
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()

        token = as_text(self._run.inputs.get("hf_token"))
        api = HfApi(endpoint=self._run.config.hub_endpoint, token=token)
        private = as_bool(self._plan.options.get("model_card_private"), default=True)
        if late := self._run.fault(FaultKind.LATE_UPLOAD):
            self._run.pause(late.number(20))
        if self._run.fault(FaultKind.LOST_UPLOAD):
            return [f"Uploading to {self.repo} failed: {LOST_CONNECTION}"]
        ignored = [] if self._checkpoints else ["checkpoint-*/**"]
        half = self._run.fault(FaultKind.HALF_UPLOAD)
        if half:
            ignored.append("*.safetensors")
        try:
            api.create_repo(self.repo, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=self.repo,
                folder_path=self._output,
                commit_message=message,
                ignore_patterns=ignored or None,
            )
        except (HfHubHTTPError, OSError, ValueError) as error:
            return [f"Uploading to {self.repo} failed: {first_line(error)}"]
        return [f"Uploading to {self.repo} failed: {LOST_CONNECTION}"] if half else []

    def _is_sent(self, target: S3Target, name: str, path: Path) -> bool:
        known = self._sent.get((target, name))
        return self._run.release.publishes_final and known == _mark(path)

    def _send(self, target: S3Target, path: Path, key: str) -> str | None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        if self._run.fault(FaultKind.LOST_UPLOAD):
            return LOST_CONNECTION
        try:
            client = self._clients.get(target) or _client(target, self._run.config.ca_bundle)
            self._clients[target] = client
            client.upload_file(str(path), target.bucket, key)
        except (Boto3Error, BotoCoreError, ClientError, OSError, ValueError) as error:
            return first_line(error)
        return None


def _client(target: S3Target, ca_bundle: Path | None) -> S3Client:
    client: S3Client = bare_client(
        endpoint=target.endpoint,
        region=target.region,
        access_key=target.access_key,
        secret_key=target.secret_key,
        ca_bundle=ca_bundle,
    )
    return client


def bare_client(
    *,
    endpoint: str | None,
    region: str | None,
    access_key: str | None,
    secret_key: str | None,
    session_token: str | None = None,
    ca_bundle: Path | None = None,
) -> Any:
    """A boto3 client that uses only the given keys.

    A container on Replicate has no AWS profile, so this machine's AWS settings must not be used.

    Raises:
        ValueError: a key is missing.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    nowhere = (None, None, os.devnull, None)
    bare = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
    bare.register_component("data_loader", service_descriptions())
    if not (access_key and secret_key):
        raise ValueError("Unable to locate credentials")
    local = endpoint is not None and is_loopback(endpoint)
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"max_attempts": 3},
        proxies={} if local else None,
    )
    return boto3.session.Session(botocore_session=bare).client(
        "s3",
        endpoint_url=endpoint,
        region_name=region or "us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
        config=config,
        verify=str(ca_bundle) if ca_bundle else None,
    )


def _mark(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its class."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def repository_id(given: Any) -> str | None:
    """`owner/repo` of an id or a web address, without host, query and fragment."""
    text = as_text(given)
    if not text:
        return None
    text = text.partition("?")[0].partition("#")[0]
    for prefix in ("https://huggingface.co/", "http://huggingface.co/", "huggingface.co/"):
        text = text.removeprefix(prefix)
    parts = [part for part in text.strip("/").split("/") if part]
    return "/".join(parts[:2]) if len(parts) >= 2 else None
