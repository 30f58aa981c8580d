"""The hardware card: prices and states of the GPUs, and the versions of the trainers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item
from tui.app.cloud.text import LABEL, Words, row, wrapped
from tui.app.terminal.text_lines import fit
from tui.base import formatting
from tui.simpletuner.request.hardware import PROFILES, TRAINERS, HardwareProfile

if TYPE_CHECKING:
    from tui.api.providers import TrainerRelease
    from tui.api.versions import MissingInput, Pinned, VersionComparison, VersionRow
    from tui.client.client import ControlClient

STATES: Final = {
    "operational": ("●", "good", "up"), "degraded_performance": ("!", "warn", "degraded"),
    "partial_outage": ("✗", "bad", "partly down"), "major_outage": ("✗", "bad", "down"),
    "full_outage": ("✗", "bad", "down"), "under_maintenance": ("◌", "warn", "maintenance"),
}  # fmt: skip
"""States of a component on the status page: glyph, tone, a short word."""
_SHOWN_VERSIONS: Final = 3
_RELEASE: Final = "cloud.trainer_release"
_RELEASES: Final = (
    ("auto", "found out", "from the version's date, and from what its jobs showed"),
    ("4.8.0", "4.8.0", "it ignores archives, and uploads only at validations"),
    ("4.10.1", "4.10.1", "the same; it reads one prefix of a bucket, not the whole"),
    ("patched", "one of its own", "it unpacks archives and uploads the final weights"),
)
"""What the trainer holds, by the user's word: the values of the setting."""
_HASH: Final = 12


