"""What leaves this machine in words: for the form, a plan of a sweep, the command line, the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.base.formatting import plural, size

if TYPE_CHECKING:
    from tui.api.check_report import LeavingData
    from tui.api.sweeps import LeavingOnce

STAYS = "Stays on this machine"
LEAVES = "Leaves this machine"


def leaving_words(data: LeavingData | LeavingOnce) -> tuple[str, str]:
    """Return whether data leave or stay, as a heading, and what, where to and for how long."""
    what = f"{plural(data['images'], 'image')}, {plural(data['captions'], 'caption')}"
    what = f"{what}, {size(data['bytes'])}"
    if not data["images"] and not data["bytes"]:
        what = "no images, only the settings"
    if data["stays_here"]:
        return STAYS, f"{what}; the sandbox, which runs here, reads them"
    until = data["until"]
    stays = f"it stays there {until}" if until else "deleted there after the job"
    return LEAVES, f"{what} → {data['destination']}, {stays}"


def leaving_once_words(data: LeavingOnce) -> tuple[str, str]:
    """Return the same of data that several runs read, and how often they are sent."""
    heading, what = leaving_words(data)
    if data["times"] > 1:
        return heading, f"{what}; {data['times']} times, an archive goes with each run"
    if data["runs"] > 1:
        return heading, f"{what}; once for {plural(data['runs'], 'run')}"
    return heading, what


def sentence(heading: str, what: str) -> str:
    """Return both as one entry of a list, without a period."""
    return f"{heading[:1].lower()}{heading[1:]}: {what}"
