"""Logs as the trainer's container prints them: single lines by family, and whole runs."""

# ruff: noqa: E501, W291 -- the lines stand here as the trainer prints them

from __future__ import annotations

import random

STAGE_LINES = """\
[STAGE] ⏳ Loading base model: Loading model: `black-forest-labs/FLUX.1-dev`...
[STAGE] ✓ Loading base model (100.0%): Base model has loaded.
[STAGE] ⏳ Configuring data backends: Configuring data backends... (this may take a while!)
[STAGE] ⏳ Loading text embedding cache (33.3%): Configured text embedding cache for `alt-embed-cache`
[STAGE] ✓ Loading text embedding cache (100.0%)
[STAGE] ⏳ Extracting captions (12.5%): Extracting captions (500/4000).
[STAGE] ⏳ Extracting captions (500/4000)
[STAGE] ⏳ VAE Cache initialising (0.0%)
[STAGE] ⏳ VAE Cache initialising (64/210)
[STAGE] ✓ VAE Cache initialising (100.0%): VAE cache initialization complete
[STAGE] ✓ Configuring data backends (100.0%): Completed configuring data backends.
[STAGE] ⏳ Preparing model components
[STAGE] ⏳ Benchmarking base model: Base model benchmark begins
[STAGE] ✓ Benchmarking base model (100.0%): Base model benchmark completed.
[STAGE] ✓ Resume Checkpoint: No model to resume. Beginning fresh training run.
""".splitlines()

AFTER_STEPS = """\
[STAGE] ⏳ Running Final Validations
[STAGE] ✓ Saving Final Model (100.0%): Model saved to output/cog/cog-0a1b2c3d4e
[STAGE] ✓ Training Complete (100.0%): Training run complete.
""".splitlines()

BANNER_LINES = """\
[TRAINING] 
***** Running training *****
-  Trainable parameters: 18,677,760
-  Num batches = 40
-  Num Epochs = {epochs}
  - Current Epoch = 1
-  Total train batch size (w. parallel, distributed & accumulation) = 1
  - Instantaneous batch size per device = 1
  - Gradient Accumulation steps = 1
-  Total optimization steps = {total:,}
  - Steps completed: {done}
-  Total optimization steps remaining = {left}
"""

TRAINING_LINES = """\
[TRAINING] Step 10/1000 (1.0%) Status: running
[TRAINING] Step 250/1000 (25.0%) loss 0.0831
[TRAINING] Step 1000/1000 (100.0%) Training finished
[TRAINING] Status: starting
[TRAINING] Status: running
[TRAINING] Status: uploading_validation_samples
[TRAINING] Status: uploading_model
[TRAINING] Status: model_available
[TRAINING] Status: training_failed
[TRAINING] Training failed: CUDA out of memory. Tried to allocate 2.25 GiB
""".splitlines()

CHECKPOINT_LINES = """\
[CHECKPOINT] Checkpoint saved
[CHECKPOINT] checkpoint-100
[CHECKPOINT] Checkpoint saved at step 100
[CHECKPOINT] Saved checkpoint-1000 to output/cog/cog-0a1b2c3d4e/checkpoint-1000
""".splitlines()

TRAINING_BARS = """\
Epoch 1/5 Steps:   0%|          | 0/100 [00:00<?, ?it/s]
Epoch 1/5, Steps:   1%|          | 1/100 [00:03<05:41,  3.45s/it, lr=0.0001, step_loss=0.412]
Epoch 5/5, Steps: 100%|██████████| 100/100 [02:58<00:00,  1.77s/it, lr=0.0001, step_loss=0.0812]
Epoch 12/40, Steps:  29%|██▉       | 2900/10000 [1:42:11<4:10:11,  2.11s/it, lr=8.3e-05, step_loss=0.112]
Epoch 1/1, Steps:   7%|▋         | 70/1000 [02:11<29:03,  1.87s/it, a_loss=0.21, a_w=0.5, lr=0.0001, step_loss=0.33, v_loss=0.28]
Epoch 1/3, Steps:   4%|▍         | 40/1000 [01:10<27:59,  1.75s/it, lr=1, prodigy_d=1.2e-6, prodigy_effective_lr=1.2e-6, step_loss=nan]
""".splitlines()

