"""The cost limit that ends running jobs, as the engine last told it in a fact."""

from __future__ import annotations

from tui.base.formatting import dollars

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final

    from tui.store.reader import StoreReader

_FACT: Final = "spending"


def stopping_limit(reader: StoreReader) -> str:
    """Return the limit at which running jobs are cancelled, `$50 / 7 d`; "" where none does."""
    fact = reader.fact(_FACT)
    return limit_words(fact.value if fact is not None else None)


def limit_words(value: object) -> str:
    """Return the same of the fact's value."""
    if not (isinstance(value, dict) and value.get("enabled") and value.get("stop_running")):
        return ""
    return f"{dollars(int(value['limit_micros']))} / {value['window']}"
