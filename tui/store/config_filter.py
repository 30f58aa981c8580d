"""Terms of the filter line about a job's config: `config.lora_rank>16`, `config.optimizer:adamw`.

The value is that which the trainer reads: an input of the predictor replaces the config's, an
option that neither names has the trainer's default, and a key may be written with dashes or
without. SQLite reads it out of the stored JSON: about 30 ms for ten thousand jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.base.similar import did_you_mean

if TYPE_CHECKING:
    from tui.simpletuner.facts.options import Option, OptionFacts

PREFIX: Final = "config."
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")
_NUMBER: Final = (
    "(SELECT CASE WHEN typeof(value) <> 'text' OR value GLOB '[-+.0-9]*' "
    "THEN CAST(value AS REAL) END FROM (SELECT {} AS value))"
)
"""A word is no number, and smaller than none."""
_ALIASES: Final = {"model_flavour": ("model_flavor",)}
"""Spellings that this program reads besides those of the trainer."""


class ConfigTermError(Exception):
    """A term about the config has no meaning.

    Attributes:
        words: why, in a few words.
        advice: what may have been meant; empty where nothing is near.
    """

    def __init__(self, words: str, advice: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.advice = advice


def config_term(key: str, sign: str, value: str) -> tuple[str, list[str | float]] | None:
    """Return the condition of a term and its values.

    Args:
        key: with `config.` before the option's name.
        sign: of SQL.
        value: what was typed, not empty.

    Returns:
        None while the value is still being typed.

    Raises:
        ConfigTermError: there is no such option, or it has no such values.
    """
    # Late: the facts about all options take longer to load than a list without such a term to read.
    from tui.simpletuner.facts.options import option_facts

    facts = option_facts()
    option = _option(key.removeprefix(PREFIX).lstrip("-").replace("-", "_").lower(), facts)
    read = _as_read(option, facts)
    if option.type in ("int", "float"):
        try:
            number = float(value)
        except ValueError:
            raise ConfigTermError(f"{PREFIX}{option.name} takes a number") from None
        return f"{_NUMBER.format(read)} {sign} ?", [number]
    if sign != "=":
        raise ConfigTermError(f"{PREFIX}{option.name} takes : and a word")
    if option.type == "bool":
        return _switch(option.name, f"LOWER(CAST({read} AS TEXT))", value.lower())
    pattern = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{read} LIKE ? ESCAPE '\\'", [f"%{pattern}%"]


def _switch(name: str, read: str, typed: str) -> tuple[str, list[str | float]] | None:
    on = f"{read} IN ({', '.join(repr(word) for word in _TRUE)})"
    if typed in _TRUE:
        return on, []
    if typed in _FALSE:
        return f"({on}) IS FALSE", []
    if any(word.startswith(typed) for word in (*_TRUE, *_FALSE)):
        return None
    raise ConfigTermError(f"{PREFIX}{name} takes true or false")


def _option(name: str, facts: OptionFacts) -> Option:
    found = facts.find(facts.renamed.get(name, name))
    if len(found) == 1:
        return facts.options[found[0]]
    advice = did_you_mean(name, facts.options)
    near = found or [one for one in facts.options if len(name) > 1 and name in one]
    if near and not advice:
        advice = f"Did you mean {' or '.join(sorted(near, key=len)[:2])}?"
    raise ConfigTermError(f"no option “{PREFIX}{name}”", advice)


def number_of(name: str) -> str:
    """Return the SQL of an option's number as the trainer reads it; NULL where there is none."""
    from tui.simpletuner.facts.options import option_facts

    facts = option_facts()
    return _NUMBER.format(_as_read(facts.options[name], facts))


def _as_read(option: Option, facts: OptionFacts) -> str:
    """The SQL of an option's value.

    A job whose config nobody knows, as of one that was started elsewhere, has no value at all.
    """
    names = [option.name, *option.aliases, *_ALIASES.get(option.name, ())]
    names += [old for old, new in facts.renamed.items() if new in names]
    keys = [
        f"{dashes}{spelling}"
        for name in dict.fromkeys(names)
        for spelling in dict.fromkeys((name, name.replace("_", "-")))
        for dashes in ("--", "")
    ]
    values = [
        f"json_extract({column}, '$.\"{key}\"')" for column in ("inputs", "config") for key in keys
    ]
    if isinstance(option.default, int | float):
        values.append(
            repr(float(option.default) if option.type == "float" else int(option.default))
        )
    elif option.default is not None:
        values.append("'" + str(option.default).replace("'", "''") + "'")
    return f"(CASE config WHEN '{{}}' THEN NULL ELSE COALESCE({', '.join(values)}, NULL) END)"
