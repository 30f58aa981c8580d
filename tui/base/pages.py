"""Addresses of pages that the program names to people."""

from __future__ import annotations

from typing import Final

BILLING_PAGE: Final = "https://replicate.com/account/billing"
"""Where Replicate shows what was billed and sells credit; its API has no call for either."""
