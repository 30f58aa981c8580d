"""The settings card: settings without a card of their own, and errors of the settings file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.text import LABEL, Words, row, wrapped
from tui.app.terminal.text_lines import fit_end
from tui.base.formatting import plural
from tui.store.retention import retention_rules

if TYPE_CHECKING:
    from tui.client.client import ControlClient

_CONSENT: Final = (
    ("ask", "ask each time", "a job says what leaves this machine, and waits for a yes"),
    ("allow", "without asking", "the price is still shown first"),
    ("never", "never", "jobs whose data are on this machine are refused"),
)


class SettingsCard(Card):
    """Shows and changes consent, polling and folders; explains the file."""

    NAME: ClassVar = "settings"
    TITLE: ClassVar = "Settings"
    READS: ClassVar = ("settings",)

    @property
    def problems(self) -> list[str]:
        """The errors of the file, each a message."""
        return [problem.words() for problem in self.data.context.settings.problems]

    def state(self) -> tuple[str, str]:
        """Returns how many errors the file has."""
        wrong = len(self.problems)
        return (f"{wrong} wrong in the file", "bad") if wrong else ("", "dim")

    def lines(self, width: int) -> list[Words]:
        """Returns the values in force and the path of the file."""
        cloud = self.data.context.settings.cloud
        _, words, what = _consent(cloud.consent)
        lines: list[Words] = []
        for problem in self.problems:
            lines += wrapped(f"✗ {problem}", "bad", width)
        tone = "warn" if cloud.consent == "allow" else "base"
        lines += [row("uploads", words, tone), *wrapped(what, "dim", width, indent=LABEL)]
        if cloud.polling:
            lines.append(row("polling", "on", "base", ("  rare while webhooks come", "dim")))
        else:
            lines.append(row("polling", "off", "warn", ("  where a job has a webhook", "dim")))
        if cloud.config_roots:
            lines += wrapped(", ".join(cloud.config_roots), "base", width, label="configs")
        rules = retention_rules(self.data.context.settings.retention)
        if rules:
            lines += wrapped(
                f"deleted here {rules}, once verified elsewhere", "base", width, label="retention"
            )
        room = width - LABEL
        lines.append(row("results", fit_end(str(self.data.context.outputs), room)))
        lines.append(row("file", fit_end(str(self.data.context.home.settings_file), room), "dim"))
        return lines

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the settings without a card of their own."""
        cloud = self.data.context.settings.cloud
        words = _consent(cloud.consent)[1]
        polling = "on" if cloud.polling else "off"
        roots, folder = ", ".join(cloud.config_roots), cloud.outputs_dir
        kept = self.data.context.settings.retention
        return [
            Item("cloud.consent", "Uploads", "choice", words, "", _CONSENT, cloud.consent),
            Item("cloud.polling", "Polling", "switch", polling,
                 "off: not for jobs with a webhook", current=polling),
            Item("cloud.config_roots", "Config folders", "text", roots or "—",
                 "more places to look in", current=roots),
            Item("cloud.outputs_dir", "Results in", "text", folder or "the usual folder",
                 "counts when the engine starts", current=folder),
            Item("retention.days", "Delete after", "text", _count(kept.days, "day"),
                 "days from a run's end, if safe elsewhere; 0: never",
                 current=str(kept.days)),
            Item("retention.gib", "Keep at most", "text", f"{kept.gib} GiB" if kept.gib else "any",
                 "GiB here; the oldest that are safe elsewhere go",
                 current=str(kept.gib)),
            Item("file", "By hand", "do", "", "where the file is, and what it may say"),
        ]  # fmt: skip

    def question(self, key: str, value: str) -> Question | None:
        """Asks before uploads without a question are allowed, and before files go by themselves."""
        if key in ("retention.days", "retention.gib") and value.strip(" 0"):
            told = (
                "The engine looks every hour, and when a run or a transfer has ended.",
                "Active and pinned runs, and files without a verified copy elsewhere, stay.",
                "`simpletuner-tui free --dry-run` says what would go.",
            )
            return Question("Delete local files by themselves?", told, "Delete")
        if key != "cloud.consent" or value != "allow":
            return None
        details = (
            "Datasets then leave this machine as soon as a job is submitted.",
            "Price and limit are checked all the same.",
        )
        return Question("Upload without asking?", details, "Do not ask")

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes a setting, or explains how to edit the file."""
        if key == "file":
            return ChangeResult(title="The settings file", page=self._file())
        typed: Any = value == "on" if key == "cloud.polling" else value
        self.data.known["settings"] = await control.cloud.change_settings({key: typed})
        return ChangeResult("Changed; it is in force.")

    def _file(self) -> tuple[Words, ...]:
        problems = [((f"✗ {problem}", "bad"),) for problem in self.problems]
        return (
            ((str(self.data.context.home.settings_file), "accent"),),
            (("", "base"),),
            (
                ("simpletuner-tui settings edit", "accent"),
                ("   opens a copy in your editor", "dim"),
            ),
            (
                ("simpletuner-tui settings get", "accent"),
                ("    all names, values, meanings", "dim"),
            ),
            (("", "base"),),
            (("An edit is in force a second after it was saved, in every window.", "base"),),
            (("What it says wrongly is told by its line, and has its default.", "base"),),
            *problems,
        )

    def copies(self) -> str:
        """Returns the file's path."""
        return str(self.data.context.home.settings_file)


def _count(number: int, unit: str) -> str:
    return plural(number, unit) if number else "never"


def _consent(name: str) -> tuple[str, str, str]:
    return next((choice for choice in _CONSENT if choice[0] == name), _CONSENT[0])
