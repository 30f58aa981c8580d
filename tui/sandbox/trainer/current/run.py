"""One run of SimpleTuner 4.10.1 in the published container, from its inputs to its output value."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.sandbox.faults import FaultKind
from tui.sandbox.trainer.console import Console
from tui.sandbox.trainer.current.arguments import ArgumentsRefusedError, check_settings, parse
from tui.sandbox.trainer.current.datasets import TrainingData, configure
from tui.sandbox.trainer.current.records import Records
from tui.sandbox.trainer.current.resume import fetch_checkpoint, step_of, write_manifest
from tui.sandbox.trainer.current.uploads import HubPublishing, S3Publishing
from tui.sandbox.trainer.data import fetch
from tui.sandbox.trainer.micro_batches import EndlessRunError, Event, Schedule, Way, walk
from tui.sandbox.trainer.output_files import (
    PICTURE_EDGE,
    copy_assets,
    draw_pictures,
    parameters,
    shapes_for,
    weight_file,
    write_card,
    write_weights,
)
from tui.sandbox.trainer.plan import Plan, document
from tui.sandbox.trainer.steps import Loop, OutOfMemoryError, WorkerCrashError
from tui.sandbox.trainer.steps import Schedule as Bars
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_int, as_text
from tui.simpletuner.facts.models import model

_TOTAL_BATCH: Final = "Total train batch size (w. parallel, distributed & accumulation)"
_LIBRARY_NAME: Final = "library_prompt"
"""Short name of the one prompt that stands for a whole library."""


def train(run: RunContext, console: Console) -> str:
    """Run the simulated training and return the address of the results.

    Raises:
        ProgramError: the run failed; its text is the prediction's error.
        Canceled: the run was stopped.
    """
    try:
        inputs = _Inputs.read(run)
    except ProgramError as error:
        console.traceback("ValueError", str(error))
        raise
    port = 30000 + run.random.randrange(20000)
    console.line(f"[COG] Webhook receiver started on http://127.0.0.1:{port}/webhook")
    try:
        options = _options(inputs, run)
        output = run.folder / "output" / (Path(str(options["output_dir"])).name or inputs.job)
        output.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            trainer = _Trainer(run, console, inputs, options, output=output, stack=stack)
            place, announcement = trainer.train()
    except ArgumentsRefusedError as error:
        console.line(error.usage)
        console.traceback("SystemExit", "2")
        console.line("[COG] Webhook receiver stopped")
        raise
    except WorkerCrashError:
        raise
    except ProgramError as error:
        kind = "RuntimeError"
        if isinstance(error, OutOfMemoryError):
            kind = "torch.OutOfMemoryError"
        console.end_bar()
        console.error(f"Failed to run training: {error}")
        console.line(f"[ERROR] Fatal Error: Failed to run training: {error}")
        console.line(f"[TRAINING] Training failed: {error}")
        console.traceback(kind, str(error))
        console.line("[COG] Webhook receiver stopped")
        if as_bool(run.inputs.get("return_logs"), default=True):
            console.debug_tail()
        raise
    console.line("[COG] Webhook receiver stopped")
    if as_bool(run.inputs.get("return_logs"), default=True):
        console.debug_tail()
    if announcement:
        console.line(announcement)
    return place


class _Inputs:
    """The predictor's inputs.

    Attributes:
        job: the trainer's own name of the run.
        config: the training config as it was sent, with the steps of the inputs.
        entries: the dataloader.
        lycoris: the LyCORIS settings; None without them.
    """

    def __init__(
        self,
        job: str,
        config: Mapping[str, Any],
        entries: Sequence[Mapping[str, Any]],
        lycoris: Mapping[str, Any] | None,
    ) -> None:
        self.job = job
        self.config = config
        self.entries = entries
        self.lycoris = lycoris

    @classmethod
    def read(cls, run: RunContext) -> _Inputs:
        """Read them; an archive is unpacked only where no dataloader is given.

        Raises:
            ProgramError: an input error that also stops the predictor.
        """
        given = run.inputs
        if given.get("hub_model_id") and not given.get("hf_token"):
            raise ProgramError("hf_token is required when using hub_model_id")
        config = document("config_json", given.get("config_json"))
        entries = document("dataloader_json", given.get("dataloader_json"))
        lycoris = document("lycoris_config", given.get("lycoris_config"))
        if config is None:
            raise ProgramError("No training config found")
        if not isinstance(config, dict):
            raise ProgramError("Config at config_json must be a JSON object")
        if entries is None:
            if not given.get("images"):
                raise ProgramError("Either dataset_archive or dataloader config must be provided.")
            _unpack(run, str(given["images"]))
        if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
            raise ProgramError("dataloader_json must be a list of dataset objects")
        merged = dict(config)
        if (steps := as_int(given.get("max_train_steps"))) is not None:
            merged["--max_train_steps"] = steps
        job = f"cog-{run.random.randbytes(5).hex()}"
        merged.setdefault("--output_dir", f"output/cog/{job}")
        return cls(job, merged, entries, lycoris if isinstance(lycoris, dict) else None)


def _unpack(run: RunContext, address: str) -> None:
    """Refuse an archive: the path check compares relative with absolute paths, so none passes.

    Raises:
        ProgramError: always.
    """
    archive = run.folder / "images.bin"
    try:
        fetch(run, address, archive)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as members:
                first = next(iter(members.namelist()), "")
            raise ProgramError(f"Unsafe zip path detected: {first}")
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive, "r:*") as members:
                first = next((item.name for item in members), "")
            raise ProgramError(f"Unsafe tar path detected: {first}")
    finally:
        archive.unlink(missing_ok=True)
    raise ProgramError("Unsupported dataset archive format. Use .zip or .tar.")


def _options(inputs: _Inputs, run: RunContext) -> JsonObject:
    """The parsed options, with what the container sets."""
    options = parse(inputs.config)
    # A config with an undashed key keeps both; the container's own comes later.
    if run.inputs.get("hub_model_id"):
        options |= {
            "push_to_hub": True,
            "push_checkpoints_to_hub": True,
            "hub_model_id": run.inputs["hub_model_id"],
        }
    return options


class _Trainer:
    def __init__(
        self,
        run: RunContext,
        console: Console,
        inputs: _Inputs,
        options: Mapping[str, Any],
        *,
        output: Path,
        stack: ExitStack,
    ) -> None:
        self._run = run
        self._console = console
        self._inputs = inputs
        self._options = options
        self._output = output
        family = as_text(options.get("model_family")) or ""
        self._plan = Plan(
            options,
            tuple(inputs.entries),
            inputs.lycoris,
            inputs.job,
            str(options["output_dir"]),
            family,
            max(0, as_int(options.get("max_train_steps")) or 0),
        )
        self._shapes = shapes_for(self._plan)
        self._s3 = S3Publishing(run, self._plan, console, output)
        stack.callback(self._s3.close)
        self._hub = HubPublishing(run, self._plan, console, output)
        stack.callback(self._hub.close)
        self._prompts = dict(_prompts(options))
        self._records = Records(output, as_text(options.get("report_to")) or "none")
        self._pictures: list[Path] = []
        self._drawn: list[Path] = []
        """The pictures of the last validation."""
        self._assets: Path | None = None
        """The checkpoint that gets the pictures of the round that is running."""
        self._lost: Container[int] = ()
        """Steps whose validation breaks off."""
        self._open = ""
        """Label of the validation that is running; empty without one."""
        self._summary = ""
        self._is_saved = False

    def train(self) -> tuple[str, str]:
        """Run everything; returns the output value and the line that announces it."""
        console = self._console
        console.notice("Training job has started, configuration has begun.")
        check_settings(
            self._options, self._inputs.lycoris, has_token=bool(self._run.inputs.get("hf_token"))
        )
        self._check_gpus()
        self._hub.begin()
        data = configure(self._run, console, self._inputs.entries, self._options)
        try:
            schedule = Schedule.read(self._options, data.batches)
        except EndlessRunError as error:
            raise ProgramError(str(error)) from error
        self._load_base_model()
        try:
            self._walk(data, schedule)
        finally:
            # A single process waits for its uploads after a failure too.
            self._hub.finish()
        return self._result()

    def _check_gpus(self) -> None:
        """Refuse more processes than the hardware has GPUs."""
        count = self._run.task.version.model.rpartition("-x")[2]
        gpus = int(count) if count.isdecimal() else 1
        if self._plan.whole("num_processes", default=1) > gpus:
            raise ProgramError("CUDA error: invalid device ordinal")

    def _result(self) -> tuple[str, str]:
        if self._s3.own is not None:
            place = self._s3.own.shown()
            return place, f"Checkpoints published to: {place}"
        if self._run.inputs.get("hub_model_id") and self._hub.repo:
            place = f"https://huggingface.co/{self._hub.repo}"
            return place, f"Model published to: {place}"
        return f"Training complete. Output: {self._plan.output_dir}", ""

    def _load_base_model(self) -> None:
        console, run = self._console, self._run
        facts = model(self._plan.family)
        label = "Loading base model"
        default = facts.label if facts is not None else self._plan.family
        name = self._plan.text("pretrained_model_name_or_path", default)
        console.stage(label, f"Loading model: `{name}`...")
        run.pause(0.4)
        if run.fault(FaultKind.GATED_MODEL):
            console.stage(label, state="failed")
            raise ProgramError(
                f"401 Client Error. Cannot access gated repo for url https://huggingface.co/{name}/"
                f"resolve/main/model_index.json. Access to model {name} is restricted. You must "
                "have access to it and be authenticated to access it. Please log in."
            )
        console.count_up("Fetching 28 files", 28, 0.6)
        console.count_up("Loading checkpoint shards", 3, 0.3)
        console.stage(label, "Base model has loaded.", state="completed")
        console.stage("Preparing model components")
        console.stage("Preparing model components", state="completed")

    def _walk(self, data: TrainingData, schedule: Schedule) -> None:
        run = self._run
        self._pictures = list(data.pictures)
        bars = Bars(schedule.steps, max(1, schedule.epochs), schedule.steps_per_epoch)
        loop = Loop(run, self._plan, self._console, bars)
        way: Way = "s3" if self._hub.repo is None else "both" if self._s3.targets else "hub"
        if fault := run.fault(FaultKind.LOST_VALIDATION):
            every = range(1, schedule.steps + 1)
            self._lost = every if fault.value is None else (int(fault.value),)
        has_begun = False
        begin = self._resumed_step()
        events = walk(self._options, data.batches, way=way, resume_step=begin, lost=self._lost)
        for event in events:
            if event.kind != "publish":
                self._end_validation()
            if event.kind == "validation" and event.step == 0:
                self._benchmark()
                continue
            if not has_begun and event.kind != "publish":
                has_begun = True
                self._banner(schedule, begin)
                loop.begin(begin)
            if event.kind == "step":
                self._summary = loop.advance(event.step)
                self._records.metrics(event.step, loop.numbers)
            else:
                self._act(event)
        self._console.stage("Training Complete", "Training run complete.", state="completed")

    def _act(self, event: Event) -> None:
        if event.kind == "checkpoint":
            self._checkpoint(event.step)
        elif event.kind == "rotated":
            shutil.rmtree(self._output / f"checkpoint-{event.step}", ignore_errors=True)
        elif event.kind == "validation":
            self._validate(event.step)
        elif event.kind == "publish":
            self._s3.publish(event.step)
            self._end_validation()
        elif event.kind == "final-save":
            self._save_final(event.step)
        elif event.kind == "hub-push":
            if self._is_saved:
                self._hub.push_final()
            else:
                self._push_checkpoint(event.step)

    def _benchmark(self) -> None:
        """Validate the base model; unlike every other round, this one may end the run."""
        if 0 in self._lost:
            raise ProgramError("the validation pipeline could not be loaded")
        label = "Benchmarking base model"
        self._console.stage(label, "Base model benchmark begins")
        self._draw(0)
        self._open = label

    def _checkpoint(self, step: int) -> None:
        console = self._console
        name = f"checkpoint-{step}"
        shown = f"{self._plan.output_dir}/{name}"
        console.notice(f"Checkpoint: `{self._summary}`")
        console.stage("Saving Checkpoint", f"Saving checkpoint to {shown}")
        self._save(self._output / name, step)
        state = {"global_step": step, "simulated": True}
        (self._output / name / "training_state.json").write_text(json.dumps(state))
        write_manifest(self._output / name, self._options)
        console.stage("Saving Checkpoint", f"Saved checkpoint to {shown}", state="completed")
        console.line("[CHECKPOINT] Checkpoint saved")

    def _validate(self, step: int) -> None:
        label = "Running Validation"
        self._console.stage(label, "Validation is starting.")
        if step in self._lost:
            self._console.error(
                f"Validation run failed at step {step}: the pipeline could not be loaded"
            )
            return
        if self._options.get("validation_method") != "external-script":
            self._draw(step)
        self._open = label

    def _draw(self, step: int) -> None:
        """Write one picture per prompt."""
        console, run = self._console, self._run
        for name in self._prompts:
            inner = self._plan.whole("validation_num_inference_steps", default=16)
            console.count_up("", inner, 0.3)
            console.line(f"[EVENT] training.validation: Validation: {name}")
        console.count_up("Processing validation prompts", len(self._prompts), 0.1)
        kind = self._plan.text("validation_image_format", "png")
        self._drawn = draw_pictures(self._output, step, self._prompts, self._pictures, kind)
        for name, path in zip(self._prompts, self._drawn, strict=True):
            self._records.picture(step, name, path, PICTURE_EDGE)
        run.check()
        # The pictures of a step are copied into the checkpoint of that very step.
        folder = self._output / f"checkpoint-{step}"
        self._assets = folder if folder.is_dir() else None

    def _end_validation(self) -> None:
        """Print that the round is over; its upload belongs to it."""
        if not self._open:
            return
        label, self._open = self._open, ""
        if label == "Running Validation":
            self._console.stage(label, "Validation completed.", state="completed")
        else:
            self._console.stage(label, "Base model benchmark completed.", state="completed")
        if self._assets is not None:
            copy_assets(self._drawn, self._assets)
            self._assets = None

    def _save_final(self, step: int) -> None:
        console = self._console
        console.end_bar()
        label = "Saving Final Model"
        console.stage(label, f"Finalizing model and saving to {self._plan.output_dir}")
        if not as_bool(self._options.get("validation_disable")):
            # The stage is announced, and the round is skipped.
            final = "Running Final Validations"
            console.stage(final, "Generating final validation images...")
            console.stage(final, "Final validation images completed", state="completed")
        folder = self._output / "pipeline" if self._plan.is_full else self._output
        self._save(folder, step)
        if self._hub.repo is not None:
            self._describe(folder, step)
        console.stage(label, f"Model saved to {self._plan.output_dir}", state="completed")
        self._is_saved = True

    def _push_checkpoint(self, step: int) -> None:
        folder = self._output / f"checkpoint-{step}"
        if folder.is_dir():
            self._describe(folder, step)
            self._hub.push_checkpoint(folder)

    def _describe(self, folder: Path, step: int) -> None:
        """Write what the Hub shows beside the weights."""
        settings = {"steps": step, "rank": self._plan.rank, "simulated": True}
        (folder / "simpletuner_config.json").write_text(json.dumps(settings, indent=2))
        write_card(
            folder,
            self._plan,
            self._hub.repo or "",
            weight_file(self._plan),
            steps=step,
            drawn=self._drawn,
        )

    def _save(self, folder: Path, step: int) -> None:
        metadata = {
            "format": "pt",
            "simulated": "true",
            "prediction": self._run.task.id,
            "step": str(step),
        }
        if comment := self._plan.comment(step):
            metadata["modelspec.comment"] = comment
        write_weights(folder / weight_file(self._plan), self._shapes, self._run.random, metadata)

    def _resumed_step(self) -> int:
        """Fetch the checkpoint that the run begins with; returns its step, 0 for a fresh run."""
        folder = fetch_checkpoint(self._options, self._s3.places(), self._output)
        return 0 if folder is None else step_of(folder)

    def _banner(self, schedule: Schedule, begin: int) -> None:
        console, plan = self._console, self._plan
        text = "No model to resume. Beginning fresh training run."
        if begin:
            console.stage("Resuming checkpoint", f"Resuming model: checkpoint-{begin}")
            text = f"Resumed from global_step {begin}"
        console.stage("Resume Checkpoint", text, state="completed")
        console.notice("SimpleTuner has launched. Hold onto your butts!")
        per_device = plan.whole("train_batch_size", default=4)
        total = per_device * schedule.accumulation * plan.whole("num_processes", default=1)
        console.line(
            "\n".join(
                [
                    "[TRAINING] ",
                    "***** Running training *****",
                    f"-  Trainable parameters: {parameters(self._shapes):,}",
                    f"-  Num batches = {schedule.batches}",
                    f"-  Num Epochs = {schedule.epochs}",
                    "  - Current Epoch = 1",
                    f"-  {_TOTAL_BATCH} = {total}",
                    f"  - Instantaneous batch size per device = {per_device}",
                    f"  - Gradient Accumulation steps = {schedule.accumulation}",
                    f"-  Total optimization steps = {schedule.steps}",
                    f"  - Steps completed: {begin}",
                    f"-  Total optimization steps remaining = {max(0, schedule.steps - begin)}",
                ]
            )
        )


def _prompts(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Short name and text of every prompt of a validation."""
    if not as_bool(options.get("validation_disable_unconditional")):
        yield "unconditional", ""
    if as_bool(options.get("validation_prompt_library")):
        yield _LIBRARY_NAME, "library prompt"
    if prompt := as_text(options.get("validation_prompt")):
        yield "validation", prompt
