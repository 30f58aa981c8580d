"""One run of the simulated trainer, from its inputs to its output value."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path

from tui.sandbox.faults import FaultKind
from tui.sandbox.trainer.console import Console
from tui.sandbox.trainer.current import run as current
from tui.sandbox.trainer.data import UNPACK_ROOT, Data, find_data, free, unpack_images
from tui.sandbox.trainer.output_files import (
    draw_validation,
    parameters,
    shapes_for,
    weight_file,
    write_card,
    write_weights,
)
from tui.sandbox.trainer.plan import Plan, read_plan
from tui.sandbox.trainer.publish import Publisher
from tui.sandbox.trainer.steps import Loop, OutOfMemoryError, Schedule, WorkerCrashError
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_int

_BASE_MODELS = {
    "flux": "black-forest-labs/FLUX.1-dev",
    "sd3": "stabilityai/stable-diffusion-3.5-medium",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
    "qwen_image": "Qwen/Qwen-Image",
    "z_image": "Tongyi-MAI/Z-Image-Turbo",
}
_TOTAL_BATCH = "Total train batch size (w. parallel, distributed & accumulation)"
_BACKENDS = "Configuring data backends"


def train(run: RunContext) -> str:
    """Run the simulated training and return the address of the results.

    Raises:
        ProgramError: the run failed; its text is the prediction's error.
        Canceled: the run was stopped.
    """
    console = Console(run)
    if run.release.is_current:
        return current.train(run, console)
    try:
        plan = read_plan(run.inputs, job=f"cog-{run.random.randbytes(5).hex()}")
        unpack_images(run, plan)
        with closing(_Trainer(run, console, plan)) as trainer:
            return trainer.train()
    except OutOfMemoryError as error:
        console.traceback("torch.OutOfMemoryError", str(error))
        console.line(f"[TRAINING] Training failed: {error}")
        raise
    except WorkerCrashError:
        raise
    except ProgramError as error:
        console.end_bar()
        console.notice(f"Failed to run training: {error}", title="Fatal Error", level="ERROR")
        console.traceback("RuntimeError", str(error))
        console.line("[COG] Webhook receiver stopped")
        raise
    finally:
        free(run.folder / UNPACK_ROOT.partition("/")[0])


class _Trainer:
    def __init__(self, run: RunContext, console: Console, plan: Plan) -> None:
        self._run = run
        self._console = console
        self._plan = plan
        self._output = run.folder / "output" / (Path(plan.output_dir).name or plan.job)
        self._output.mkdir(parents=True, exist_ok=True)
        self._publisher = Publisher(run, plan, self._output)
        self._shapes = shapes_for(plan)
        self._images: tuple[Path, ...] = ()
        self._saved: list[str] = []

    def close(self) -> None:
        """Close the publisher's connections."""
        self._publisher.close()

    def train(self) -> str:
        console, run = self._console, self._run
        port = 30000 + run.random.randrange(20000)
        console.line(f"[COG] Webhook receiver started on http://127.0.0.1:{port}/webhook")
        console.notice("Training job has started, configuration has begun.")
        console.notice(
            "nothing is trained here; losses, times and weights are made up",
            title="This run is simulated",
        )
        self._load_base_model()
        data = self._load_data()
        schedule = self._banner(data)
        Loop(run, self._plan, console, schedule).walk(self._checkpoint, self._validation)
        self._finish(schedule)
        place, announcement = self._publisher.result()
        console.line("[COG] Webhook receiver stopped")
        if as_bool(run.inputs.get("return_logs"), default=True):
            console.debug_tail()
        if announcement:
            console.line(announcement)
        return place

    def _load_base_model(self) -> None:
        console, run = self._console, self._run
        default = _BASE_MODELS.get(self._plan.family, self._plan.family)
        name = self._plan.text("pretrained_model_name_or_path", default)
        label = "Loading base model"
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
        console.notice("SimpleTuner has launched. Hold onto your butts!")

    def _load_data(self) -> Data:
        console, run = self._console, self._run
        console.stage(_BACKENDS, f"{_BACKENDS}... (this may take a while!)")
        try:
            data = find_data(run, self._plan)
        except ProgramError as error:
            console.stage(_BACKENDS, str(error), state="failed")
            raise
        for item in data.datasets:
            for name in item.broken:
                console.error(f"Could not read image {name} of dataset {item.id}; it is left out")
            if item.missing_captions:
                console.notice(
                    f"{item.missing_captions} images of {item.id} have no caption file",
                    title="Captions",
                    level="WARN",
                )
        if run.fault(FaultKind.NSFW):
            text = f"NSFW content detected in dataset {data.datasets[0].id}: 2 of 3 classifiers"
            console.stage(_BACKENDS, text, state="failed")
            raise ProgramError(text)
        self._cache(data)
        names = [item.id for item in data.datasets] + [data.text_embeds]
        console.notice(f"Collected the following data backends: {names}")
        console.stage(_BACKENDS, "Completed configuring data backends.", state="completed")
        self._images = data.images
        return data

    def _cache(self, data: Data) -> None:
        console = self._console
        label = "Loading text embedding cache"
        console.stage(label, f"Configured text embedding cache for `{data.text_embeds}`")
        console.count_up("Processing prompts", data.samples, 0.4)
        console.count_up("Write embeds to disk", data.samples, 0.1)
        console.stage(label, state="completed")
        for item in data.datasets:
            console.stage("Extracting captions", count=(0, item.samples))
            console.count_up("Loading captions", item.samples, 0.2)
            console.stage("Extracting captions", state="completed")
            console.stage("VAE Cache initialising", count=(0, item.samples))
            console.count_up("Processing bucket 1.0", item.samples, 0.6)
            text = "VAE cache initialization complete"
            console.stage("VAE Cache initialising", text, state="completed")

    def _banner(self, data: Data) -> Schedule:
        plan, console = self._plan, self._console
        steps, epochs = plan.resolved_steps(data.seen_per_epoch)
        per_epoch = max(1, -(-data.seen_per_epoch // plan.batch))
        console.stage("Preparing model components")
        console.stage("Preparing model components", state="completed")
        text = "No model to resume. Beginning fresh training run."
        console.stage("Resume Checkpoint", text, state="completed")
        per_device = plan.whole("train_batch_size", default=1)
        console.line(
            "\n".join(
                [
                    "[TRAINING] ",
                    "***** Running training *****",
                    f"-  Trainable parameters: {parameters(self._shapes):,}",
                    f"-  Num batches = {per_epoch}",
                    f"-  Num Epochs = {epochs}",
                    "  - Current Epoch = 1",
                    f"-  {_TOTAL_BATCH} = {plan.batch}",
                    f"  - Instantaneous batch size per device = {per_device}",
                    f"  - Gradient Accumulation steps = {plan.batch // per_device}",
                    f"-  Total optimization steps = {steps}",
                    "  - Steps completed: 0",
                    f"-  Total optimization steps remaining = {steps}",
                ]
            )
        )
        return Schedule(steps, epochs, per_epoch)

    def _checkpoint(self, step: int) -> None:
        name = f"checkpoint-{step}"
        shown = f"{self._plan.output_dir}/{name}"
        label = "Saving Checkpoint"
        self._console.stage(label, f"Saving checkpoint to {shown}")
        self._save(self._output / name, step)
        state = {"global_step": step, "simulated": True}
        (self._output / name / "training_state.json").write_text(json.dumps(state))
        self._console.stage(label, f"Saved checkpoint to {shown}", state="completed")
        self._console.line("[CHECKPOINT] Checkpoint saved")
        if self._run.release.publishes_final:
            self._publish(f"Checkpoint at step {step}")
        self._saved.append(name)
        self._rotate()

    def _rotate(self) -> None:
        """Delete the oldest checkpoints above `checkpoints_total_limit`."""
        limit = as_int(self._plan.options.get("checkpoints_total_limit")) or 0
        while 0 < limit < len(self._saved):
            shutil.rmtree(self._output / self._saved.pop(0))

    def _validation(self, step: int) -> None:
        console, run = self._console, self._run
        console.stage("Running Validation", "Validation is starting.")
        prompts = self._plan.validation_prompts
        for prompt in prompts:
            console.count_up(
                "", self._plan.whole("validation_num_inference_steps", default=16), 0.3
            )
            console.line(f"[EVENT] training.validation: Validation: {prompt[:60]}")
        console.count_up("Processing validation prompts", len(prompts), 0.1)
        draw_validation(self._output, step, prompts, self._images)
        console.stage("Running Validation", state="completed")
        run.check()
        self._publish(f"Validation at step {step}")

    def _finish(self, schedule: Schedule) -> None:
        console = self._console
        if self._plan.validation_every:
            console.stage("Running Final Validations")
            self._validation(schedule.steps)
            console.stage("Running Final Validations", state="completed")
        console.stage("Saving Final Model")
        self._save(self._output, schedule.steps)
        settings = {"steps": schedule.steps, "rank": self._plan.rank, "simulated": True}
        (self._output / "simpletuner_config.json").write_text(json.dumps(settings, indent=2))
        text = f"Model saved to {self._plan.output_dir}"
        console.stage("Saving Final Model", text, state="completed")
        if self._run.release.publishes_final:
            self._publish("Final model")
        if repo := self._publisher.repo:
            write_card(
                self._output, self._plan, repo, weight_file(self._plan), steps=schedule.steps
            )
        for problem in self._publisher.publish_hub(f"Trained for {schedule.steps} steps"):
            console.error(problem)
        console.stage("Training Complete", "Training run complete.", state="completed")

    def _save(self, folder: Path, step: int) -> None:
        path = folder / weight_file(self._plan)
        metadata = {
            "format": "pt",
            "simulated": "true",
            "prediction": self._run.task.id,
            "step": str(step),
        }
        if comment := self._plan.comment(step):
            metadata["modelspec.comment"] = comment
        write_weights(path, self._shapes, self._run.random, metadata)
        name = path.relative_to(self._output).as_posix()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        text = f"{name} · {path.stat().st_size} bytes · sha256 {digest}"
        self._console.notice(text, title="Wrote")

    def _publish(self, what: str) -> None:
        self._console.debug(f"Publishing: {what}")
        for problem in self._publisher.publish_s3():
            self._console.error(problem)
