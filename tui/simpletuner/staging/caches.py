"""Keeps the trainer's caches out of its run folder, which every delivery to S3 or here sends.

By default the trainer writes latents, text embeddings and the copy of a Hub dataset below its run
folder, and each validation sends that folder again. Source: SimpleTuner 4.10.1,
`helpers/data_backend/factory.py` (cache_dir_vae, the default text embed backend) and huggingface.py
(cache_dir).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.errors import Note
from tui.simpletuner.request.container import is_outside
from tui.simpletuner.staging.names import plain_part

LATENT_TYPES: Final = frozenset({"image", "video", "audio", "conditioning", "eval"})
HUB_FOLDER: Final = "cache/hub"
_LATENTS: Final = "cache/vae"
_TEXTS: Final = "cache/text"
_TEXT_ID: Final = "staged-texts"
_EMBEDS: Final = "cache/embeds"
_IMAGE_EMBEDS: Final = frozenset({"image_embeds", "conditioning_image_embeds"})
_COPY: Final = "huggingface.cache_dir"

Row = Mapping[str, Any]


def with_caches(
    rows: Sequence[Row], staged: Collection[str], options: Mapping[str, Any]
) -> list[JsonObject]:
    """Return dataloader entries whose caches lie outside the run folder.

    Every staged dataset gets a folder for its latents, since the trainer refuses a folder that two
    of them name, and the text embeddings an entry of their own. Hub datasets of the user's beside
    them get what they do not name: their copy in the run folder would be sent at each validation.
    Relative folders that an entry names already are kept: they lie in the container's working
    folder.

    Args:
        rows: the entries.
        staged: ids of the staged datasets.
        options: the config's options by plain name.
    """
    complete = [dict(row) for row in rows]
    ours = [row for row in complete if row.get("id") in staged]
    folders = _Folders(row for row in complete if row.get("id") not in staged)
    for row in ours:
        if _kind(row) in LATENT_TYPES:
            row["cache_dir_vae"] = folders.own(row, as_text(row.get("cache_dir_vae")))
        if row.get("type") == "huggingface":
            row["huggingface"] = {**(row.get("huggingface") or {}), "cache_dir": HUB_FOLDER}
    for row in complete:
        if row.get("id") not in staged:
            for key in uploaded_caches(row):
                if key == _COPY:
                    row["huggingface"] = {**(row.get("huggingface") or {}), "cache_dir": HUB_FOLDER}
                else:
                    row[key] = folders.own(row, None)
    for row in complete:
        local = row.get("type", "local") == "local"
        if local and _kind(row) in _IMAGE_EMBEDS and not as_text(row.get("cache_dir")):
            row["cache_dir"] = folders.free(f"{_EMBEDS}/{plain_part(str(row.get('id')))}")
    texts = [row for row in complete if _kind(row) == "text_embeds"]
    shared = as_text(options.get("cache_dir_text"))
    for row in texts if not shared or is_outside(shared) else ():
        if not as_text(row.get("cache_dir")) and row.get("type", "local") == "local":
            row["cache_dir"] = folders.free(f"{_TEXTS}/{plain_part(str(row.get('id')))}")
    if all(as_bool(row.get("disabled")) for row in texts):
        ids = {row.get("id") for row in complete}
        complete.append({
            "id": next(name for name in _numbered(_TEXT_ID) if name not in ids),
            "dataset_type": "text_embeds", "type": "local", "default": True,
            "cache_dir": folders.free(f"{_TEXTS}/staged"),
        })  # fmt: skip
    return complete


def uploaded_caches(row: Row) -> list[str]:
    """The keys that keep a Hub dataset's caches out of the run folder, and that it does not name.

    Other types keep their latents elsewhere: those of a bucket lie in the bucket.
    """
    if row.get("type") != "huggingface" or _kind(row) not in LATENT_TYPES:
        return []
    if as_bool(row.get("disabled")):
        return []
    block = row.get("huggingface")
    copy = as_text(row.get("cache_dir")) or (
        as_text(block.get("cache_dir")) if isinstance(block, Mapping) else None
    )
    found = [] if as_text(row.get("cache_dir_vae")) else ["cache_dir_vae"]
    return found if copy else [*found, _COPY]


def sent_back(rows: Sequence[Row]) -> list[str]:
    """Ids of the Hub datasets whose caches would be sent with the results at each validation."""
    return [str(row.get("id")) for row in rows if uploaded_caches(row)]


def cache_note(rows: Sequence[Row], named: Collection[str]) -> Note:
    """Say where the caches of these datasets are: they are no part of what is delivered."""
    ours = [row for row in rows if row.get("id") in named]
    texts = [row for row in rows if _kind(row) == "text_embeds"]
    found = [as_text(row.get("cache_dir_vae")) for row in ours]
    found += [as_text(row.get("cache_dir")) for row in texts]
    if any(row.get("type") == "huggingface" for row in ours):
        found.append(HUB_FOLDER)
    listed = ", ".join(sorted({folder for folder in found if folder}))
    message = f"the trainer's caches stay out of what it delivers, in {listed}"
    return Note("ok", message)


class _Folders:
    """Folders of the container that no two caches may share."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._taken = {
            folder.rstrip("/").replace("{id}", str(row.get("id")))
            for row in rows
            for key in ("cache_dir", "cache_dir_vae")
            if (folder := as_text(row.get(key)))
        }

    def own(self, row: Row, wanted: str | None) -> str:
        """A folder of a dataset's own: the one that it names, if it is free."""
        plain = plain_part(str(row.get("id"))) or "data"
        folder = (wanted or f"{_LATENTS}/{plain}").rstrip("/")
        return self.free(folder.replace("{id}", str(row.get("id"))))

    def free(self, wanted: str) -> str:
        """The wanted folder, or one beside it when another cache has it."""
        folder = next(folder for folder in _numbered(wanted) if folder not in self._taken)
        self._taken.add(folder)
        return folder


def _numbered(name: str) -> Iterator[str]:
    return chain([name], (f"{name}-{number}" for number in count(2)))


def _kind(row: Row) -> str:
    return (as_text(row.get("dataset_type")) or "image").lower()