OTHER_BARS = """\
Processing prompts:  57%|█████▋    | 8/14 [00:02<00:01,  3.21it/s]
Write embeds to disk: 100%|██████████| 14/14 [00:00<00:00, 202.11it/s]
Generating aspect bucket cache: 100%|██████████| 210/210 [00:04<00:00, 48.13it/s]
Loading captions:   0%|          | 0/210 [00:00<?, ?it/s]
Filtering captions: 100%|██████████| 210/210 [00:00<00:00, 8123.4it/s]
Processing bucket 1.0:  30%|███       | 63/210 [00:21<00:50,  2.94it/s]
Processing validation prompts:  50%|█████     | 1/2 [00:11<00:11, 11.21s/it]
Deleting files for backend dreambooth-1024:   0%|          | 0/3 [00:00<?, ?it/s]
Fetching 28 files:  39%|███▉      | 11/28 [00:10<00:16,  1.02it/s]
model.safetensors:  45%|████▌     | 10.7G/23.8G [00:51<01:02, 210MB/s]
Loading checkpoint shards: 100%|██████████| 3/3 [00:01<00:00,  1.95it/s]
  0%|          | 0/16 [00:00<?, ?it/s]
""".splitlines()

SUMMARY = (
    "Step {step} of {total}: loss {loss}, lr 0.0001, epoch {epoch}/{epochs}, "
    "ema_decay_value None (EMA not in use), train_loss {train_loss}"
)

NOTIFICATIONS = """\
[COG] Webhook receiver started on http://127.0.0.1:41873/webhook
[COG] Webhook receiver stopped
[INFO] Training job has started, configuration has begun.: Training job has started, configuration has begun.
[INFO] SimpleTuner has launched. Hold onto your butts!: SimpleTuner has launched. Hold onto your butts!
[INFO] Collected the following data backends: ['dreambooth-1024', 'alt-embed-cache']: Collected the following data backends: ['dreambooth-1024', 'alt-embed-cache']
[INFO] Training Config: Training configuration initialized
[WARN] Failed to pin EMA to CPU: Failed to pin EMA to CPU: some reason
[ERROR] Fatal Error: Failed to run training: HuggingFace token is invalid
[EVENT] log.message: Using bf16 precision for training
[EVENT] training.validation: Validation: a-red-cube
[EVENT] validation.image: Validation image
[EVENT] gpu.fault: GPU fault detected
[RANK 0] 2026-08-22 10:15:02,114 [ERROR] Could not load dataset: token required
""".splitlines()

OOM_TRACEBACK = """\
Traceback (most recent call last):
  File "/src/simpletuner/train.py", line 41, in <module>
    trainer.run()
    ~~~~~~~~~~~^^
  File "/src/simpletuner/helpers/training/trainer.py", line 911, in train
    self.accelerator.backward(loss)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB
""".splitlines()

DEBUG_LINE = "[RANK 0] 2026-08-22 10:15:02,114 [INFO] (SimpleTuner) "


