"""Writes safetensors files with the tensor names and shapes that a run's settings lead to.

The format is short enough to be written directly, and so without one more library and in a stream:
eight bytes with the header's length, a JSON header, the tensors' bytes in the header's order.
Source: the format's description in the safetensors project.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

from tui.sandbox.trainer.plan import Plan

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
_OTHER = ("transformer.transformer_blocks.{}.attn", 3072)
# Turns random bytes into the high bytes of small bfloat16 numbers, half of them negative.
_SMALL = bytes(0x3C if value % 2 else 0xBC for value in range(256))

Shapes = dict[str, tuple[int, ...]]


def shapes_for(plan: Plan) -> Shapes:
    """Names and shapes of the tensors that this run trains; a few blocks stand for all."""
    prefix, width = _LAYOUTS.get(plan.family, _OTHER)
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
    """How many numbers the tensors hold."""
    return sum(math.prod(shape) for shape in shapes.values())


def weight_file(plan: Plan) -> str:
    """The file's place inside an output or checkpoint folder."""
    return FULL_FILE if plan.is_full else LORA_FILE


def write_weights(
    path: Path, shapes: Shapes, dice: random.Random, metadata: dict[str, str]
) -> None:
    """Write one file of small random bfloat16 numbers.

    Args:
        path: target; its folder is made.
        shapes: tensors by name.
        dice: where the numbers come from.
        metadata: texts for the header.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(_header(shapes, metadata))
        for shape in shapes.values():
            for count in _portions(math.prod(shape)):
                low, high = dice.randbytes(count), dice.randbytes(count).translate(_SMALL)
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
