"""The model card that goes with a publication on the Hub."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from tui.destinations.card.loss_chart import draw_loss
from tui.destinations.card.model_card import CARD, card_state, render_card
from tui.destinations.common.contract import Destination, LocalFile
from tui.destinations.hub.destination import HubDestination
from tui.engine.transfers.attempt import Companions
from tui.engine.transfers.card_facts import facts_of
from tui.settings import Home
from tui.simpletuner.log.grammar import loaded_model
from tui.store.reader import StoreReader
from tui.store.transfer_records import TransferRecord

_LEFT_ALONE = "The model card there was written or edited by somebody; it is left alone."
_PICTURE = "loss.png"
_BEGINNING = 4 * 1024 * 1024
"""Bytes of a log in which the base model is named: before the first step."""


class Cards:
    """Writes the files that we add to a publication. Blocking; each call opens the store anew."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def prepare(self, record: TransferRecord, destination: Destination) -> Companions:
        """A card and a picture of the loss; nothing where no card is wanted.

        A job may have a card among its files, written by the trainer. It goes instead of ours, and
        by the same rule: what somebody wrote there is replaced only when that was said.

        Raises:
            PublishError: the far end cannot say whose card it has.
        """
        names = list(record.options.get("files", []))
        theirs = CARD in names
        wanted = theirs or record.options.get("card", True)
        if not wanted or not isinstance(destination, HubDestination):
            return Companions()
        there = destination.read_text(CARD)
        if not card_state(there).may_replace and not record.options.get("overwrite_card"):
            if theirs and there == self._text_of(record):
                return Companions()
            return Companions(notes=[_LEFT_ALONE], leave=frozenset({CARD}))
        return Companions() if theirs else self._made(record, names)

    def _text_of(self, record: TransferRecord) -> str | None:
        """The card among a transfer's own files."""
        reader = StoreReader(self._home.database)
        try:
            items = reader.transfer_items(record.transfer_id)
        finally:
            reader.close()
        source = next((one.source for one in items if one.name == CARD), "")
        try:
            return Path(source).read_text(encoding="utf-8") if source else None
        except (OSError, UnicodeDecodeError):
            return None

    def _made(self, record: TransferRecord, names: list[str]) -> Companions:
        reader = StoreReader(self._home.database)
        try:
            job = reader.job(record.job_id)
            if job is None:
                return Companions(notes=["The job's record is gone, so there is no model card."])
            steps, losses = reader.metrics(record.job_id, "loss")
            sources = {one.name: one.source for one in reader.transfer_items(record.transfer_id)}
        finally:
            reader.close()
        folder = self._folder(record.transfer_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        picture = draw_loss(list(zip(steps, losses, strict=True)))
        files = []
        if picture is not None and _PICTURE not in names:
            files.append(_write(folder, _PICTURE, picture))
        private = bool(record.options.get("place", {}).get("private", True))
        picture_name = _PICTURE if files else None
        loaded = loaded_model(_beginning(self._home.log_file(job.job_id)))
        facts = facts_of(
            job, names, sources, loss_picture=picture_name, private=private, loaded=loaded
        )
        return Companions([*files, _write(folder, CARD, render_card(facts).encode())])

    def forget(self, transfer_id: str) -> None:
        """Remove what was made for a transfer; it is made anew should it be needed again."""
        shutil.rmtree(self._folder(transfer_id), ignore_errors=True)

    def forget_all_but(self, transfer_ids: Collection[str]) -> None:
        """Remove what was made for others than these: left by an engine that was killed."""
        folder = self._home.root / "cards"
        for one in folder.iterdir() if folder.is_dir() else ():
            if one.name not in transfer_ids:
                shutil.rmtree(one, ignore_errors=True)

    def _folder(self, transfer_id: str) -> Path:
        return self._home.root / "cards" / transfer_id


def _beginning(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_BEGINNING)
    except OSError:
        return b""


def _write(folder: Path, name: str, data: bytes) -> LocalFile:
    path = folder / name
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)
    return LocalFile(path, name)
