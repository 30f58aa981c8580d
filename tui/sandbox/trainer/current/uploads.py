"""Delivery: the run folder to S3 after validations, checkpoints and final weights to the Hub.

A failed upload is one line in the log, and the run goes on.

Source: SimpleTuner 4.10.1, `helpers/publishing/`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tui.sandbox.faults import FaultKind
from tui.sandbox.trainer.console import Console
from tui.sandbox.trainer.current.entries import names_of
from tui.sandbox.trainer.plan import Plan
from tui.sandbox.trainer.publish import (
    LOST_CONNECTION,
    S3Target,
    bare_client,
    config_targets,
    first_line,
    input_target,
    repository_id,
)
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_text

_HUB_TRIES = 3


class UploadLostError(Exception):
    """An upload that a fault makes fail."""


class S3Publishing:
    """Uploads the whole run folder to every bucket, again each time.

    Attributes:
        own: the bucket that the predictor's inputs name; None without one.
        targets: the buckets that are published to; empty when a provider cannot be built.
    """

    def __init__(self, run: RunContext, plan: Plan, console: Console, folder: Path) -> None:
        self._run = run
        self._console = console
        self._folder = folder
        self.own = input_target(run.inputs)
        self.targets: list[S3Target] = []
        self._clients: list[Any] = []
        try:
            self._connect(plan)
        except ValueError as error:
            # The trainer drops every provider and goes on.
            console.error(f"Failed to initialise publishing providers: {error}")
            self.targets = []

    def _connect(self, plan: Plan) -> None:
        if self.own is None:
            _check_providers(plan.options.get("publishing_config"))
        for target in [self.own] if self.own else config_targets(plan):
            self._clients.append(
                bare_client(
                    endpoint=target.endpoint,
                    region=target.region,
                    access_key=target.access_key,
                    secret_key=target.secret_key,
                    ca_bundle=self._run.config.ca_bundle,
                )
            )
            self.targets.append(target)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()

    def places(self) -> list[tuple[S3Target, Any]]:
        """The buckets with their clients."""
        return list(zip(self.targets, self._clients, strict=True)) if self.targets else []

    def publish(self, step: int) -> None:
        """Upload every file that is in the run folder after a validation at `step`."""
        if not self.targets:
            return
        fault = self._run.fault(FaultKind.LATE_UPLOAD)
        if fault is None:
            self._publish(step)
            return
        seconds = fault.number(20) / self._run.config.speed
        timer = threading.Timer(seconds, self._publish, (step, True))
        timer.daemon = True  # an upload that is on its way when the sandbox ends is lost
        timer.start()

    def _publish(self, step: int, is_late: bool = False) -> None:
        for target, client in zip(self.targets, self._clients, strict=True):
            try:
                self._send(target, client, step, is_late=is_late)
            except UploadLostError as error:
                self._say(f"Publishing via s3 failed: {error}", is_late=is_late)
            except Exception as error:  # noqa: BLE001 - the trainer catches every exception here
                if not is_late:
                    self._run.check()
                self._say(f"Publishing via s3 failed: {first_line(error)}", is_late=is_late)

    def _say(self, text: str, *, is_late: bool) -> None:
        if not is_late:  # a run that has ended prints nothing more
            self._console.error(text)

    def _send(self, target: S3Target, client: Any, step: int, *, is_late: bool) -> None:
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        if self._run.fault(FaultKind.LOST_UPLOAD):
            raise UploadLostError(LOST_CONNECTION)
        half = self._run.fault(FaultKind.HALF_UPLOAD)
        breaks = half is not None and half.number(step) == step
        for number, path in enumerate(files):
            if not is_late:
                self._run.check()
            if breaks and number >= len(files) // 2:
                raise UploadLostError(LOST_CONNECTION)
            name = path.relative_to(self._folder).as_posix()
            parts = (target.base_path, self._folder.name, name)
            client.upload_file(str(path), target.bucket, "/".join(part for part in parts if part))
        self._console.debug(f"Published {len(files)} file(s) to {target.shown()}")


def _check_providers(given: Any) -> None:
    """Refuse entries of `publishing_config` that no provider can be built from.

    Raises:
        ValueError: with the manager's message.
    """
    for entry in given if isinstance(given, list) else [given] if given else []:
        if not isinstance(entry, Mapping) or not entry.get("provider"):
            raise ValueError("Each publishing_config entry must define a provider.")
        if entry["provider"] not in {"s3", "backblaze_b2", "b2"}:
            raise ValueError(f"Unsupported publishing provider '{entry['provider']}'.")
        if not entry.get("bucket"):
            raise ValueError("S3 publishing requires a bucket name in publishing_config.")


def _step_of(folder: Path) -> int:
    """The step of a checkpoint's folder; 0 for another folder."""
    number = folder.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else 0


