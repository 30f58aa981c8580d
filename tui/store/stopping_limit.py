"""The cost limit that ends running jobs, as the engine last told it in a fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.base.formatting import dollars

if TYPE_CHECKING:
    from tui.store.reader import StoreReader

_FACT: Final = "spending"


def stopping_limit(reader: StoreReader) -> str:
    """Return the limit at which running jobs are cancelled, `$50 / 7 d`; "" where none does."""
    fact = reader.fact(_FACT)
    value = fact.value if fact is not None else None
    if not (isinstance(value, dict) and value.get("enabled") and value.get("stop_running")):
        return ""
    return f"{dollars(int(value['limit_micros']))} / {value['window']}"
