"""Reads a picture file into the pixels of a few cells.

A picture is a stranger's file, so only three formats are read, up to a size, a number of pixels and
completely or not at all. Decoding takes up to 100 ms: call it in a thread.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MAX_BYTES: Final = 32 << 20
MAX_PIXELS: Final = 64_000_000
CELL_RATIO: Final = 2
"""A cell is about twice as high as wide, and shows two pixels, one above the other."""


class PictureError(Exception):
    """A picture cannot be shown; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture scaled to cells.

    Attributes:
        width: pixels in a row, one for each cell.
        height: rows of pixels, an even number: two for each cell.
        rgb: three bytes for each pixel, row by row.
        palette: for each pixel the number of the nearest of the terminal's 256 colours.
        original: width and height of the file's picture.
    """

    width: int
    height: int
    rgb: bytes
    palette: bytes
    original: tuple[int, int]

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return self.height // CELL_RATIO


def decode(path: Path, columns: int, rows: int) -> Pixels:
    """Read a picture and scale it into a box of cells, keeping its proportions.

    Args:
        path: the file.
        columns: cells from left to right.
        rows: cells from top to bottom.

    Raises:
        PictureError: the file is missing, too large, incomplete, or no picture of a known format.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if not stat.S_ISREG((found := path.stat()).st_mode):  # a pipe would never end
            raise PictureError("no picture that can be read")
        if (size := found.st_size) > MAX_BYTES:
            raise PictureError(f"too large to show ({size >> 20} MiB)")
        with Image.open(path, formats=FORMATS) as picture:
            original = picture.size
            if original[0] * original[1] > MAX_PIXELS:
                raise PictureError(f"too many pixels to show ({original[0]}×{original[1]})")
            box = (max(1, columns), max(1, rows) * CELL_RATIO)
            picture.draft("RGB", (box[0] * 2, box[1] * 2))
            scaled = picture.convert("RGBA").resize(_fit(original, box), reducing_gap=2.0)
    except FileNotFoundError:
        raise PictureError("not here yet") from None
    except UnidentifiedImageError:
        raise PictureError("no picture that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError("too many pixels to show") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, MemoryError):
        # Pillow's readers raise all of these for files that are cut off or damaged.
        raise PictureError("incomplete or damaged") from None
    flat = Image.new("RGB", scaled.size)
    flat.paste(scaled, mask=scaled.getchannel("A"))
    even = flat.size[1] + flat.size[1] % CELL_RATIO
    if even != flat.size[1]:
        flat = flat.crop((0, 0, flat.size[0], even))
    numbers = flat.quantize(palette=_xterm_palette(), dither=Image.Dither.NONE)
    return Pixels(
        flat.size[0],
        flat.size[1],
        flat.tobytes(),
        numbers.tobytes().translate(_TO_TERMINAL),
        original,
    )


def _fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    scale = min(box[0] / size[0], box[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


_FIRST_COLOUR: Final = 16
"""The first 16 colours of a terminal are its theme's; the other 240 are the same everywhere."""
_TO_TERMINAL: Final = bytes(min(255, number + _FIRST_COLOUR) for number in range(256))
_LEVELS: Final = (0, 95, 135, 175, 215, 255)


@cache
def _xterm_palette() -> Image.Image:
    """A picture whose palette are the 240 fixed colours."""
    from PIL import Image

    cube = [(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS]
    greys = [(level, level, level) for level in range(8, 239, 10)]
    colours = [*cube, *greys]
    colours += [colours[-1]] * (256 - len(colours))
    holder = Image.new("P", (1, 1))
    holder.putpalette([part for colour in colours for part in colour])
    return holder
