"""The checks of a config's options: names, types and values, as the trainer's parser reads them.

The trainer turns a config into command-line arguments before it parses them, and drops or changes
some values on the way (SimpleTuner's helpers/configuration/cli_utils.py). `arguments` repeats that.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.facts.models import model
from tui.simpletuner.facts.options import SET_BY_JOB, Option, OptionFacts, option_facts

_SIMILAR: Final = 0.6
FLAG: Final = object()
"""An option without a value, as `true` becomes one."""

_BOOLEANS: Final = frozenset({"true", "false", "1", "0", "yes", "no", "y", "n", "on", "off"})
_OURS: Final = frozenset({"model_flavor"})
"""Spellings that this program reads and the trainer does not get."""
OTHER_TOOLS: Final = {
    "batch_size": "train_batch_size", "rank": "lora_rank", "lr": "learning_rate",
    "alpha": "lora_alpha", "network_dim": "lora_rank", "network_alpha": "lora_alpha",
    "steps": "max_train_steps", "max_steps": "max_train_steps", "train_steps": "max_train_steps",
    "epochs": "num_train_epochs", "max_train_epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs", "save_steps": "checkpoint_step_interval",
    "save_every": "checkpoint_step_interval", "scheduler": "lr_scheduler",
    "optimizer_type": "optimizer", "precision": "mixed_precision", "prompt": "validation_prompt",
}  # fmt: skip
"""What other trainers call an option."""
_IDS: Final = {
    "model_family": "model-family",
    "model_flavour": "model-flavour",
    "model_type": "model-type",
    "lora_type": "lora-type",
    "learning_rate": "learning-rate",
    "report_to": "report-to",
}
"""Check ids of options that have one of their own; all others are `option`."""
_PLACEHOLDER: Final = re.compile(r"\{[^{}]+\}")
_LYCORIS_ALGORITHMS: Final = frozenset(
    {"lokr", "loha", "locon", "oft", "boft", "full", "diag-oft", "ia3", "dylora", "glora"}
)


def option_checks(config: TrainingConfig, release: str | None) -> Iterator[CheckRow]:
    """Check every option of a config against the trainer's parser.

    Args:
        config: the config with the job's overrides applied.
        release: the release of the trainer, such as `4.10.1`; None asks for what holds in each
            known release.
    """
    judge = _Judge(option_facts(), config, release)
    for name, value in config.values.items():
        if value is not None and not name.startswith("__") and name not in _OURS:
            yield from judge.check(name, value)
    yield from judge.check_required()


def value_checks(name: str, value: Any, release: str | None = None) -> Iterator[CheckRow]:
    """Check one value of one option as `option_checks` would, whatever else a config says."""
    nothing = TrainingConfig(name="", path=Path(), values={})
    yield from _Judge(option_facts(), nothing, release).check(name, value)


def check_id(name: str) -> str:
    """The id of the check of an option."""
    return _IDS.get(name, "option")


def arguments(option: Option | None, value: Any) -> list[object]:
    """The command-line values that the trainer makes of a config's value.

    Returns:
        Texts, or `FLAG` for an option without a value; empty when the option is skipped.
    """
    if isinstance(value, bool):
        return [FLAG] if value else ["false"]
    if isinstance(value, Mapping | list | tuple) and option is not None and option.takes_json:
        return [json.dumps(value)]
    if isinstance(value, str):
        text = value.strip()
        lowered = text.lower()
        return [] if not text or lowered == "false" else [FLAG if lowered == "true" else text]
    if isinstance(value, list | tuple):
        if option is not None and option.type == "tracker list":
            return [",".join(map(str, value))] if value else []
        return [text for item in value if (text := str(item).strip())]
    return [str(value)] if isinstance(value, int | float) else []


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, whatever the case of letters; None when none is similar.

    A common beginning counts beside the similarity as a whole: the nearest to `cosmos2image` is
    `cosmos`, not `moss_image`.
    """
    return _nearest(name.lower(), tuple(names))


@lru_cache(maxsize=256)
def _nearest(wanted: str, names: tuple[str, ...]) -> str | None:
    matcher = difflib.SequenceMatcher(b=wanted)
    best, best_score = None, 0.0
    for one in names:
        lowered = one.lower()
        pairs = zip(wanted, lowered, strict=False)
        begin = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        bonus = 0.3 * begin / max(1, min(len(wanted), len(lowered)))
        matcher.set_seq1(lowered)
        # The bounds are much cheaper than the ratio itself.
        for bound in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio):
            ratio = bound()
            if ratio < _SIMILAR - bonus or ratio + bonus <= best_score:
                break
        else:
            best, best_score = one, ratio + bonus
    return best


