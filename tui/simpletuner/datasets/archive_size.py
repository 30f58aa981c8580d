"""The size of the archive that a scan makes, before it is packed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui.simpletuner.datasets.scan_folder import SourceFile

_DEFLATED: Final = frozenset({".txt", ".json", ".jsonl", ".csv", ".bmp", ".tif", ".tiff", ".wav"})
# Bytes of an entry beside its content and twice its name: local header and directory record.
_ENTRY_OVERHEAD: Final = 30 + 46
_END_OVERHEAD: Final = 22


def stored_size(files: Mapping[str, SourceFile]) -> int:
    """A lower bound of the archive's size in bytes: deflated text counts as nothing."""
    return _END_OVERHEAD + sum(
        _ENTRY_OVERHEAD + 2 * len(name.encode()) + (0 if is_deflated(name) else file.size)
        for name, file in files.items()
    )


def is_deflated(name: str) -> bool:
    """Whether a file is compressed in the archive; pictures are compressed already."""
    dot = name.rfind(".")
    return dot > name.rfind("/") + 1 and name[dot:].lower() in _DEFLATED
