"""What a setting is: the metadata of its dataclass field, from which the rest is derived.

A setting is declared once, as a field of a section in `tui.settings.values`:

    timeout: float = field(default=30.0, metadata=about("seconds to wait", limits=(1, 600)))

Reading and checking the file, its comments, `settings get | set | unset`, both HTTP APIs and the
suggestions for misspelt names follow from that field.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

TYPE_CHECKING = False  # `typing` takes long to import, and `settings get` needs nothing of it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from _typeshed import DataclassInstance

_METADATA: Final = "setting"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spec:
    """The metadata of a setting.

    Attributes:
        help: its meaning in one line; `{choices}`, `{low:g}` and `{high:g}` stand for its own.
        kind: how typed text is read, a name in `tui.settings.typed_values.KINDS`; "" reads by the
            type of the default, its choices and its limits.
        choices: the only texts that it may be; empty where any may.
        synonyms: other texts that people type for a choice.
        limits: the least and the greatest number that it may be.
        unit: what its numbers count, for messages.
        risk: what a person confirms before it may have the value `risky`; "" when there is none.
        risky: the value that has to be confirmed, where there is a risk.
        provider: its name in SimpleTuner's API; "" when it is not part of that API.
        provider_unit: our units in one of SimpleTuner's: 1 000 000 micro-dollars in a dollar.
    """

    help: str
    kind: str = ""
    choices: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, str], ...] = ()
    limits: tuple[float, float] | None = None
    unit: str = ""
    risk: str = ""
    risky: bool = False
    provider: str = ""
    provider_unit: int = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """A declared setting.

    Attributes:
        section: the field of `Settings`, and the table in the file.
        key: the field of the section, and the name in that table.
        default: what holds when nothing is set; its type is the type of the setting.
        spec: the metadata of its field.
    """

    section: str
    key: str
    default: Any
    spec: Spec

    @property
    def name(self) -> str:
        """`section.key`, as on the command line and in the HTTP API."""
        return f"{self.section}.{self.key}"

    @property
    def is_table(self) -> bool:
        """Whether it holds names that a person chooses, so that only the file can say it."""
        return isinstance(self.default, dict)

    @property
    def help(self) -> str:
        """Its meaning, in one line."""
        low, high = self.spec.limits or (0, 0)
        return self.spec.help.format(choices=listed(self.spec.choices), low=low, high=high)

    def unfit(self, value: object) -> str:
        """Why a value of the right type cannot be used; empty when it can."""
        if self.spec.choices and value not in self.spec.choices:
            return f"must be {listed(self.spec.choices)}"
        if self.spec.limits and isinstance(value, int | float):
            low, high = self.spec.limits
            if not low <= value <= high:  # nan lies between nothing
                return f"must be from {low:.0f} to {high:.0f}"
        return ""


def about(help: str, **more: Any) -> dict[str, Spec]:  # noqa: A002  the word for it everywhere else
    """The `metadata` of a setting's field; the arguments are those of `Spec`."""
    return {_METADATA: Spec(help, **more)}


def declared(settings: DataclassInstance) -> dict[str, Setting]:
    """All settings by name, in the order of their fields.

    Args:
        settings: an instance whose fields are sections, all of their values being defaults.
    """
    return {
        setting.name: setting
        for section, values in sections(settings).items()
        for item in fields(values)
        if (setting := Setting(
            section, item.name, getattr(values, item.name), item.metadata[_METADATA]
        ))
    }  # fmt: skip


def sections(settings: DataclassInstance) -> Mapping[str, Any]:
    """The sections of the settings by name: those fields that are dataclasses."""
    return {
        item.name: value
        for item in fields(settings)
        if is_dataclass(value := getattr(settings, item.name))
    }


def listed(words: tuple[str, ...]) -> str:
    """Words as a choice in a sentence: `ask, allow or never`."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
