"""Reads an image file's size and finds damaged files.

Pillow decodes only the header. The whole image is decoded when the file does not end as its format
requires, or when the format has no end mark (BMP, TIFF).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jxl"}
)
"""File name endings that the trainer reads as images."""

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".webm", ".mkv", ".m4v", ".gif"})
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus"})

FOREIGN_SUFFIXES = frozenset({".heic", ".heif", ".gif", ".svg", ".psd", ".raw", ".cr2", ".nef"})
"""Image formats that the trainer does not read; a skipped file gets a reason of its own."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "MPO", "GIF")
_JXL_MAGIC = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
_TAIL_BYTES = 64
_ORIENTATION = 0x0112  # EXIF 2.3, table 4


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Size of an image, or why it cannot be read.

    Attributes:
        width: in pixels, as the image is shown; 0 when unknown (JPEG XL, video, audio).
        height: in pixels; 0 when unknown.
        problem: why the trainer cannot read the file; None when it can.
    """

    width: int
    height: int
    problem: str | None = None


def probe_image(path: str) -> ImageFacts:
    """Read the image at `path`. It does not raise: a failure is the result's `problem`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a Path costs as much as the header
            return probe_file(file, path)
    except OSError as error:
        return ImageFacts(0, 0, f"cannot be read: {error.strerror or 'damaged'}")


def probe_file(file: BinaryIO, path: str) -> ImageFacts:
    """Read the image in an open file whose name is `path`; a failure is the result's `problem`."""
    from PIL import Image, UnidentifiedImageError  # costs 30 ms, only scans need it

    if path.lower().endswith(".jxl"):
        known = file.read(12).startswith(_JXL_MAGIC)
        return ImageFacts(0, 0, None if known else "not a JPEG XL image inside")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as image:
                width, height = image.size
                kind = image.format or ""
                if _lies_on_its_side(image):
                    width, height = height, width
                if kind == "GIF":
                    return ImageFacts(width, height, "a GIF under another name")
                if not _ends_well(file, kind):
                    file.seek(0)
                    with Image.open(file, formats=_FORMATS) as again:
                        again.load()
    except UnidentifiedImageError:
        return ImageFacts(0, 0, "not an image inside, or its header is damaged")
    except Image.DecompressionBombError:
        return ImageFacts(0, 0, "more pixels than any honest photograph")
    except Exception:  # noqa: BLE001  decoders raise anything on damaged files
        return ImageFacts(0, 0, "damaged: the file ends too early or cannot be decoded")
    return ImageFacts(width, height)


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether the EXIF orientation turns the image by a quarter; the trainer turns it as well."""
    if not (image.info.get("exif") or image.format in ("TIFF", "MPO")):
        return False
    return image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)


def _ends_well(file: BinaryIO, kind: str) -> bool:
    """Whether the last bytes are the end mark of this format."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    if kind == "PNG":
        return b"IEND" in tail
    if kind in ("JPEG", "MPO"):
        return b"\xff\xd9" in tail
    if kind == "WEBP":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 <= size
    return kind == "AVIF" and _boxes_fit(file, size)


def _boxes_fit(file: BinaryIO, size: int) -> bool:
    """Whether the top-level boxes of an ISO media file (ISO/IEC 14496-12) end with the file."""
    place = 0
    while place < size:
        file.seek(place)
        length = int.from_bytes(file.read(4), "big")
        if length == 0:  # the box extends to the end of the file
            return True
        if length == 1:
            file.seek(place + 8)
            length = int.from_bytes(file.read(8), "big")
        place += max(length, 8)
    return place == size
