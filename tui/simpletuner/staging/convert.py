"""Converts pictures that the trainer's loader cannot take.

The trainer's Hub reader writes each picture as PNG, and Pillow cannot write some modes so: a CMYK
JPEG is counted into its bucket and then fails to load (tried with SimpleTuner 4.10.1).
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Final

from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Transform

_ANY_MODE: Final = frozenset({".jpg", ".jpeg", ".tif", ".tiff"})
"""Suffixes of formats that can hold a mode that PNG cannot."""
_PNG_MODES: Final = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "P", "RGB", "RGBA"})


def needed_transform(path: str, suffix: str) -> Transform:
    """Return what must be done to a picture before it is sent. It reads the header only.

    Raises:
        SimpleTunerError: the picture cannot be read.
    """
    if suffix not in _ANY_MODE:
        return "as-is"
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return "as-is" if image.mode in _PNG_MODES else "rgb"
    except Exception as error:
        raise SimpleTunerError(f"{path} cannot be read", "Repair it or take it out.") from error


def converted(path: str) -> bytes:
    """Return a picture as an RGB PNG, turned as its EXIF orientation says.

    The same picture gives the same bytes with the same version of Pillow.

    Raises:
        SimpleTunerError: the picture cannot be decoded.
    """
    from PIL import Image, ImageOps

    target = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                turned = ImageOps.exif_transpose(image) or image
                turned.convert("RGB").save(target, "PNG")
    except Exception as error:
        raise SimpleTunerError(
            f"{path} cannot be converted to RGB", "Repair it or take it out."
        ) from error
    return target.getvalue()


def sent_bytes(path: str, transform: Transform) -> bytes:
    """Return the bytes of a small file as they are sent."""
    return converted(path) if transform == "rgb" else Path(path).read_bytes()


def hashed(path: str, transform: Transform) -> tuple[str, int]:
    """Return SHA-256 (hex) and size of the bytes as they are sent.

    Raises:
        OSError: the file cannot be read.
        SimpleTunerError: it cannot be converted.
    """
    if transform == "rgb":
        content = converted(path)
        return hashlib.sha256(content).hexdigest(), len(content)
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()
