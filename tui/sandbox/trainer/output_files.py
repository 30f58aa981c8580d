"""The files that a run writes: weights, validation images, and the model card for the Hub.

safetensors files are written directly: the format is short, so this saves a dependency, and the
tensors are streamed instead of held in memory. A file is eight bytes with the header's length, a
JSON header, and the tensors' bytes in the header's order. Source: the format's description in the
safetensors project.
"""

from __future__ import annotations

import json
import math
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tui.sandbox.trainer.plan import Plan
from tui.simpletuner.config.values import as_bool, as_text

CARD: Final = "README.md"
_REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_CARD_PICTURES: Final = 4
PICTURE_EDGE = 256
_QUICK: Final = 1  # of zlib: a third of the time for 7 % more bytes
LORA_FILE = "pytorch_lora_weights.safetensors"
FULL_FILE = "transformer/diffusion_pytorch_model.safetensors"
_BYTES_PER_VALUE = 2
_BLOCKS = 4
_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
_LAYOUTS = {
    "flux": ("transformer.single_transformer_blocks.{}.attn", 3072),
    "sd3": ("transformer.transformer_blocks.{}.attn", 1536),
    "sdxl": ("unet.mid_block.attentions.0.transformer_blocks.{}.attn1", 1280),
    "sd1x": ("unet.mid_block.attentions.0.transformer_blocks.{}.attn1", 1280),
    "kolors": ("unet.mid_block.attentions.0.transformer_blocks.{}.attn1", 1280),
}
_DEFAULT_LAYOUT = ("transformer.transformer_blocks.{}.attn", 3072)
# Turns random bytes into the high bytes of small bfloat16 numbers, half of them negative.
_SMALL_BFLOAT16 = bytes(0x3C if value % 2 else 0xBC for value in range(256))
Shapes = dict[str, tuple[int, ...]]


def write_card(
    output: Path,
    plan: Plan,
    repo_id: str,
    weights: str,
    *,
    steps: int,
    drawn: Sequence[Path] | None = None,
) -> Path:
    """Write `README.md` and `assets/` into the output folder, for a delivery to the Hub.

    Args:
        output: the folder that is delivered.
        plan: the settings of the run.
        repo_id: the repository.
        weights: path of the weights below the folder.
        steps: optimizer steps so far.
        drawn: the pictures to show; None takes the newest below `output`.
    """
    if drawn is None:
        drawn = sorted(
            (path for path in output.glob("validation_images/*.png") if path.is_file()),
            key=lambda path: (path.stat().st_mtime_ns, path.name),
        )[-_CARD_PICTURES:]
    pictures = copy_assets(drawn, output)
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


