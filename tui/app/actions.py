"""Every action of the app, in one place.

Key bindings, the footer, the `?` help, the command palette and the command line that does the same
are all made from this registry, so none of them can say something else than the others. What an
action does lives in the screen that offers it, in a method `do_<name>`; whether it can be done now
is that screen's `why_not`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "simpletuner-tui"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do.

    Attributes:
        id: `<group>.<name>`, the name used in settings (`[ui.keys]`).
        label: the short word of the footer and the palette.
        keys: keys that do it, in Textual's names; the first one is shown.
        help: a sentence.
        command: the command line that does or shows the same; `{job}` stands for the job's id.
            Empty when there is none.
        footer: rank in the footer, 1 the most important; 0 keeps it out.
    """

    id: str
    label: str
    keys: tuple[str, ...]
    help: str
    command: str = ""
    footer: int = 0

    @property
    def group(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The part of the id after the dot."""
        return self.id.partition(".")[2]

    @property
    def method(self) -> str:
        """The method that does it."""
        return f"do_{self.name}"


GROUP_TITLES: Final = {
    "app": "Everywhere",
    "move": "Moving",
    "jobs": "Jobs",
    "cloud": "Cloud",
    "publishing": "Publishing",
    "job": "Job page",
    "log": "Log",
    "chart": "Metrics",
    "new": "New job",
}

APP: Final = (
    Action("app.cloud", "Cloud", ("1",), "Account, hardware, versions and the listener."),
    Action("app.jobs", "Jobs", ("2",), "Back to the list of jobs.", f"{PROGRAM} jobs"),
    Action("app.publishing", "Publishing", ("3",), "Files collected from finished jobs."),
    Action(
        "app.palette", "commands", ("ctrl+p", "colon"), "Find any action by its name and run it."
    ),
    Action("app.help", "help", ("question_mark",), "The keys that work here.", footer=90),
    Action("app.notices", "notices", ("ctrl+n",), "Messages shown so far, the newest first."),
    Action("app.theme", "theme", ("T",), "Next theme: dark, light, the terminal's own colours."),
    Action("app.mouse", "mouse", ("m",), "Let the mouse go, so that the terminal selects text."),
    Action(
        "app.redraw", "redraw", ("ctrl+l",), "Draw the screen again, if something disturbed it."
    ),
    Action("app.quit", "quit", ("q",), "Leave. Jobs and transfers go on.", footer=80),
)

MOVE: Final = (
    Action("move.down", "down", ("j", "down"), "One line down."),
    Action("move.up", "up", ("k", "up"), "One line up."),
    Action("move.top", "top", ("g", "home"), "First line: press g twice, or home."),
    Action("move.bottom", "bottom", ("G", "end"), "Last line."),
    Action("move.half_down", "half page down", ("ctrl+d",), "Half a page down."),
    Action("move.half_up", "half page up", ("ctrl+u",), "Half a page up."),
    Action("move.page_down", "page down", ("pagedown", "ctrl+f"), "One page down."),
    Action("move.page_up", "page up", ("pageup", "ctrl+b"), "One page up."),
)

JOBS: Final = (
    Action(
        "jobs.open",
        "open",
        ("enter", "l", "right"),
        "Open the job: log, metrics, stages, config, files, events.",
        f"{PROGRAM} job {{job}}",
        footer=1,
    ),
    Action("jobs.new", "new", ("n",), "Start a job.", f"{PROGRAM} submit CONFIG", footer=2),
    Action(
        "jobs.cancel",
        "cancel",
        ("c",),
        "Cancel the job, or the marked jobs, after a question.",
        f"{PROGRAM} cancel {{job}}",
        footer=3,
    ),
    Action("jobs.filter", "filter", ("slash",), "Narrow the list: flux state:failed cost>2.",
           f"{PROGRAM} jobs", footer=4),
    Action(
        "jobs.collect",
        "fetch files",
        ("f",),
        "Fetch what the job produced to this machine.",
        f"{PROGRAM} collect {{job}}",
        footer=5,
    ),
    Action("jobs.mark", "mark", ("space",), "Mark the job for an action on several.", footer=6),
    Action("jobs.unmark", "unmark all", ("U",), "Take all marks away."),
    Action(
        "jobs.delete",
        "delete",
        ("d",),
        "Remove the records of finished jobs, after a question. Delivered files stay.",
        footer=9,
    ),
    Action("jobs.sort", "sort", ("s",), "Sort by the next column.", footer=8),
    Action("jobs.reverse", "reverse", ("S",), "Turn the order round."),
    Action("jobs.sync", "sync", ("R",), "Bring in jobs that were started elsewhere."),
    Action("jobs.web", "web page", ("o",), "Show and copy the job's page at Replicate."),
    Action("jobs.copy", "copy id", ("y",), "Copy the job's id.", footer=10),
    Action(
        "jobs.copy_command",
        "copy command",
        ("Y",),
        "Copy the command line that shows this job.",
        f"{PROGRAM} job {{job}}",
    ),
    Action("jobs.fold", "preview", ("z",), "Fold or unfold the preview."),
    Action("jobs.clear", "back", ("escape",), "Leave the filter, then clear it, then the marks."),
)  # fmt: skip

CLOUD: Final = (
    Action("cloud.edit", "change", ("e", "enter"), "Change what this card is about.", footer=1),
    Action("cloud.check_all", "check all", ("v",), "Make every check again, side by side.",
           f"{PROGRAM} doctor", footer=2),
    Action("cloud.check", "check", ("c",), "Make the checks of this card again.", footer=3),
    Action("cloud.next", "next card", ("tab", "l", "right"), "Go to the next card.", footer=4),
    Action("cloud.previous", "card before", ("shift+tab", "h", "left"), "Go to the card before."),
    Action("cloud.days", "days", ("w",), "The spending chart over 7, 30 or 90 days.",
           f"{PROGRAM} spending", footer=5),
    Action("cloud.copy", "copy", ("y",), "Copy what the card has to copy: a command, an address, "
           "or the path of the settings file.", footer=6),
    Action("cloud.back", "back", ("escape",), "Back to where you came from.", footer=70),
)  # fmt: skip

PUBLISHING: Final = (
    Action("publishing.open", "open folder", ("o",), "Show the folder of the file in the desktop.",
           footer=2),
    Action("publishing.switch", "files", ("tab", "l", "right", "enter"),
           "Go from the jobs to the files of the job, and back.", footer=1),
    Action("publishing.left", "jobs", ("h", "left", "shift+tab"), "Go to the jobs."),
    Action("publishing.copy", "copy path", ("y",), "Copy the path of the file.", footer=3),
    Action("publishing.copy_hash", "copy sha256", ("x",), "Copy the file's SHA-256.", footer=4),
    Action("publishing.copy_command", "copy command", ("Y",),
           "Copy the command line that lists these files.", f"{PROGRAM} job {{job}} --json"),
    Action("publishing.back", "back", ("escape",), "Back to where you came from.", footer=70),
)  # fmt: skip

REGISTRY: Final = (*APP, *MOVE, *JOBS, *CLOUD, *PUBLISHING)
"""All actions, in the order the help shows them."""


def by_id(actions: Iterable[Action], action_id: str) -> Action:
    """The action with that id.

    Raises:
        KeyError: there is none.
    """
    for action in actions:
        if action.id == action_id:
            return action
    raise KeyError(action_id)


def in_footer(actions: Iterable[Action]) -> Iterator[Action]:
    """Actions that the footer shows, the most important first."""
    shown = [action for action in actions if action.footer]
    return iter(sorted(shown, key=lambda action: action.footer))