def clock(seconds: float) -> str:
    """Seconds as a progress bar prints them."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def training_bar(step: int, total: int, epochs: int, loss: str, pace: float = 2.11) -> str:
    """One drawing of the training bar."""
    epoch = min(epochs, step * epochs // total + 1)
    drawing = ("█" * (10 * step // total)).ljust(10)
    return (
        f"Epoch {epoch}/{epochs}, Steps: {100 * step // total:3}%|{drawing}| {step}/{total} "
        f"[{clock(step * pace)}<{clock((total - step) * pace)},  {pace}s/it, "
        f"lr=8.3e-05, step_loss={loss}]"
    )


def whole_run(
    *,
    steps: int = 200,
    first: int = 0,
    epochs: int = 5,
    checkpoint_every: int = 50,
    bars_per_step: int = 2,
    separator: str = "\r",
    seed: int = 1,
) -> tuple[bytes, dict[int, float]]:
    """The log of a run that ends well, and the loss of each step."""
    chance = random.Random(seed)
    losses: dict[int, float] = {}
    out = [*NOTIFICATIONS[:1], *NOTIFICATIONS[2:6], *STAGE_LINES[:9]]
    out += [separator.join(["", *OTHER_BARS[:6]]), *STAGE_LINES[9:]]
    out.append(
        BANNER_LINES.format(epochs=epochs, total=steps, done=first, left=steps - first).rstrip()
    )
    text = "\n".join(out) + "\n"
    text += f"{separator}Epoch 1/{epochs} Steps:   0%|          | {first}/{steps} [00:00<?, ?it/s]"
    shown = "0.9"
    for step in range(first + 1, steps + 1):
        # As tqdm does it: first the new count with the old values, then the new values.
        for _ in range(bars_per_step - 1):
            text += separator + training_bar(step, steps, epochs, shown)
        losses[step] = float(shown := f"{chance.uniform(0.05, 0.5):.3g}")
        text += separator + training_bar(step, steps, epochs, shown)
        if step % checkpoint_every == 0:
            where = f"output/cog/cog-0a1b2c3d4e/checkpoint-{step}"
            summary = SUMMARY.format(
                step=step, total=steps, loss=shown, epoch=1, epochs=epochs, train_loss=shown
            )
            text += f"[STAGE] ⏳ Saving Checkpoint: Saving checkpoint to {where}\n"
            text += f"[STAGE] ✓ Saving Checkpoint (100.0%): Saved checkpoint to {where}\n"
            text += "[CHECKPOINT] Checkpoint saved\n"
            text += f"[INFO] Checkpoint: `{summary}`: Checkpoint: `{summary}`\n"
            text += "[STAGE] ⏳ Running Validation: Validation is starting.\n"
            text += f"{separator}  0%|          | 0/16 [00:00<?, ?it/s]"
            text += f"{separator}100%|██████████| 16/16 [00:11<00:00,  1.4it/s]\n"
    text += "\n" + "\n".join(AFTER_STEPS) + "\n=== debug.log tail ===\n"
    for step in range(max(first + 1, steps - 20), steps + 1):
        text += DEBUG_LINE + SUMMARY.format(
            step=step, total=steps, loss=9.99, epoch=1, epochs=epochs, train_loss=9.99
        )
        text += "\n"
    text += DEBUG_LINE + "Epoch 1/5, Steps:   1%|          | 1/100 [00:03<05:41,  3.45s/it]\n"
    text += "Model published to: https://huggingface.co/me/my-lora\n"
    text += "[COG] Webhook receiver stopped\n"
    return text.encode(), losses


def mixed_lines(lines: int, seed: int = 7) -> bytes:
    """Many lines of all families: about half of them training bars, as in a real log."""
    chance = random.Random(seed)
    summary = SUMMARY.format(
        step=100, total=1000, loss=0.0873, epoch=1, epochs=5, train_loss=0.0912
    )
    others = [
        *STAGE_LINES,
        *NOTIFICATIONS,
        *OTHER_BARS,
        *CHECKPOINT_LINES,
        *OOM_TRACEBACK[1:4],
        f"{DEBUG_LINE}{summary}",
        f"[INFO] Checkpoint: `{summary}`: Checkpoint: `{summary}`",
        "/usr/lib/python3.12/warnings.py:110: FutureWarning: this will change",
        "",
    ]
    out: list[str] = []
    step, total = 0, lines
    while len(out) < lines:
        if chance.random() < 0.5:
            step += 1
            loss = f"{chance.uniform(0.05, 0.5):.3g}"
            bar = training_bar(step, total, 40, loss)
            out.append(f"{bar}\r")
            out.append(f"{bar}\r" if chance.random() < 0.5 else f"{chance.choice(others)}\n")
        else:
            out.append(f"{chance.choice(others)}\n")
    return "".join(out[:lines]).encode()


def realistic_lines(lines: int, seed: int = 11) -> bytes:
    """Many lines in the shares of a real run: bars drawn twice a step, some messages, few stages."""
    chance = random.Random(seed)
    summary = SUMMARY.format(
        step=100, total=1000, loss=0.0873, epoch=1, epochs=5, train_loss=0.0912
    )
    checkpoint = [
        "[STAGE] ⏳ Saving Checkpoint: Saving checkpoint to output/cog/cog-0a1b2c3d4e/checkpoint-100",
        "[STAGE] ✓ Saving Checkpoint (100.0%): Saved checkpoint to output/cog/cog-0a1b2c3d4e/checkpoint-100",
        "[CHECKPOINT] Checkpoint saved",
        f"[INFO] Checkpoint: `{summary}`: Checkpoint: `{summary}`",
        "[STAGE] ⏳ Running Validation: Validation is starting.",
        "[EVENT] training.validation: Validation: a-red-cube",
    ]
    out: list[str] = []
    step = 0
    while len(out) < lines:
        step += 1
        bar = training_bar(step, lines, 40, f"{chance.uniform(0.05, 0.5):.3g}")
        out += [f"{bar}\r", f"{bar}\r"]
        draw = chance.random()
        if draw < 0.5:
            out.append(f"{chance.choice(OTHER_BARS)}\r")
        elif draw < 0.7:
            out.append(f"{chance.choice(NOTIFICATIONS)}\n")
        elif draw < 0.8:
            out.append("/usr/lib/python3.12/warnings.py:110: FutureWarning: this will change\n")
        elif draw < 0.81:
            out += [f"{line}\n" for line in checkpoint]
    return "".join(out[:lines]).encode()
