"""Addresses of pages that the program names to people."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final


BILLING_PAGE: Final = "https://replicate.com/account/billing"
"""Where Replicate shows what was billed and sells credit; its API has no call for either."""
