"""Exit statuses of the command line."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final


FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_AUTHORISED: Final = 3
NETWORK: Final = 4
BLOCKED: Final = 5
UNVERIFIED: Final = 6
"""Everything was sent, and the far end does not let it be verified."""
OUTPUT_LOST: Final = 7
"""In place of 0: everything was done, and what was to be printed could not be written."""
ENDED_BY_SIGNAL: Final = 128
"""And above: the signal's number is added, as shells do."""
INTERRUPTED: Final = 130

BY_CODE: Final = {
    "unauthorised": NOT_AUTHORISED,
    "permission_denied": NOT_AUTHORISED,
    "insufficient_credit": NOT_AUTHORISED,
    "provider_error": NETWORK,
    "rate_limit": NETWORK,
    "engine_gone": NETWORK,
    "cost_limit_exceeded": BLOCKED,
    "validation": USAGE,
    "consent_required": USAGE,
    "confirm_required": USAGE,
    "job_not_found": USAGE,
    "not_found": USAGE,
    "config_not_found": USAGE,
    "no_version": USAGE,
    "no_model": USAGE,
    "no_hub_token": NOT_AUTHORISED,
}
"""By the engine's error code; everything else is `FAILED`."""