class HardwareCard(Card):
    """Shows and changes the default GPU, the rates and the pinned versions."""

    NAME: ClassVar = "hardware"
    TITLE: ClassVar = "Hardware & versions"
    READS: ClassVar = ("rates", "status_page")
    CHECKS: ClassVar = tuple(f"versions:{model}" for model in TRAINERS)

    def checks(self) -> tuple[str, ...]:
        """Returns the checks of the versions and of the status page."""
        return (*self.CHECKS, "status_page:fresh")

    def state(self) -> tuple[str, str]:
        """Returns the default GPU and its price."""
        profile = self._default()
        return f"{profile.label}, {formatting.rate(self._rate(profile))}", "base"

    def _default(self) -> HardwareProfile:
        return PROFILES.get(self.data.context.settings.cloud.hardware) or next(
            iter(PROFILES.values())
        )

    def _rate(self, profile: HardwareProfile) -> int:
        return self.data.context.settings.rates_micros.get(profile.id, profile.micros_per_second)

    # -- what it says -------------------------------------------------------------------------

    def lines(self, width: int) -> list[Words]:
        """Returns a line for each GPU, then the versions of each trainer."""
        lines: list[Words] = [((f"  {'':9}{'VRAM':>7}{'PRICE':>10}  STATE", "dim"),)]
        shown = [profile for profile in PROFILES.values() if profile.model or profile.gpus == 1]
        lines += [self._profile(profile, width) for profile in shown]
        read_on = max(profile.read_on for profile in PROFILES.values())
        changed = sum(name in self.data.context.settings.rates_micros for name in PROFILES)
        own = f", {changed} changed by you" if changed else ""
        lines.append(((f"Prices of {read_on:%Y-%m-%d}{own}. e changes them.", "dim"),))
        for model, label in TRAINERS.items():
            lines += self._versions(model, label, width)
        return lines

    def _profile(self, profile: HardwareProfile, width: int) -> Words:
        settings = self.data.context.settings
        mark = "▸ " if profile.id == settings.cloud.hardware else "  "
        changed = profile.id in settings.rates_micros
        price = formatting.rate(self._rate(profile)) + ("*" if changed else "")
        state = self._gpu(profile)
        glyph, tone, words = STATES.get(state, ("?", "dim", "unknown"))
        if profile.gpus > 1:  # the page knows kinds of GPUs, not how many
            glyph, tone, words = " ", "dim", ""
        best = profile.best_for
        room = width - 32 - len(words)
        return (
            (mark, "accent"),
            (fit(profile.label, 9), "base"),
            (f"{profile.vram_gb * profile.gpus:>4} GB", "base"),
            (f"{price:>10}", "base"),
            (f"  {glyph} {words}", tone),
            ("  " + (best if len(best) <= room else fit(best, max(0, room))), "dim"),
        )

    def _gpu(self, profile: HardwareProfile) -> str:
        page = self.data.get("status_page:fresh") or self.data.get("status_page")
        gpus = page.get("gpus")
        card = profile.id.partition("-")[0]
        return str(gpus.get(card, "unknown")) if isinstance(gpus, dict) else "unknown"

    def _versions(self, model: str, label: str, width: int) -> list[Words]:
        pinned = self.data.context.settings.cloud.pinned_versions.get(model, "")
        versions = self.data.versions_of(model)
        error = self.data.failed.get(f"versions:{model}")
        follows = ("pinned", "warn") if pinned else ("newest", "good")
        lines = [row(label, model, "base", ("  ", "base"), follows)]
        if error:
            lines += wrapped(f"{error.message} {error.advice}", "bad", width, indent=LABEL)
        elif not versions:
            lines.append(row("", "versions not read yet", "dim", ("  c reads them", "dim")))
        shown = versions[:_SHOWN_VERSIONS]
        if pinned and not any(str(version.get("id")) == pinned for version in shown):
            shown = [*shown, *(version for version in versions if str(version.get("id")) == pinned)]
        for number, version in enumerate(shown):
            name = str(version.get("id", ""))
            used = name == pinned or (not pinned and not number)
            words = "  newest" if not number else ""
            words += "  in use" if used else ""
            lines.append(
                row("", name[:_HASH], "strong" if used else "dim",
                    (f"  {str(version.get('created_at') or '')[:10]}", "base"), (words, "dim"))
            )  # fmt: skip
        if pinned and not any(str(version.get("id")) == pinned for version in versions):
            lines.append(row("", pinned[:_HASH], "strong", ("  in use", "dim")))
        return lines + self._release(model, width)

    def _release(self, model: str, width: int) -> list[Words]:
        """Returns which SimpleTuner the version in use holds, and why that is thought."""
        release = self._known_release(model)
        if not release:
            return []
        known = release["source"] == "user" or release["name"] != "unknown"
        lines = wrapped(_sentence(release["title"]), "base" if known else "warn", width,
                        indent=LABEL)  # fmt: skip
        reasons = " · ".join(release["reasons"])
        return lines + wrapped(_sentence(reasons), "dim", width, indent=LABEL)

    def _known_release(self, model: str) -> TrainerRelease | None:
        release = self.data.get(f"versions:{model}").get("release")
        return cast("TrainerRelease", release) if isinstance(release, dict) else None

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns items for the default, each trainer's version, a comparison and the rates."""
        profile = self._default()
        ready = [profile for profile in PROFILES.values() if profile.model]
        items = [
            Item("hardware_profile", "Default", "choice", profile.label, profile.best_for,
                 tuple((profile.id, f"{profile.label:10} {formatting.rate(self._rate(profile)):>9}",
                        profile.best_for) for profile in ready), profile.id),
        ]  # fmt: skip
        for model, label in TRAINERS.items():
            pinned = self.data.context.settings.cloud.pinned_versions.get(model, "")
            versions = self._choices(model)
            value = pinned[:_HASH] if pinned else "follows the newest"
            newest = (("", "follow the newest", ""), *versions)
            items.append(Item(f"pin {model}", f"{label} version", "choice", value, "", newest,
                              pinned))  # fmt: skip
            if len(versions) > 1:
                items.append(
                    Item(f"compare {model}", "  what changes", "choice", "",
                         "inputs of another version beside the newest", versions[1:])
                )  # fmt: skip
        word = self.data.context.settings.cloud.trainer_release
        words, note = next((choice[1:] for choice in _RELEASES if choice[0] == word), (word, ""))
        items.append(Item("release", "SimpleTuner", "choice", words, note, _RELEASES, word))
        items.append(Item("manual", "Other version", "text", "", "owner/name:hash pins it"))
        for profile in PROFILES.values():
            price = formatting.rate(self._rate(profile))
            note = f"published {formatting.rate(profile.micros_per_second)}"
            items.append(Item(f"rate {profile.id}", f"Rate {profile.label}", "text", price,
                              note if self._rate(profile) != profile.micros_per_second else "",
                              current=price))  # fmt: skip
        items.append(Item("reset", "Reset rates", "do", "", "as published"))
        return items

    def _choices(self, model: str) -> tuple[tuple[str, str, str], ...]:
        return tuple(
            (str(version.get("id", "")), f"{str(version.get('id', ''))[:_HASH]}",
             f"{str(version.get('created_at') or '')[:10]}{'' if number else '  newest'}")
            for number, version in enumerate(self.data.versions_of(model))
        )  # fmt: skip

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes the default, pins or compares versions, or sets a rate."""
        action, _, name = key.partition(" ")
        cloud = control.cloud
        if action == "hardware_profile":
            await cloud.change_provider(hardware_profile=value)
            return ChangeResult(f"New jobs run on {PROFILES[value].label}.")
        if action == "release":
            self.data.known["settings"] = await cloud.change_settings({_RELEASE: value})
            self.data.load(self.CHECKS)
            return ChangeResult("Checks go by it from now on.")
        if action == "compare":
            return _compared(await cloud.compare_versions(name, before=value))
        if action == "pin":
            return _pinned(await cloud.pin_version(name, value or None))
        if action == "manual":
            model, _, version = value.strip().partition(":")
            return _pinned(await cloud.pin_version(model, version or None))
        if action == "reset":
            await cloud.reset_rates()
            return ChangeResult("All rates are as published.")
        await cloud.set_rates({name: value if value.strip() else None})
        return ChangeResult("The rate is changed; estimates and sums use it from now on.")

    def copies(self) -> str:
        """Returns the trainer and version that a new job would use."""
        model = self._default().model or ""
        pinned = self.data.context.settings.cloud.pinned_versions.get(model)
        newest = next((str(version.get("id")) for version in self.data.versions_of(model)), "")
        return f"{model}:{pinned or newest}".removesuffix(":")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _missing(rows: Iterable[MissingInput]) -> list[str]:
    return [f"It lacks {row['name']}: {row['purpose']}." for row in rows]


def _pinned(answer: Pinned) -> ChangeResult:
    lacking = _missing(answer["missing"])
    if not answer["pinned"]:
        return ChangeResult(f"{answer['model']} follows its newest version.")
    words = f"Pinned to {answer['pinned'][:_HASH]}. {' '.join(lacking)}".strip()
    return ChangeResult(words, level="warning" if lacking else "info")


def _compared(answer: VersionComparison) -> ChangeResult:
    lines: list[Words] = [
        (
            (_version(answer["before"]), "base"),
            ("  →  ", "dim"),
            (_version(answer["after"]), "base"),
        ),
        (("", "base"),),
    ]
    tones = {"added": "good", "removed": "bad"}
    lines += [
        (
            (fit(change["kind"], 9), tones.get(change["kind"], "warn")),
            (f"{change['name']}  ", "strong"),
            (change["words"], "dim"),
        )
        for change in answer["changes"]
    ]
    if not answer["changes"]:
        same = "No input has changed." if answer["known"] else "One of them has no schema."
        lines.append(((same, "base"),))
    lines += [((words, "warn"),) for words in _missing(answer["missing"])]
    return ChangeResult(title=f"Inputs of {answer['model']}", page=tuple(lines))


def _version(version: VersionRow) -> str:
    return f"{version['id'][:_HASH]}  {str(version['created_at'])[:10]}"