def later(release: str, other: str) -> bool:
    """Whether `release` comes after `other`."""
    return _numbers(release) > _numbers(other)


@dataclass(frozen=True, slots=True)
class _Judge:
    facts: OptionFacts
    config: TrainingConfig
    release: str | None

    @property
    def trainer(self) -> str:
        """The release that a finding speaks of, for the screen."""
        return f"SimpleTuner {self.release or self.facts.release}"

    def check(self, name: str, value: Any) -> Iterator[CheckRow]:
        """Check one option of the config."""
        facts = self.facts
        if name in facts.set_aside:
            if name in ("repeats", "aspect_ratio_bucketing"):
                message = f"{name} in the config has no effect in the trainer"
                advice = "Put repeats into the dataset's entry of the dataloader file."
                yield "option", "warn", message, advice
            return
        found = facts.find(facts.renamed.get(name, name))
        option = facts.options[found[0]] if len(found) == 1 else None
        given = arguments(option, value)
        if option is None:
            if given:
                yield self._unknown(name, found, value)
            elif isinstance(value, Mapping):
                message = f"{name} is no option of the trainer; it is left out there"
                yield "option", "warn", message, "Remove it, or correct the name.", {name: None}
        elif option.since and (self.release is None or later(option.since, self.release)):
            yield self._too_new(name, option.since)
        elif option.name not in SET_BY_JOB:
            yield from self._value(option, name, value, given)

    def check_required(self) -> Iterator[CheckRow]:
        """Check that no option is missing without which the trainer stops.

        The container adds some, and a missing family has a check of its own.
        """
        for option in self.facts.options.values():
            if not option.required or option.name in SET_BY_JOB or option.name == "model_family":
                continue
            value = self.config.values.get(option.name)
            if value is None or not arguments(option, value):
                message = f"{option.name} is missing; the trainer stops at start without it"
                if option.choices:
                    yield check_id(option.name), "error", message, f"Add {_list(option.choices)}."
                    continue
                advice = f"Add it; {option.default} is the usual value."
                change = {option.name: option.default}
                yield check_id(option.name), "error", message, advice, change

    def _too_new(self, name: str, since: str) -> CheckRow:
        advice = "Remove it, or choose a version of the trainer that has it."
        if self.release is not None:
            message = f"{name} is new in SimpleTuner {since}, and this trainer is {self.release}"
            return "option", "error", message, advice, {name: None}
        message = (
            f"{name} is new in SimpleTuner {since}; {self.facts.earlier} refuses it, and this "
        )
        message += "version's release is not known"
        return "option", "warn", message, advice, {name: None}

    def _unknown(self, name: str, found: tuple[str, ...], value: Any) -> CheckRow:
        facts, release = self.facts, self.release
        shown = f"{name} = {_short(name, value)}"
        if found:
            message = f"{shown}: several options begin so ({_list(found)})"
            return "option", "error", message, f"Write the whole name, such as {found[0]}."
        if left := facts.removed.get(name):
            if release is not None and later(left, release):
                return "option", "ok", f"{name} is an option of {self.trainer}"
            message = f"{shown}: SimpleTuner {left} has no such option any more"
            if release is None:
                message += f"; {facts.earlier} has it, and this version's release is not known"
            return (
                "option",
                "warn" if release is None else "error",
                message,
                "Remove it.",
                {name: None},
            )
        message = f"{shown}: {self.trainer} has no such option and stops at start"
        guess = OTHER_TOOLS.get(name.lower()) or same_words(name, facts.options)
        guess = guess or nearest(name, facts.options)
        newer = release is not None and later(release, facts.release)
        level = "warn" if newer else "error"
        if guess is None:
            return "option", level, message, "Remove it, or correct the name.", {name: None}
        changes: dict[str, OptionValue] = {name: None}
        if self.config.values.get(guess) is None:
            changes[guess] = value
        return "option", level, message, f"Did you mean {guess}?", changes

    def _value(
        self, option: Option, name: str, value: Any, given: list[object]
    ) -> Iterator[CheckRow]:
        identity = check_id(option.name)
        if isinstance(value, Mapping) and not given:
            message = f"{name} holds an object; the trainer leaves it out"
            yield identity, "warn", message, "Write a plain value.", {name: None}
            return
        skipped = isinstance(value, str) and value.strip().lower() == "false"
        if skipped and option.type == "bool" and option.default is True:
            message = f'{name} = "false" in quotes is skipped by the trainer, so it stays on'
            yield identity, "warn", message, "Write false without quotes.", {name: False}
        if isinstance(value, str) and _PLACEHOLDER.search(value):
            return  # it is replaced in the container
        for argument in given:
            if problem := _misfit(option, argument):
                message = f"{name} = {_short(name, value)}: {problem}"
                yield identity, "error", message, *_advice(option, name, value)
                return
            if isinstance(argument, str):
                yield from self._choice(option, name, argument)

    def _choice(self, option: Option, name: str, text: str) -> Iterator[CheckRow]:
        if option.known and text not in option.known:
            if text in option.optional:
                message = f"{name} {text} needs a package that the trainer's container may lack"
                yield "option", "warn", message, f"{option.default} is always there."
                return
            guess = _begins(text, option.known) or nearest(text, option.known)
            message = f"{name} = {text}: {self.trainer} has no such {name}"
            advice = f"Did you mean {guess}?" if guess else f"There are: {_list(option.known)}."
            yield "option", "error", message, advice, {name: guess} if guess else {}
        new = option.new_choices.get(text)
        if new and self.release is None:
            message = f"{name} {text} is new in SimpleTuner {new}; {self.facts.earlier} refuses it"
            advice = "This version's release is not known; choose a value that both have."
            yield check_id(option.name), "warn", message, advice
        elif new and self.release is not None and later(new, self.release):
            message = f"{name} {text} is new in SimpleTuner {new}, and this trainer is "
            yield check_id(option.name), "error", message + self.release, "Choose another value."


