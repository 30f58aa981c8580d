"""Actions of the job page, its log and its chart, and of the form for a new job."""

from __future__ import annotations

from typing import Final

from tui.app.keys.actions import PROGRAM, Action

JOB: Final = (
    Action("job.next_tab", "next tab", ("tab", "right_square_bracket"), "The tab to the right.",
           footer=2),
    Action("job.previous_tab", "tab before", ("shift+tab", "left_square_bracket"),
           "The tab to the left."),
    Action("job.edit", "edit & run", ("e",),
           "Open the form with this job's settings; after a failure with the change filled in.",
           footer=20),
    Action("job.rerun", "run again", ("r",), "Open the form with exactly these settings.",
           footer=22),
    Action("job.cancel", "cancel", ("c",), "Cancel the job, after a question.",
           f"{PROGRAM} cancel {{job}}", footer=3),
    Action("job.collect", "fetch files", ("f",), "Fetch what the job produced to this machine.",
           f"{PROGRAM} collect {{job}}", footer=23),
    Action("job.publish", "publish", ("p",),
           "Publish the job's files, or the file of the cursor: to the Hub, a bucket or a folder.",
           f"{PROGRAM} publish {{job}} --to PLACE", footer=23),
    Action("job.compare", "compare", ("=",), "Compare with the marked job, or the one before it.",
           footer=24),
    Action("job.copy", "copy", ("y",), "Copy what the cursor is on; the job's id where nothing is.",
           footer=40),
    Action("job.copy_command", "copy command", ("Y",), "Copy the command line that shows this.",
           f"{PROGRAM} job {{job}}"),
    Action("job.copy_hash", "copy sha256", ("x",), "Copy the SHA-256 of the file."),
    Action("job.line", "show", ("enter",),
           "Show the line in full; in a diagnosis, the line of the log it is about.", footer=10),
    Action("job.open", "open folder", ("O",), "Show the folder of the file in the desktop."),
    Action("job.web", "web page", ("o",), "Show and copy the job's page at Replicate."),
    Action("job.back", "back", ("escape",), "One step back: selection, filter, then the list.",
           footer=70),
)  # fmt: skip

LOG: Final = (
    Action("log.search", "search", ("slash",), "Find text; ctrl+r in the line makes it a regular "
           "expression.", footer=1),
    Action("log.next", "next hit", ("n",), "The next hit below.", footer=2),
    Action("log.previous", "hit before", ("N",), "The next hit above."),
    Action("log.only", "only hits", ("ampersand",), "Show only lines with hits, or all again."),
    Action("log.show", "show", ("t",),
           "Show all lines, all but progress bars, stages and checkpoints, or problems.", footer=3),
    Action("log.step", "go to step", ("s",), "Go to the line of a training step.", footer=4),
    Action("log.wrap", "wrap", ("w",), "Wrap long lines, or cut them at the edge.", footer=5),
    Action("log.left", "scroll left", ("left", "h"), "Scroll long lines to the left."),
    Action("log.right", "scroll right", ("right", "l"), "Scroll long lines to the right."),
    Action("log.select", "select", ("V", "space"), "Begin or end a selection of lines.", footer=6),
    Action("log.copy", "copy", ("y",), "Copy the selected lines, or the line of the cursor.",
           f"{PROGRAM} logs {{job}}", footer=7),
    Action("log.save", "save", ("S",), "Save a copy of the whole log.",
           f"{PROGRAM} logs {{job}} > job.log"),
    Action("log.pipe", "pipe", ("vertical_line",), "Give what is shown to a command.",
           f"{PROGRAM} logs {{job}} | less"),
    Action("log.pager", "pager", ("v",), "Open the log in $PAGER.",
           f"{PROGRAM} logs {{job}} | less"),
)  # fmt: skip

CHART: Final = (
    Action("chart.next", "next metric", ("n",), "The next series: loss, learning rate, others.",
           footer=1),
    Action("chart.previous", "metric before", ("N",), "The series before."),
    Action("chart.smooth", "smoothing", ("s",), "More smoothing, and none again after the most.",
           footer=2),
    Action("chart.log_scale", "log scale", ("x",), "A logarithmic or a linear axis.", footer=3),
    Action("chart.zoom_in", "zoom in", ("plus", "equals_sign"), "Half as many steps.", footer=4),
    Action("chart.zoom_out", "zoom out", ("minus",), "Twice as many steps.", footer=5),
    Action("chart.whole", "whole run", ("0",), "The whole run, without the cursor.", footer=6),
    Action("chart.left", "cursor left", ("left", "h"), "The point to the left."),
    Action("chart.right", "cursor right", ("right", "l"), "The point to the right."),
    Action("chart.far_left", "far left", ("shift+left", "H"), "Ten points to the left."),
    Action("chart.far_right", "far right", ("shift+right", "L"), "Ten points to the right."),
)  # fmt: skip

NEW: Final = (
    Action("new.submit", "submit", ("ctrl+s",), "Start the job; asks first where it costs money.",
           f"{PROGRAM} submit CONFIG", footer=1),
    Action("new.edit", "change", ("enter", "l", "right"), "Change the field of the cursor.",
           footer=2),
    Action("new.request", "view request", ("v",), "The exact request, secrets masked.", footer=4),
    Action("new.dry_run", "dry run", ("t",),
           "Check everything again and show all of it; nothing is sent.",
           f"{PROGRAM} check CONFIG", footer=5),
    Action("new.starter", "starter", ("b",), "Begin with a config for a common model family.",
           footer=6),
    Action("new.recommend", "recommended", ("r",),
           "Fill in the delivery that is most likely to work, with sensible settings.", footer=8),
    Action("new.switch", "checks", ("tab", "shift+tab"), "To the checks, and back.", footer=7),
    Action("new.stop", "stop upload", ("x",), "Stop packing or uploading; the job is cancelled.",
           footer=3),
    Action("new.clear", "clear field", ("delete", "backspace"),
           "The field's own value instead of yours."),
    Action("new.copy_command", "copy command", ("Y",),
           "Copy the command line that starts this job.", f"{PROGRAM} submit CONFIG"),
    Action("new.back", "back", ("escape",), "Back to the list; nothing is started.", footer=70),
)  # fmt: skip

PAGE_ACTIONS: Final = (*JOB, *LOG, *CHART, *NEW)
"""All of them, in the order the help shows them."""
