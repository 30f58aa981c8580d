"""Every action of the app: its id, keys, help and command line.

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
    """An action of the user.

    Attributes:
        id: `<group>.<name>`, the name used in settings (`[ui.keys]`).
        label: the short word of the footer and the palette.
        keys: keys that do it, in Textual's names; the first one is shown. Without any, the action
            is in the palette alone.
        help: a sentence.
        command: the command line that does or shows the same; `{job}` stands for the job's id.
            Empty when there is none.
        footer: rank in the footer, 1 the most important; 0 keeps it out.
        old: keys that it had in the release before. One that is free works on for two releases; it
            and one that does something else by now say once which key is the right one.
    """

    id: str
    label: str
    keys: tuple[str, ...]
    help: str
    command: str = ""
    footer: int = 0
    old: tuple[str, ...] = ()

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
        """The name of the screen's or the app's method that does it."""
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
    "pictures": "Pictures",
    "compare": "Compare",
    "new": "New job",
}
VIEWS: Final = {
    "Jobs": ("jobs", "move"),
    "Cloud": ("cloud", "move"),
    "Publishing": ("publishing", "move"),
    "Job page": ("job", "move"),
    "Job page, Log": ("job", "log", "move"),
    "Job page, Metrics": ("job", "chart"),
    "Job page, Pictures": ("job", "pictures"),
    "Compare": ("compare",),
    "Pictures of runs": ("runs", "pictures"),
    "New job": ("new", "move"),
}
"""The groups whose keys work at the same time, besides those that work everywhere (`app`)."""

APP: Final = (
    Action("app.cloud", "Cloud", ("1",), "Account, hardware, versions and the listener."),
    Action("app.jobs", "Jobs", ("2",), "Back to the list of jobs.", f"{PROGRAM} jobs"),
    Action(
        "app.publishing",
        "Publishing",
        ("3",),
        "What jobs left, where it is published, and what is on its way.",
    ),
    Action(
        "app.palette", "commands", ("ctrl+p", "colon"), "Find any action by its name and run it."
    ),
    Action(
        "app.staged",
        "staged data",
        ("ctrl+t",),
        "Copies of local images that jobs read: where they lie, who reads them, removal.",
        f"{PROGRAM} staged list",
    ),
    Action("app.help", "help", ("question_mark",), "The keys that work here.", footer=90),
    Action("app.notices", "notices", ("ctrl+n",), "Messages shown so far, the newest first."),
    Action(
        "app.theme", "theme", (), "Next theme: dark, light, the terminal's own colours.", old=("T",)
    ),
    Action("app.mouse", "mouse", ("m",), "Let the mouse go, so that the terminal selects text."),
    Action(
        "app.redraw", "redraw", ("ctrl+l",), "Draw the screen again, if something disturbed it."
    ),
    Action(
        "app.suspend",
        "to the shell",
        ("ctrl+z",),
        "Stop the window and return to the shell; fg brings it back.",
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
        "Open the job: log, metrics, stages, config, files, events. A sweep shows its jobs.",
        f"{PROGRAM} job {{job}}",
        footer=1,
    ),
    Action("jobs.new", "new", ("n",), "Start a job.", f"{PROGRAM} submit CONFIG", footer=2),
    Action("jobs.sweep", "new sweep", ("A",),
           "Plan a sweep: several runs as one, every combination of some options' values.",
           f"{PROGRAM} submit CONFIG --sweep lora_rank=16,32"),
    Action("jobs.rerun", "run again", ("r",),
           "Start the same run once more, or go on from a checkpoint; the price is asked first. "
           "A sweep that stopped goes on.",
           f"{PROGRAM} rerun {{job}}", footer=11),
    Action("jobs.edit", "edit & run", ("e",),
           "Open the form with this job's settings; after a failure with the change filled in.",
           footer=12),
    Action(
        "jobs.cancel",
        "cancel",
        ("c",),
        "Cancel the job, or the marked jobs, after a question.",
        f"{PROGRAM} cancel {{job}}",
        footer=3,
    ),
    Action("jobs.filter", "filter", ("slash",),
           "Narrow the list: flux OR sdxl -tag:face config.lora_rank>16.", f"{PROGRAM} jobs",
           footer=4),
    Action(
        "jobs.collect",
        "fetch files",
        ("f",),
        "Fetch what the job produced to this machine.",
        f"{PROGRAM} collect {{job}}",
        footer=5,
    ),
    Action("jobs.publish", "publish", ("p",),
           "Publish what the job, the marked jobs or the best of a sweep left: to the Hub, a "
           "bucket or a folder.",
           f"{PROGRAM} publish {{job}} --to PLACE", footer=5),
    Action("jobs.compare", "compare", ("equals_sign",),
           "Compare the marked jobs or a sweep's; else this one and the one before of its model.",
           f"{PROGRAM} compare {{job}} OTHER", footer=7),
    Action("jobs.mark", "mark", ("space",), "Mark the job for an action on several.", footer=6),
    Action("jobs.note", "note", ("i",), "Name the job, tag it, write a note about it.",
           f"{PROGRAM} note {{job}}"),
    Action("jobs.warnings", "warnings", ("exclamation_mark",),
           "What is wrong with the run; a warning is put away from there.",
           f"{PROGRAM} dismiss {{job}}"),
    Action("jobs.pin", "pin", ("asterisk",),
           "Have the job, or the marked jobs, stand first in any order; again takes the pin away.",
           f"{PROGRAM} pin {{job}}"),
    Action("jobs.unmark", "unmark all", ("U",), "Take all marks away."),
    Action(
        "jobs.delete",
        "delete",
        ("d",),
        "Remove the record of a finished job, after a question. Delivered files stay.",
        f"{PROGRAM} delete {{job}}",
        footer=9,
    ),
    Action("jobs.delete_marked", "delete marked jobs", (),
           "Remove the records of the marked jobs that are finished, after a question."),
    Action("jobs.sort", "sort", ("s",), "Sort by the next column.", footer=8),
    Action("jobs.reverse", "reverse", ("S",), "Turn the order round."),
    Action("jobs.sync", "look again", ("R",), "Bring in jobs that were started elsewhere.",
           f"{PROGRAM} sync"),
    Action("jobs.web", "web page", ("o",), "Show and copy the job's page at Replicate."),
    Action("jobs.copy", "copy id", ("y",), "Copy the job's id.", footer=10),
    Action(
        "jobs.copy_command",
        "copy …",
        ("Y",),
        "Choose what to copy: the command line that shows the job, its id or page.",
        f"{PROGRAM} job {{job}}",
    ),
    Action("jobs.columns", "columns", ("C",), "Choose and order the columns of the list."),
    Action("jobs.save_filter", "save the filter", ("ctrl+s",),
           "Give the filter a name, or another one; an empty one forgets it."),
    Action("jobs.filters", "saved filters", (), "Choose a filter that has a name."),
    Action("jobs.fold", "preview", ("z",), "Fold or unfold the preview."),
    Action("jobs.clear", "back", ("escape",), "Leave the filter, then clear it, then the marks."),
)  # fmt: skip

CLOUD: Final = (
    Action("cloud.edit", "change", ("e", "enter"), "Change what this card is about.", footer=1),
    Action("cloud.check_all", "check all", ("T",), "Make every check again, side by side.",
           f"{PROGRAM} doctor", footer=2, old=("v",)),
    Action("cloud.check", "check", ("t",), "Make the checks of this card again.", footer=3,
           old=("c",)),
    Action("cloud.next", "next card", ("tab", "l", "right"), "Go to the next card.", footer=4),
    Action("cloud.previous", "card before", ("shift+tab", "h", "left"), "Go to the card before."),
    Action("cloud.days", "more days", ("plus",), "The spending chart over 7, 30 or 90 days.",
           f"{PROGRAM} spending", footer=5, old=("w",)),
    Action("cloud.fewer_days", "fewer days", ("minus",), "Fewer days in the spending chart."),
    Action("cloud.copy", "copy", ("y",), "Copy what the card has to copy: a command, an address, "
           "or the path of the settings file.", footer=6),
    Action("cloud.back", "back", ("escape",), "Back to where you came from.", footer=70),
)  # fmt: skip

PUBLISHING: Final = (
    Action("publishing.publish", "publish", ("p",),
           "Publish the job, checkpoint or file: to the Hub, a bucket or a folder.",
           f"{PROGRAM} publish {{job}} --to PLACE", footer=1),
    Action("publishing.open", "open", ("enter", "l", "right"),
           "Unfold a job or checkpoint; everything about a file, a transfer or a test.", footer=2),
    Action("publishing.left", "fold", ("h", "left"), "Fold it, or go to what it belongs to."),
    Action("publishing.next", "next panel", ("tab",),
           "From artifacts to transfers to destinations.", footer=12),
    Action("publishing.previous", "panel before", ("shift+tab",), "The panel before."),
    Action("publishing.best", "best", ("b",),
           "Publish the checkpoint with the lowest loss, smoothed over the steps before it.",
           f"{PROGRAM} publish {{job}} --checkpoint best --to PLACE", footer=4),
    Action("publishing.compare", "compare", ("equals_sign",),
           "The job's checkpoints by step and loss.", f"{PROGRAM} artifacts {{job}}", footer=5),
    Action("publishing.pause", "pause", ("space",), "Pause the transfer, or go on with it.",
           f"{PROGRAM} transfers pause ID", footer=3),
    Action("publishing.cancel", "cancel", ("c",),
           "Cancel the transfer, after a question. Half-sent files are removed there.",
           f"{PROGRAM} transfers cancel ID", footer=4),
    Action("publishing.retry", "again", ("r",), "Try again; what has arrived is not sent again.",
           f"{PROGRAM} transfers retry ID", footer=3),
    Action("publishing.sooner", "sooner", ("K",), "Let the transfer go before the one above it.",
           f"{PROGRAM} transfers up ID", footer=8),
    Action("publishing.later", "later", ("J",), "Let the transfer below it go first.",
           f"{PROGRAM} transfers down ID", footer=9),
    Action("publishing.limit", "speed limit", (), "How fast all transfers together may be.",
           old=("w",)),
    Action("publishing.add", "add place", (), "Add a destination: the Hub, an S3 bucket or a "
           "folder.", f"{PROGRAM} destinations add NAME --kind hub", old=("a",)),
    Action("publishing.edit", "change", ("e",),
           "Change the destination; on transfers, how fast all of them may be.", footer=3),
    Action("publishing.test", "test", ("t",),
           "Write, read back and delete a small file at the destination.",
           f"{PROGRAM} destinations test NAME", footer=4),
    Action("publishing.test_all", "test all", ("T",), "Test every destination, side by side.",
           old=("v",)),
    Action("publishing.clear", "off the list", (),
           "Take a transfer that has ended off the list; what has arrived stays known.",
           f"{PROGRAM} transfers clear ID", old=("z",)),
    Action("publishing.clear_all", "clear list", ("D",),
           "Take all transfers that have ended off the list.", f"{PROGRAM} transfers clear",
           footer=16, old=("Z",)),
    Action("publishing.delete", "delete", ("d",),
           "Delete local copies that are safe elsewhere, or remove a destination; asks first. "
           "Takes a transfer that has ended off the list.", footer=6),
    Action("publishing.free", "free disk space", (),
           "Delete local files of old runs that are safe elsewhere, by age or size; asks first.",
           f"{PROGRAM} free --older-than 30"),
    Action("publishing.fetch", "fetch again", ("f",), "Fetch what is not here, if it can be had.",
           f"{PROGRAM} collect {{job}}", footer=7),
    Action("publishing.filter", "filter", ("slash",), "Narrow the jobs: flux loss<0.2.", footer=11),
    Action("publishing.show", "open folder", ("o",), "Show the folder of the file in the desktop.",
           footer=14),
    Action("publishing.copy", "copy path", ("y",),
           "Copy the path of the file, or the address of what is under the cursor.", footer=13),
    Action("publishing.copy_link", "copy link", (), "Copy the address where it is published.",
           old=("u",)),
    Action("publishing.copy_hash", "copy sha256", (), "Copy the file's SHA-256.", old=("x",)),
    Action("publishing.copy_command", "copy …", ("Y",),
           "Choose what to copy: the command line that shows this, path, addresses, SHA-256.",
           f"{PROGRAM} artifacts {{job}}", footer=15),
    Action("publishing.new", "new", ("n",),
           "What the panel lists, one more: a job, a transfer, a destination.",
           f"{PROGRAM} submit CONFIG", footer=16),
    Action("publishing.back", "back", ("escape",),
           "Clear the filter, go to the artifacts, then back to where you came from.", footer=70),
)  # fmt: skip

REGISTRY: Final = (*APP, *MOVE, *JOBS, *CLOUD, *PUBLISHING)
"""All actions, in the order the help shows them."""


def by_id(actions: Iterable[Action], action_id: str) -> Action:
    """Returns the action with that id.

    Raises:
        KeyError: there is none.
    """
    for action in actions:
        if action.id == action_id:
            return action
    raise KeyError(action_id)


def in_footer(actions: Iterable[Action]) -> Iterator[Action]:
    """Returns the actions that the footer shows, the most important first."""
    shown = [action for action in actions if action.footer and action.keys]
    return iter(sorted(shown, key=lambda action: action.footer))


JOB: Final = (
    Action("job.next_tab", "next tab", ("tab", "right_square_bracket"), "The tab to the right.",
           footer=2),
    Action("job.previous_tab", "tab before", ("shift+tab", "left_square_bracket"),
           "The tab to the left."),
    Action("job.edit", "edit & run", ("e",),
           "Open the form with this job's settings; after a failure with the change filled in.",
           footer=20),
    Action("job.rerun", "run again", ("r",),
           "Start the same run once more, or go on from a checkpoint; the price is asked first.",
           f"{PROGRAM} rerun {{job}}", footer=22),
    Action("job.cancel", "cancel", ("c",), "Cancel the job, after a question.",
           f"{PROGRAM} cancel {{job}}", footer=3),
    Action("job.move", "other hardware", ("M",),
           "Move a job that waits for a machine to other hardware: it is cancelled first.",
           f"{PROGRAM} move {{job}} --to HARDWARE"),
    Action("job.collect", "fetch files", ("f",), "Fetch what the job produced to this machine.",
           f"{PROGRAM} collect {{job}}", footer=23),
    Action("job.publish", "publish", ("p",),
           "Publish the job's files, or the file of the cursor: to the Hub, a bucket or a folder.",
           f"{PROGRAM} publish {{job}} --to PLACE", footer=23),
    Action("job.note", "note", ("i",), "Name the job, tag it, write a note about it.",
           f"{PROGRAM} note {{job}}"),
    Action("job.warnings", "warnings", ("exclamation_mark",),
           "What is wrong with the run; a warning is put away from there.",
           f"{PROGRAM} dismiss {{job}}"),
    Action("job.pin", "pin", ("asterisk",),
           "Have the job stand first in the list, in any order; again takes the pin away.",
           f"{PROGRAM} pin {{job}}"),
    Action("job.compare", "compare", ("equals_sign",),
           "Compare with the marked jobs, or the one before of the same model; two pictures.",
           f"{PROGRAM} compare {{job}} OTHER", footer=24),
    Action("job.copy", "copy", ("y",), "Copy what the cursor is on; the job's id where nothing is.",
           footer=40),
    Action("job.copy_command", "copy …", ("Y",),
           "Choose what to copy: the command line that shows this, id, page, path, SHA-256.",
           f"{PROGRAM} job {{job}}"),
    Action("job.copy_hash", "copy sha256", (), "Copy the SHA-256 of the file.", old=("x",)),
    Action("job.line", "show", ("enter",),
           "Show the line in full; in a diagnosis, the line of the log it is about.", footer=10),
    Action("job.outside", "outside", ("o",), "Outside this window: the job's page at Replicate; "
           "of a file its folder, of a picture a viewer."),
    Action("job.open", "open folder", (), "Show the folder of the file in the desktop.",
           old=("O",)),
    Action("job.web", "web page", (), "Show and copy the job's page at Replicate."),
    Action("job.back", "back", ("escape",), "One step back: selection, filter, then the list.",
           footer=70),
)  # fmt: skip
LOG: Final = (
    Action("log.search", "search", ("slash",), "Find text; ctrl+r in the line makes it a regular "
           "expression.", footer=1),
    Action("log.next", "next hit", ("n",), "The next hit below.", footer=2),
    Action("log.previous", "hit before", ("N",), "The next hit above."),
    Action("log.only", "only hits", ("ampersand",),
           "Show only lines with hits, or of the steps that Metrics is zoomed to, or all again."),
    Action("log.show", "fewer kinds", ("minus",),
           "Show all lines, all but progress bars, stages and checkpoints, or problems.", footer=3,
           old=("t",)),
    Action("log.more", "more kinds", ("plus",), "Show more kinds of lines again."),
    Action("log.step", "go to step", (), "Go to the line of a training step; :1200 goes to 1200.",
           old=("s",)),
    Action("log.wrap", "wrap", ("w",), "Wrap long lines, or cut them at the edge.", footer=5),
    Action("log.left", "scroll left", ("left", "h"), "Scroll long lines to the left."),
    Action("log.right", "scroll right", ("right", "l"), "Scroll long lines to the right."),
    Action("log.select", "select", ("v", "space"), "Begin or end a selection of lines.", footer=6,
           old=("V",)),
    Action("log.copy", "copy", ("y",), "Copy the selected lines, or the line of the cursor.",
           f"{PROGRAM} logs {{job}}", footer=7),
    Action("log.save", "save", ("ctrl+s",), "Save a copy of the whole log.",
           f"{PROGRAM} logs {{job}} > job.log", old=("S",)),
    Action("log.pipe", "pipe", ("vertical_line", "ctrl+o"),
           "Give what is shown to a command, and read what it prints.",
           f"{PROGRAM} logs {{job}} | less"),
    Action("log.pager", "pager", (), "Open the log in $PAGER.",
           f"{PROGRAM} logs {{job}} | less", old=("v",)),
)  # fmt: skip
CHART: Final = (
    Action("chart.next", "next metric", ("down", "j"),
           "The next series: loss, learning rate, others.", footer=1, old=("n",)),
    Action("chart.previous", "metric before", ("up", "k"), "The series before.", old=("N",)),
    Action("chart.line", "enlarge", ("enter",),
           "On a mark of the axis its checkpoint, picture or line of the log; elsewhere this chart "
           "alone, and all of them again.", footer=2),
    Action("chart.sooner", "chart sooner", ("K",),
           "Move the chart of the cursor before the one above; the order is kept, for all runs."),
    Action("chart.later", "chart later", ("J",), "Move it after the one below."),
    Action("chart.usual", "usual order", (),
           "The charts in their usual order again: loss, lr, then by name."),
    Action("chart.smooth", "smoothing", ("s",), "More smoothing, and none again after the most.",
           footer=3),
    Action("chart.less_smooth", "smooth less", ("S",), "Less smoothing."),
    Action("chart.axis", "axis", ("x",), "Steps, time since the first step, or time of day.",
           footer=4),
    Action("chart.log_scale", "log scale", ("X",), "A logarithmic or a linear axis.", footer=8,
           old=("x",)),
    Action("chart.zoom_in", "zoom in", ("plus",), "Half as many steps.", footer=5,
           old=("equals_sign",)),
    Action("chart.zoom_out", "zoom out", ("minus",), "Twice as many steps.", footer=6),
    Action("chart.whole", "whole run", ("0",), "The whole run, without the cursor.", footer=7),
    Action("chart.left", "cursor left", ("left", "h"), "The point to the left."),
    Action("chart.right", "cursor right", ("right", "l"), "The point to the right."),
    Action("chart.far_left", "far left", ("shift+left", "H"), "Ten points to the left."),
    Action("chart.far_right", "far right", ("shift+right", "L"), "Ten points to the right."),
)  # fmt: skip
PICTURES: Final = (
    Action("pictures.left", "step before", ("left", "h"), "The step before, in place.", footer=1),
    Action("pictures.right", "next step", ("right", "l"), "The next step, in place.", footer=2),
    Action("pictures.up", "prompt above", ("up", "k"), "The prompt above."),
    Action("pictures.down", "prompt below", ("down", "j"), "The prompt below."),
    Action("pictures.oldest", "first step", ("home", "g"), "The first step."),
    Action("pictures.newest", "newest step", ("end", "G"), "The newest step, and follow."),
    Action("pictures.line", "enlarge", ("enter",),
           "Let the picture fill the page, or show all again.", footer=3),
    Action("pictures.width", "bigger", ("w",), "Bigger pictures, and the smallest after those.",
           footer=5),
    Action("pictures.mark", "mark", ("space",),
           "Mark the picture; = sets it beside that of the cursor.", footer=4),
)  # fmt: skip
COMPARE: Final = (
    Action(
        "compare.switch",
        "chart/table",
        ("tab", "shift+tab"),
        "To the settings, and back.",
        footer=1,
    ),
    Action(
        "compare.smooth",
        "smooth",
        ("s",),
        "More smoothing, and none again after the most; in the table the runs in the order of the "
        "row of the cursor, again the other way round.",
        footer=2,
    ),
    Action(
        "compare.less_smooth",
        "smooth less",
        ("S",),
        "Less smoothing; in the table the run with the largest value first.",
    ),
    Action(
        "compare.axis",
        "x axis",
        ("x",),
        "Steps, time since the first step, or time of day.",
        footer=3,
    ),
    Action("compare.log_scale", "log scale", ("X",), "A logarithmic or a linear axis."),
    Action(
        "compare.all",
        "differing/all",
        ("ampersand",),
        "Only the settings that differ, or all of them.",
        footer=4,
    ),
    Action(
        "compare.leave",
        "leave out",
        ("space",),
        "Leave the run of the cursor out of the chart, or take it in again.",
        footer=5,
    ),
    Action(
        "compare.copy",
        "copy table",
        ("y",),
        "Copy the table, with tabs between the columns.",
        footer=6,
    ),
    Action(
        "compare.copy_command",
        "copy command",
        ("Y",),
        "Copy the command line that compares the same runs.",
        f"{PROGRAM} compare {{job}}",
    ),
    Action(
        "compare.compare",
        "pictures",
        ("equals_sign",),
        "The pictures of the runs, below each other.",
        footer=8,
    ),
    Action("compare.previous", "metric before", ("comma",), "The series before."),
    Action(
        "compare.next",
        "next metric",
        ("full_stop",),
        "The next series that the runs have.",
        footer=9,
    ),
    Action("compare.open", "open", ("enter",), "Open the run of the cursor.", footer=7),
    Action(
        "compare.publish",
        "publish",
        ("p",),
        "Publish what the run of the cursor left, its best checkpoint first.",
        f"{PROGRAM} publish {{job}} --checkpoint best --to DESTINATION",
        footer=10,
    ),
    Action("compare.left", "cursor left", ("left", "h"), "The point to the left."),
    Action("compare.right", "cursor right", ("right", "l"), "The point to the right."),
    Action("compare.far_left", "far left", ("shift+left", "H"), "Ten points to the left."),
    Action("compare.far_right", "far right", ("shift+right", "L"), "Ten points to the right."),
    Action("compare.zoom_in", "zoom in", ("plus",), "Half as many steps."),
    Action("compare.zoom_out", "zoom out", ("minus",), "Twice as many steps."),
    Action("compare.whole", "whole run", ("0",), "The whole runs, without the cursor."),
    Action("compare.back", "back", ("escape",), "Zoom and cursor away, then back.", footer=70),
)
RUNS: Final = (
    Action("runs.compare", "beside", ("equals_sign",),
           "The marked picture beside that of the cursor, or no more.", footer=5),
    Action("runs.outside", "viewer", ("o",), "Show the picture in a viewer of the desktop.",
           footer=6),
    Action("runs.copy", "copy path", ("y",), "Copy the path of the picture.", footer=7),
    Action("runs.back", "back", ("escape",), "One step back: beside, enlarged, then the runs.",
           footer=70),
)  # fmt: skip
NEW: Final = (
    Action("new.submit", "submit", ("ctrl+s",), "Start the job; asks first where it costs money.",
           f"{PROGRAM} submit CONFIG", footer=1),
    Action("new.edit", "change", ("enter", "l", "right"), "Change the field of the cursor.",
           footer=2),
    Action("new.search", "options", ("slash",),
           "Find any option of the config by its name, and change it for this job.",
           f"{PROGRAM} submit CONFIG --set learning_rate=1e-4", footer=4),
    Action("new.sweep", "sweep", ("A",),
           "Plan a sweep: several runs as one, from options and the values that each takes in "
           "turn. Several configs are one as well: space marks them in the list of configs.",
           f"{PROGRAM} submit CONFIG --sweep lora_rank=16,32", footer=9),
    Action("new.compare", "changes", ("equals_sign",),
           "What this job changes of the config's file, as a diff."),
    Action("new.editor", "edit file", ("e",),
           "Open the config in your editor ($EDITOR); it is read again afterwards.",
           f"{PROGRAM} config edit CONFIG"),
    Action("new.save_as", "save as", ("W",),
           "Write the config with all changes under a new name, with its dataloader."),
    Action("new.request", "view request", (), "The exact request, secrets masked.", old=("v",)),
    Action("new.data", "data", ("I",),
           "What is in the data: captions, sizes, buckets, what is left out and why."),
    Action("new.dry_run", "dry run", ("t",),
           "Check everything again and show all of it, the request as well; nothing is sent.",
           f"{PROGRAM} check CONFIG", footer=5),
    Action("new.starter", "starter", ("n",), "Begin with a config for a common model family.",
           footer=6, old=("b",)),
    Action("new.example", "example", (),
           "Begin with one of SimpleTuner's examples: its package or a clone is on this machine."),
    Action("new.recommend", "recommended", ("b",),
           "Fill in the delivery that is most likely to work, with sensible settings.", footer=8,
           old=("r",)),
    Action("new.fix_delivery", "mend", ("f",),
           "Make the change that a finding names: that of the cursor, else the first, such as "
           "intervals, steps or batch so that the final weights leave the trainer.",
           f"{PROGRAM} check CONFIG --fix-delivery", footer=3),
    Action("new.switch", "checks", ("tab", "shift+tab"), "To the checks, and back.", footer=7),
    Action("new.stop", "stop upload", ("c",), "Stop packing or uploading; the job is cancelled.",
           footer=3, old=("x",)),
    Action("new.clear", "clear field", ("delete", "backspace"),
           "The field's own value instead of yours."),
    Action("new.clear_all", "discard draft", ("D",),
           "Discard what was chosen on this form, and begin anew; again brings it back."),
    Action("new.copy_command", "copy command", ("Y",),
           "Copy the command line that starts this job.", f"{PROGRAM} submit CONFIG"),
    Action("new.back", "back", ("escape",), "Back to the list; nothing is started.", footer=70),
)  # fmt: skip
PAGE_ACTIONS: Final = (*JOB, *LOG, *CHART, *PICTURES, *COMPARE, *RUNS, *NEW)
"""All of them, in the order the help shows them."""