def _misfit(option: Option, argument: object) -> str | None:
    """Why the parser refuses an argument by its type; None when it does not."""
    kind = option.type
    if kind in ("bool", "bool or path"):
        if kind == "bool" and isinstance(argument, str) and argument.lower() not in _BOOLEANS:
            return "not true or false"
        return None
    if argument is FLAG:
        return "a value is needed, not true"
    text = str(argument)
    if kind == "int" and not _parses(int, text):
        return "not a whole number"
    if kind == "float" and not _parses(float, text):
        return "not a number"
    if kind == "tracker list":
        unknown = [one for one in text.split(",") if one.strip() not in option.choices]
        return f"no tracker is called {unknown[0].strip()!r}" if unknown else None
    if option.choices and not _is_choice(option, text):
        return "not one of the trainer's choices"
    return None


def _advice(option: Option, name: str, value: Any) -> tuple[str, dict[str, OptionValue]]:
    """What to write instead, and the change that does it."""
    text = str(value).strip()
    if name == "learning_rate":
        return "Write it as 1e-4.", {}
    if option.type == "int" and _parses(float, text) and float(text).is_integer():
        return f"Write {int(float(text))}.", {name: int(float(text))}
    if option.type in ("int", "float"):
        return f"Write a number; the default is {option.default}.", {}
    if option.name == "lora_type" and text.lower() in _LYCORIS_ALGORITHMS:
        advice = f'Set lora_type to lycoris, and "algo": "{text.lower()}" in its lycoris_config.'
        return advice, {}
    if option.name == "caption_strategy":
        advice = "Put caption_strategy into the dataset's entry of the dataloader file."
        return advice, {name: None}
    if option.name == "report_to":
        named = value if isinstance(value, list | tuple) else text.split(",")
        unknown = next(one for one in map(str.strip, map(str, named)) if one not in option.choices)
        guess = nearest(unknown, option.choices)
        there = f"There are: {_list(option.choices)}."
        return f"Did you mean {guess}? {there}" if guess else there, {name: "none"}
    if option.choices:
        known = model(text.lower())
        guess = known.name if option.name == "model_family" and known else None
        if not text.isdigit():
            names = [str(choice) for choice in option.choices]
            guess = guess or same_words(text, names) or _begins(text, names) or nearest(text, names)
        if guess:
            return f"Did you mean {guess}?", {name: guess}
        return f"There are: {_list(option.choices)}.", {}
    return "Write true or false.", {}


def _is_choice(option: Option, text: str) -> bool:
    if option.type == "int":
        return _parses(int, text) and int(text) in option.choices
    return text in option.choices


def _parses(kind: type[int] | type[float], text: str) -> bool:
    try:
        kind(text)
    except (ValueError, OverflowError):
        return False
    return True


def same_words(name: str, names: Iterable[str]) -> str | None:
    """The name that has the same words in another order: `disable_validation`."""
    words = sorted(re.split(r"[_-]+", name.lower()))
    return next((one for one in names if sorted(re.split(r"[_-]+", one.lower())) == words), None)


def _begins(text: str, names: Iterable[str]) -> str | None:
    """The first name that begins with a text: `int8-quanto` for `int8`."""
    return next((one for one in names if one.lower().startswith(text.lower())), None)


def _list(values: Iterable[Any]) -> str:
    listed = [str(value) for value in values]
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return ", ".join(listed[:8]) + more


def _short(name: str, value: Any) -> str:
    if without_secrets({name: value})[1]:
        return "(a secret)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release))