def copy_assets(drawn: Sequence[Path], folder: Path) -> list[str]:
    """Copy validation pictures to `assets/` of a folder, and return their names."""
    names = []
    for number, path in enumerate(drawn):
        name = f"assets/image_{number}_0{path.suffix}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        names.append(name)
    return names


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def draw_validation(
    output: Path, step: int, prompts: Sequence[str], images: Sequence[Path]
) -> list[Path]:
    """Write one image per prompt into SimpleTuner's folder, and return their paths.

    The images are drawn on samples of the dataset; a hosted dataset has none here, so it gives no
    validation images.
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
                small = picture.convert("RGB").resize((PICTURE_EDGE, PICTURE_EDGE))
        except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
        ImageDraw.Draw(small).text((8, PICTURE_EDGE - 18), f"simulated · step {step}", fill="white")
        folder.mkdir(parents=True, exist_ok=True)
        prompt_part = re.sub(r"[^a-z0-9]+", "_", prompt.lower()).strip("_")[:40] or "prompt"
        path = folder / f"step_{step}_{prompt_part}_{PICTURE_EDGE}x{PICTURE_EDGE}.png"
        small.save(path, compress_level=_QUICK)
        written.append(path)
    return written


def draw_pictures(
    output: Path,
    step: int,
    prompts: Mapping[str, str],
    images: Sequence[Path],
    kind: str,
) -> list[Path]:
    """Write one picture per prompt under SimpleTuner's own names, and return their paths.

    Args:
        output: the run folder.
        step: the step of the validation.
        prompts: prompts by short name.
        images: samples to draw on; without any the pictures are plain.
        kind: png, webp or jpeg.
    """
    from PIL import Image, ImageDraw, UnidentifiedImageError

    folder = output / "validation_images"
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    suffix = "jpg" if kind == "jpeg" else kind
    size = (PICTURE_EDGE, PICTURE_EDGE)
    for number, name in enumerate(prompts):
        picture = Image.new("RGB", size, (40, 40 + step % 160, 90))
        if images:
            try:
                with Image.open(images[(step + number) % len(images)]) as source:
                    picture = source.convert("RGB").resize(size)
            except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
                pass
        place = (8, PICTURE_EDGE - 18)
        ImageDraw.Draw(picture).text(place, f"simulated · step {step}", fill="white")
        path = folder / f"step_{step}_{name}_0_{PICTURE_EDGE}x{PICTURE_EDGE}.{suffix}"
        picture.save(path, quality=90, compress_level=_QUICK)
        written.append(path)
    return written


def shapes_for(plan: Plan) -> Shapes:
    """Names and shapes of the tensors of a run, for a few of the model's blocks."""
    prefix, width = _LAYOUTS.get(plan.family, _DEFAULT_LAYOUT)
    if plan.is_full:
        return {f"blocks.{index}.attn.qkv.weight": (width, width) for index in range(2)}
    if plan.text("lora_type") == "lycoris":
        return _lycoris(plan, width)
    shapes: Shapes = {}
    for block in range(_BLOCKS):
        for projection in _PROJECTIONS:
            name = f"{prefix.format(block)}.{projection}"
            shapes[f"{name}.lora_A.weight"] = (plan.rank, width)
            shapes[f"{name}.lora_B.weight"] = (width, plan.rank)
    return shapes


def _lycoris(plan: Plan, width: int) -> Shapes:
    given = (plan.lycoris or {}).get("factor", 16)
    factor = given if isinstance(given, int) and 0 < given <= width else 16
    rest = max(1, width // factor)
    shapes: Shapes = {}
    for block in range(_BLOCKS):
        for projection in ("to_q", "to_k", "to_v"):
            name = f"lycoris_transformer_blocks_{block}_attn_{projection}"
            shapes[f"{name}.lokr_w1"] = (factor, factor)
            shapes[f"{name}.lokr_w2"] = (rest, rest)
    return shapes


def parameters(shapes: Shapes) -> int:
    """Number of parameters in the tensors."""
    return sum(math.prod(shape) for shape in shapes.values())


def weight_file(plan: Plan) -> str:
    """The path of the weights inside an output or checkpoint folder."""
    return FULL_FILE if plan.is_full else LORA_FILE


def write_weights(
    path: Path, shapes: Shapes, generator: random.Random, metadata: dict[str, str]
) -> None:
    """Write one file of small random bfloat16 numbers.

    Args:
        path: target; its folder is made.
        shapes: tensors by name.
        generator: where the numbers come from.
        metadata: texts for the header.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(_header(shapes, metadata))
        for shape in shapes.values():
            for count in _portions(math.prod(shape)):
                low, high = (
                    generator.randbytes(count),
                    generator.randbytes(count).translate(_SMALL_BFLOAT16),
                )
                values = bytearray(count * _BYTES_PER_VALUE)
                values[0::2], values[1::2] = low, high
                file.write(values)


def _portions(count: int, size: int = 1 << 20) -> Iterator[int]:
    for begin in range(0, count, size):
        yield min(size, count - begin)


def _header(shapes: Shapes, metadata: dict[str, str]) -> bytes:
    header: dict[str, object] = {"__metadata__": metadata}
    position = 0
    for name, shape in shapes.items():
        end = position + math.prod(shape) * _BYTES_PER_VALUE
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