class HubPublishing:
    """Uploads checkpoints and the final weights to the run's repository.

    Attributes:
        repo: `owner/name`; None when nothing goes to the Hub.
        is_full: whether the whole model is trained.
    """

    def __init__(self, run: RunContext, plan: Plan, console: Console, folder: Path) -> None:
        self._run = run
        self._console = console
        self._folder = folder
        self._private = as_bool(plan.options.get("model_card_private"), default=True)
        self.repo = repository_id(run.inputs.get("hub_model_id"))
        if self.repo is None and as_bool(plan.options.get("push_to_hub")):
            self.repo = repository_id(plan.options.get("hub_model_id"))
        self.is_full = plan.is_full
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[str, Future[None]]] = []
        if self.repo and as_bool(plan.options.get("push_to_hub_background")):
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="hub-upload")

    def begin(self) -> None:
        """Create the repository and ask who the token belongs to.

        Raises:
            ProgramError: either fails; the run ends before any data is read.
        """
        if self.repo is None:
            return
        if not self._run.config.hub_endpoint:
            raise ProgramError("Failed to log into Hugging Face Hub: it cannot be reached")
        from huggingface_hub.errors import HfHubHTTPError

        try:
            self._api().create_repo(self.repo, private=self._private, exist_ok=True)
            self._api().whoami()
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise ProgramError(
                f"Failed to log into Hugging Face Hub: {first_line(error)}"
            ) from error

    def push_checkpoint(self, folder: Path) -> None:
        """Upload a checkpoint below its own name, and then at the repository's root."""
        for below in (folder.name, ""):
            self._schedule(f"checkpoint {folder.name}", folder, below)

    def push_final(self) -> None:
        """Upload the final weights, and wait for what is still being uploaded."""
        folder = self._folder / "pipeline" if self.is_full else self._folder
        self._schedule("final model upload", folder, "")
        self.finish()

    def finish(self) -> None:
        """Wait for uploads in the background; failed ones are logged."""
        waiting, self._waiting = self._waiting, []
        for what, future in waiting:
            try:
                future.result()
            except Exception as error:  # noqa: BLE001 - the trainer logs every exception here
                self._console.error(f"Hugging Face upload task '{what}' failed: {error}")

    def close(self) -> None:
        """End the background thread without waiting for it."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _schedule(self, what: str, folder: Path, below: str) -> None:
        if self.repo is None:
            return
        if self._pool is None:
            self._upload(folder, below)
        else:
            self._waiting.append((what, self._pool.submit(self._upload, folder, below)))

    def _api(self) -> Any:
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        token = as_text(self._run.inputs.get("hf_token"))
        return HfApi(endpoint=self._run.config.hub_endpoint, token=token or False)

    def _upload(self, folder: Path, below: str) -> None:
        what = (
            "model"
            if folder in {self._folder, self._folder / "pipeline"}
            else ("intermediary checkpoint")
        )
        self._console.notice(f"Uploading {what} to Hugging Face Hub as `{self.repo}`.")
        self._console.line("[TRAINING] Status: uploading_model")
        if fault := self._run.fault(FaultKind.LATE_UPLOAD):
            self._run.pause(fault.number(20))
        half = self._run.fault(FaultKind.HALF_UPLOAD)
        step = _step_of(folder)
        breaks = half is not None and half.number(step) == step
        if problem := self._attempt(lambda: self._samples(folder, below)):
            self._console.error(
                f"Error uploading validation samples to Hugging Face Hub: {problem}"
            )
        for attempt in range(1, _HUB_TRIES + 1):
            problem = self._attempt(lambda: self._weights(folder, below, breaks=breaks))
            if not problem:
                break
            if self.is_full:
                self._console.error(f"Failed to upload pipeline to hub: {problem}")
                break
            self._console.notice(
                f"(attempt {attempt}/3) Error uploading model to Hugging Face Hub: {problem}. "
                "Retrying..."
            )
        # The trainer prints this after failures too.
        place = "/".join(part for part in ("https://huggingface.co", self.repo, below) if part)
        self._console.notice(f"Model is now available [on Hugging Face Hub]({place}).")
        self._console.line("[TRAINING] Status: model_available")

    def _attempt(self, upload: Callable[[], None]) -> str:
        """Run an upload; returns its problem, empty when it worked."""
        from huggingface_hub.errors import HfHubHTTPError

        if self._run.fault(FaultKind.LOST_UPLOAD):
            return LOST_CONNECTION
        try:
            upload()
        except (HfHubHTTPError, UploadLostError, OSError, ValueError) as error:
            return first_line(error)
        return ""

    def _samples(self, folder: Path, below: str) -> None:
        if (folder / "assets").is_dir():
            self._api().upload_folder(
                repo_id=self.repo,
                folder_path=folder / "assets",
                path_in_repo=f"{below}/assets".strip("/"),
                commit_message="Validation samples",
            )

    def _weights(self, folder: Path, below: str, *, breaks: bool) -> None:
        if breaks:
            raise UploadLostError(LOST_CONNECTION)
        if self.is_full:
            self._api().upload_folder(
                repo_id=self.repo,
                folder_path=folder,
                path_in_repo=below or None,
                commit_message="Trained weights",
            )
            return
        for name in names_of(
            ["pytorch_lora_weights.safetensors", "README.md", "simpletuner_config.json"]
        ):
            if (folder / name).is_file():
                self._api().upload_file(
                    path_or_fileobj=folder / name,
                    path_in_repo=f"{below}/{name}".strip("/"),
                    repo_id=self.repo,
                    commit_message=f"Add {name}",
                )
