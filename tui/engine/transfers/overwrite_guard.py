"""What a publication must not do: destroy what lies at its destination, or send something else."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tui.destinations.common.contract import Destination, Item
from tui.destinations.common.errors import PublishError, Trouble
from tui.store.transfer_records import TransferRecord
from tui.store.transfers import TransferTables


def guard(
    items: Sequence[Item],
    destination: Destination,
    tables: TransferTables,
    record: TransferRecord,
    mine: Collection[str],
) -> None:
    """Stop a transfer that would replace what cannot be had again.

    Other files of the same names may be replaced only when the user said so (`overwrite`), and the
    only copy of another file that was published there never.

    Args:
        items: as planned.
        destination: where to.
        tables: what was published before.
        record: the transfer.
        mine: names that this transfer has sent already; what came of that may be mended.

    Raises:
        PublishError: it would (`Trouble.TAKEN`).
    """
    if destination.keeps_history:
        return
    replaced = [item for item in items if item.replaces and item.name not in mine]
    if replaced and not record.options.get("overwrite"):
        raise taken(replaced)
    for item in replaced:
        owner = tables.only_copy_of(item.store, item.target)
        if owner:
            raise _only_copy(item, owner)


def differs(name: str) -> PublishError:
    """A file here is not what was collected any more: publishing it would tell an untruth."""
    return PublishError(
        f"{name} here is not the file that was collected: its content is another.",
        "If you changed it on purpose, send it with the place's own tools; else move it away and "
        "fetch it again (f, or `simpletuner-tui collect`).",
        Trouble.CHANGED,
    )


def _only_copy(item: Item, job: str) -> PublishError:
    return PublishError(
        f"{item.target} is the only copy of a file of the job {job}; it is not replaced.",
        "Publish to another folder, or bring that file elsewhere first.",
        Trouble.TAKEN,
    )


def taken(replaced: Sequence[Item]) -> PublishError:
    """Other files lie there under the same names."""
    first = replaced[0].target
    more = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
    return PublishError(
        f"Another {first}{more} lies there already.",
        "Publish to another folder, or publish again and let it be replaced (--overwrite).",
        Trouble.TAKEN,
    )
