"""The model card that the trainer puts into its repository on the Hub, with pictures beside it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tui.sandbox.trainer.plan import Plan
from tui.simpletuner.config.values import as_bool, as_text

CARD: Final = "README.md"
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PICTURES: Final = 4


def write_card(output: Path, plan: Plan, repo_id: str, weights: str, steps: int) -> Path:
    """Write `README.md` and `assets/` into the output folder, as a delivery to the Hub has them."""
    pictures = _assets(output)
    base = plan.text("pretrained_model_name_or_path")
    safe = as_bool(plan.options.get("model_card_safe_for_work"))
    note = as_text(plan.options.get("model_card_note")) or ""
    head = ["library_name: diffusers", "pipeline_tag: text-to-image"]
    if _REPOSITORY.fullmatch(base):
        head.append(f"base_model: {_quoted(base)}")
        head += [] if plan.is_full else ["base_model_relation: adapter"]
    tags = ["simpletuner", "text-to-image", plan.family, "full" if plan.is_full else "lora"]
    tags.append("safe-for-work" if safe else "not-for-all-audiences")
    head += ["tags:", *(f"- {_quoted(tag)}" for tag in tags if tag)]
    prompt = next(iter(plan.validation_prompts), "")
    if pictures:
        head.append("widget:")
        for name in pictures:
            head += [f"- text: {_quoted(prompt)}", "  output:", f"    url: {_quoted(name)}"]
    rows = [
        ("Base model", base or "unknown"), ("Steps", str(steps)), ("Rank", str(plan.rank)),
        ("Batch size", str(plan.batch)), ("Learning rate", f"{plan.learning_rate:g}"),
        ("Weights", weights),
    ]  # fmt: skip
    parts = [
        "\n".join(["---", *head, "---"]),
        f"# {repo_id.partition('/')[2]}",
        "A rehearsal: nothing was trained, and these weights are noise.",
        "## How it was made",
        "\n".join(
            ["| Setting | Value |", "| --- | --- |"]
            + [f"| {name} | {_cell(value)} |" for name, value in rows]
        ),
    ]
    if note:
        parts += ["## Note", note]
    path = output / CARD
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _assets(output: Path) -> list[str]:
    """The newest validation pictures under the names that the card shows."""
    drawn = [path for path in output.glob("validation_images/*.png") if path.is_file()]
    drawn.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    names = []
    for number, path in enumerate(drawn[-_PICTURES:]):
        name = f"assets/image_{number}_0.png"
        (output / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, output / name)
        names.append(name)
    return names


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_EDGE = 256


def draw_validation(
    output: Path, step: int, prompts: Sequence[str], images: Sequence[Path]
) -> list[Path]:
    """Write one picture per prompt, where SimpleTuner puts them, and return their paths.

    A hosted dataset has no images here, and then there are no pictures.
    """
    from PIL import Image, ImageDraw, UnidentifiedImageError

    folder = output / "validation_images"
    written: list[Path] = []
    for index, prompt in enumerate(prompts):
        if not images:
            break
        source = images[(step + index) % len(images)]
        try:
            with Image.open(source) as picture:
                small = picture.convert("RGB").resize((_EDGE, _EDGE))
        except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
        ImageDraw.Draw(small).text((8, _EDGE - 18), f"simulated · step {step}", fill="white")
        folder.mkdir(parents=True, exist_ok=True)
        words = re.sub(r"[^a-z0-9]+", "_", prompt.lower()).strip("_")[:40] or "prompt"
        path = folder / f"step_{step}_{words}_{_EDGE}x{_EDGE}.png"
        small.save(path)
        written.append(path)
    return written
