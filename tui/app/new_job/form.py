"""The fields of the new-job form as data: their texts, and how typed values are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tui.app.keys.choices import in_app
from tui.app.new_job import publishing, sweep_axes
from tui.base import formatting
from tui.base.addresses import ARCHIVE, AddressError, read_address
from tui.base.text_fields import FieldError, read_amount
from tui.simpletuner.config.overrides import OVERRIDES, override_text, parse_override

Draft = dict[str, Any]
Answer = Mapping[str, Any]

NUMBERS: Final = {
    "max_train_steps": "Steps",
    "train_batch_size": "Batch",
    "lora_rank": "Rank",
    "learning_rate": "Learning rate",
}
"""Settings of the config that the form replaces, and their labels."""
DATA: Final = {
    "": "what works for this trainer",
    "staged": "staged, at the place that fits",
    "staged:hub": "staged in a private dataset on the Hub",
    "staged:here": "staged on this machine",
    "upload": "upload zip",
    "hosted": "hosted archive (https)",
    "remote": "the config's remote datasets",
}
KEEP_STAGED: Final = {"": "removed after the last job that reads it", "yes": "kept"}
LEAVE_OUT: Final = {"": "refused", "yes": "left out"}
"""What happens to pictures without a caption."""
DELIVERY: Final = {
    "local": "this machine",
    "hub": "Hugging Face Hub",
    "s3": "a bucket of yours (S3)",
    "": "as the config says",
    "none": "nowhere: only log and metrics are kept",
}
_FIELD_OF_CHECK: Final = (
    ("hf-token", "delivery"), ("hub", "hub_model_id"), ("s3", "destination"),
    ("validation", "delivery"), ("ceiling", "cost_ceiling_micros"),
    ("model-", "config"),
    ("lora-type", "config"),
    ("learning-rate", "learning_rate"),
    ("token", "hardware"), ("version", "hardware"), ("model", "hardware"), ("vram", "hardware"),
    ("memory", "hardware"), ("receiver", "delivery"), ("delivery", "delivery"),
    ("publish", "delivery"), ("staging", "data"), ("data", "data"), ("image", "data"),
    ("caption", "data"),
    ("archive", "data"), ("upload", "data"), ("steps", "max_train_steps"),
    ("batch", "train_batch_size"), ("rank", "lora_rank"), ("time", "cancel_after"),
    ("config", "config"),
)  # fmt: skip
SHORTEST_STOP: Final = 5
UNSET: Final = "unset:"
"""Begins the keys of the lines of options that the job goes without."""
OPTION: Final = "option:"
"""Begins the keys of options that are no fields of the form: their names may be those of fields."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhd])?[a-z]*\s*")


@dataclass(frozen=True, slots=True)
class Field:
    """A line of the form.

    Attributes:
        key: its place in the draft.
        label: its name on the screen.
        value: its value as text.
        note: shown behind the value.
        own: whether the value was chosen here and is not the config's.
        choice: whether it is picked from a list.
        level: the worst finding about it: empty, `warn` or `error`.
        problem: the words of an error.
    """

    key: str
    label: str
    value: str
    note: str = ""
    own: bool = False
    choice: bool = False
    level: str = ""
    problem: str = ""


def fields_of(draft: Draft, answer: Answer | None, errors: Mapping[str, str]) -> list[Field]:
    """Returns the lines of the form.

    Args:
        draft: the values chosen so far.
        answer: the newest check, or None.
        errors: words by field key, for values that were refused.
    """
    lines: list[tuple[str, str, str, str, bool]] = [
        ("config", "Config", str(draft.get("config") or ""), _config_note(draft, answer), True),
        ("name", "Run name", *_name(draft, answer), False),
        ("hardware", "Hardware", *_hardware(draft, answer), True),
        ("data", "Data", *_data(draft, answer), True),
    ]
    if draft.get("data") == "hosted":
        lines.append(("images_url", "Archive URL", draft.get("images_url") or "", "", False))
    lines += _staged_lines(draft, answer)
    lines.append(("delivery", "Delivery", *_delivery(draft, answer), True))
    lines += publishing.page_lines(draft, answer)
    for key, label in NUMBERS.items():
        lines.append((key, label, *_number(key, draft, answer), False))
    for key, value in (draft.get("overrides") or {}).items():
        if key not in NUMBERS and key not in publishing.OPTIONS:
            before = ((answer or {}).get("config") or {}).get(key)
            place = key if key in OVERRIDES else f"{OPTION}{key}"
            lines.append((place, _label(key), _figure(value), _was(before, value), False))
    for name in draft.get("unset") or ():
        note = "left out of this job; empty takes it back"
        lines.append((f"{UNSET}{name}", _label(name), "removed", note, False))
    if sweep_axes.swept(draft):
        words, count = sweep_axes.sweep_words(draft), sweep_axes.count_words(draft)
        lines.append((sweep_axes.KEY, "Sweep", words, count, True))
    lines.append(("cancel_after", "Stop after", *stop_words(draft), False))
    lines.append(("cost_ceiling_micros", "Cost ceiling", *ceiling_words(draft, answer), False))
    return _as_fields(lines, draft, answer, _with_inside(errors))


def sheet_of(draft: Draft, answer: Answer | None, errors: Mapping[str, str]) -> list[Field]:
    """Returns the lines of the publishing sheet; the arguments are those of `fields_of`."""
    return _as_fields(publishing.sheet_lines(draft, answer), draft, answer, errors)


def _as_fields(
    lines: Sequence[publishing.Line],
    draft: Draft,
    answer: Answer | None,
    errors: Mapping[str, str],
) -> list[Field]:
    levels = _levels(answer)
    return [
        Field(key, label, value, note, _is_own(key, draft), choice,
              "error" if key in errors else levels.get(key, ("", ""))[0],
              errors.get(key, levels.get(key, ("", ""))[1]))
        for key, label, value, note, choice in lines
    ]  # fmt: skip


def line_of(key: str) -> str:
    """Returns the key of the form's line that shows a field; the sheet is behind one line."""
    return "publishing" if key in publishing.INSIDE else key


def _with_inside(errors: Mapping[str, str]) -> dict[str, str]:
    """Returns the errors, those inside the sheet at the line that opens it."""
    inside = [f"{publishing.LABELS[key]} {errors[key]}" for key in publishing.INSIDE
              if key in errors]  # fmt: skip
    return {**errors, "publishing": "; ".join(inside)} if inside else dict(errors)


def _is_own(key: str, draft: Draft) -> bool:
    given = (
        key.removeprefix(OPTION) in (draft.get("overrides") or {})
        or bool(draft.get(key))
        or key.startswith(UNSET)
    )
    return given or (key in publishing.LABELS and publishing.is_own(key, draft))


def _config_note(draft: Draft, answer: Answer | None) -> str:
    if answer is None:
        return ""
    config = answer.get("config") or {}
    parts = [
        "as it ran ·" if draft.get("rerun_of") else None,
        config.get("model_family"),
        config.get("model_flavour"),
        config.get("lora_type"),
    ]
    return " ".join(str(part) for part in parts if part)


def _name(draft: Draft, answer: Answer | None) -> tuple[str, str]:
    own = draft.get("name")
    return str(own or (answer or {}).get("run_name") or ""), "" if own else "suggested"


def _hardware(draft: Draft, answer: Answer | None) -> tuple[str, str]:
    hardware = (answer or {}).get("hardware") or {}
    name = str(draft.get("hardware") or "l40s")
    if hardware.get("id") != name:
        return name.upper(), ""
    vram = f" {hardware['vram_gb']} GB" if hardware.get("vram_gb") else ""
    rate = formatting.rate(int(hardware.get("rate_micros") or 0))
    return f"{hardware.get('label', name)}{vram}", rate


def data_choices(buckets: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Returns the ways of the data as choices.

    Args:
        buckets: the S3 destinations, by name and with words about each.
    """
    choices = [(key, words, "") for key, words in DATA.items()]
    places = [(f"staged:bucket:{name}", f"staged in {name}", words) for name, words in buckets]
    after = list(DATA).index("staged:here") + 1
    return [*choices[:after], *places, *choices[after:]]


def data_key(draft: Draft) -> str:
    """Returns the key in `DATA` of a draft's choice; for a bucket, one of `data_choices`."""
    way, place = draft.get("data") or "", draft.get("staging") or ""
    return f"{way}:{place}" if way == "staged" and place else way


def is_staged(draft: Draft, answer: Answer | None) -> bool:
    """Returns whether the data are staged, by choice or because nothing else would work."""
    chosen = draft.get("data")
    return chosen == "staged" or (
        not chosen and bool(((answer or {}).get("leaves") or {}).get("until"))
    )


def _staged_lines(draft: Draft, answer: Answer | None) -> list[tuple[str, str, str, str, bool]]:
    if not is_staged(draft, answer):
        return []
    kept = KEEP_STAGED["yes" if draft.get("keep_staged") else ""]
    lines = [("keep_staged", "Staged copy", kept, "", True)]
    datasets = (answer or {}).get("datasets") or []
    bare = sum(len(d.get(key) or ()) for d in datasets
               for key in ("missing_captions", "empty_captions"))  # fmt: skip
    if bare or draft.get("leave_out_uncaptioned"):
        out = LEAVE_OUT["yes" if draft.get("leave_out_uncaptioned") else ""]
        note = formatting.plural(bare, "picture")
        lines.append(("leave_out_uncaptioned", "Without caption", out, note, True))
    return lines


def _data(draft: Draft, answer: Answer | None) -> tuple[str, str]:
    key = data_key(draft)
    chosen = DATA.get(key, f"staged in {key.removeprefix('staged:bucket:')}")
    datasets = (answer or {}).get("datasets") or []
    images = sum(int(dataset.get("images") or 0) for dataset in datasets)
    trained = [dataset for dataset in datasets if dataset.get("kind") != "cache"]
    names = ", ".join(str(dataset.get("id")) for dataset in trained)
    if not datasets:
        return chosen, ""
    total = int(((answer or {}).get("leaves") or {}).get("bytes") or 0)
    words = [formatting.plural(images, "image")]
    words += [formatting.size(total)] if total else []
    packed = "staged" if is_staged(draft, answer) else "upload zip"
    what = chosen if draft.get("data") else (packed if total else "remote")
    return f"{names} ({', '.join(words)})" if names else ", ".join(words), f"→ {what}"


def _number(key: str, draft: Draft, answer: Answer | None) -> tuple[str, str]:
    own = (draft.get("overrides") or {}).get(key)
    config = ((answer or {}).get("config") or {}).get(key)
    if own is None:
        return ("" if config is None else _figure(config)), ("from the config" if config else "")
    return _figure(own), ""


def _figure(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else override_text(value)


def _label(key: str) -> str:
    words = key.replace("_", " ").capitalize()
    return NUMBERS.get(key) or publishing.LABELS.get(key) or words


def _was(before: Any, value: Any) -> str:
    return "" if before in (None, value) else f"the config says {_figure(before)}"


def _delivery(draft: Draft, answer: Answer | None) -> tuple[str, str]:
    chosen = str((draft.get("delivery") or {}).get("kind") or "")
    meant = "" if chosen else publishing.kind_of(draft, answer)
    return DELIVERY[chosen], f"→ {DELIVERY[meant]}" if meant in DELIVERY and meant else ""


def _levels(answer: Answer | None) -> dict[str, tuple[str, str]]:
    """Returns level and message of the worst finding for each field."""
    worst: dict[str, tuple[str, str]] = {}
    for check in (answer or {}).get("checks") or ():
        level = str(check.get("level"))
        if level == "ok":
            continue
        name = str(check.get("id"))
        key = next((key for start, key in _FIELD_OF_CHECK if start in name), "")
        if key and (key not in worst or level == "error"):
            worst[key] = (level, in_app(str(check.get("message"))))
    return worst


# -- changing ---------------------------------------------------------------------------------


def value_for_editing(draft: Draft, answer: Answer | None, key: str) -> str:
    """Returns the text that the line to type in begins with."""
    if key.startswith(OPTION):
        value = (draft.get("overrides") or {}).get(key.removeprefix(OPTION))
        return "" if value is None else override_text(value)
    if key in OVERRIDES and key not in publishing.OPTIONS:
        return _number(key, draft, answer)[0]
    if key in ("cancel_after", "cost_ceiling_micros"):
        return editable_limit(draft, key)
    if key in publishing.LABELS:
        return publishing.editable(draft, answer, key)
    if key == "name":
        return _name(draft, answer)[0]
    return str(draft.get(key) or "")


def set_field(draft: Draft, key: str, text: str) -> str:
    """Puts a typed or picked value into the draft.

    Returns:
        What is wrong with it; empty when it was taken. An empty text takes the field's own back.
    """
    text = text.strip()
    if key in OVERRIDES or key.startswith(OPTION):
        return _set_override(draft, key.removeprefix(OPTION), text)
    if key.startswith(UNSET):
        return _set_unset(draft, key.removeprefix(UNSET), text)
    if key == "cancel_after":
        return set_stop(draft, text)
    if key == "cost_ceiling_micros":
        return set_ceiling(draft, text)
    if key == "delivery" or key in publishing.LABELS:
        return publishing.set_delivery(draft, key, text)
    if key == "data":
        way, _, place = text.partition(":")
        draft["data"], draft["staging"] = way or None, place or None
        return ""
    if key in ("keep_staged", "leave_out_uncaptioned"):
        draft[key] = bool(text)
        return ""
    if key == sweep_axes.KEY:
        draft.pop(key, None)  # its values are taken on the sheet
        return ""
    if key == "config":
        draft.pop("rerun_of", None)  # another config is another run
    if key == "images_url":
        try:
            draft[key] = read_address(text, ARCHIVE).url if text else None
        except AddressError as error:
            return f"The archive's address {error}."
    else:
        draft[key] = text or None
    return ""


def _set_override(draft: Draft, key: str, text: str) -> str:
    overrides = dict(draft.get("overrides") or {})
    if not text:
        overrides.pop(key, None)
    else:
        try:
            overrides[key] = parse_override(key, text)
        except ValueError as error:
            return in_app(f"{_label(key)} {error}.")
        if key in (draft.get("unset") or ()):
            _set_unset(draft, key, "")
    draft["overrides"] = overrides
    return ""


def _set_unset(draft: Draft, name: str, text: str) -> str:
    """Takes an option back into the job; the text is empty then."""
    if text and text != "removed":
        return f"{_label(name)} can only be taken back: leave the value empty."
    if not text:
        draft["unset"] = [other for other in draft.get("unset") or () if other != name]
    return ""


def option_changes(draft: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a draft changes of the config's options; None takes one out."""
    return {**dict.fromkeys(draft.get("unset") or ()), **(draft.get("overrides") or {})}


def clear_option(draft: Draft, name: str) -> bool:
    """Takes the change of an option back; returns whether there was one."""
    overrides, unset = draft.get("overrides") or {}, draft.get("unset") or ()
    if name not in overrides and name not in unset:
        return False
    draft["overrides"] = {other: value for other, value in overrides.items() if other != name}
    if unset:
        _set_unset(draft, name, "")
    return True


def change_options(draft: Draft, changes: Mapping[str, Any]) -> None:
    """Puts the changes of a finding into the draft; None takes an option out of the job."""
    gone = [name for name, value in changes.items() if value is None]
    overrides = {**(draft.get("overrides") or {}), **changes}
    draft["overrides"] = {name: value for name, value in overrides.items() if name not in gone}
    kept = [name for name in draft.get("unset") or () if name not in changes]
    if draft.get("unset") or gone:
        draft["unset"] = [*kept, *gone]


def stop_words(draft: Draft) -> tuple[str, str]:
    """Returns value and note of the time limit."""
    seconds = draft.get("cancel_after")
    if not seconds:
        return "no limit of yours", ""
    return formatting.duration(seconds), "Replicate cancels it then"


def ceiling_words(draft: Draft, answer: Mapping[str, Any] | None) -> tuple[str, str]:
    """Returns value and note of the cost ceiling: the sum, and the time that it becomes."""
    micros = int(draft.get("cost_ceiling_micros") or 0)
    if not micros:
        return "none", ""
    rate = int(((answer or {}).get("hardware") or {}).get("rate_micros") or 0)
    if not rate:
        return formatting.money(micros), ""
    seconds, shorter = micros // rate, draft.get("cancel_after")
    if shorter and shorter < seconds:
        return formatting.money(micros), "Stop after comes first"
    return formatting.money(micros), f"→ Cancel-After {seconds} s, {formatting.duration(seconds)}"


def editable_limit(draft: Draft, key: str) -> str:
    """Returns the text that the line to type in begins with."""
    value = draft.get(key)
    if not value:
        return ""
    if key == "cancel_after":
        return formatting.duration(value)
    return f"{Decimal(value) / 1_000_000:f}"


def set_stop(draft: Draft, text: str) -> str:
    """Puts a duration into the draft; returns what is wrong with it, else an empty text."""
    seconds = parse_duration(text) if text else None
    if text and seconds is None:
        return "Write a length of time such as 90 m or 2 h."
    if seconds is not None and seconds < SHORTEST_STOP:
        return f"Replicate accepts no less than {SHORTEST_STOP} s."
    draft["cancel_after"] = seconds
    return ""


def set_ceiling(draft: Draft, text: str) -> str:
    """Puts a sum into the draft; returns what is wrong with it, else an empty text."""
    try:
        micros = read_amount(text) if text else None
    except FieldError as error:
        return f"Cost ceiling {error}."
    if micros == 0:
        return "Cost ceiling must be more than nothing."
    draft["cost_ceiling_micros"] = micros
    return ""


def parse_duration(text: str) -> int | None:
    """Returns the seconds of `2 h`, `90m`, `1 h 30 m`, `45` (minutes); None for another text."""
    total, at = 0.0, 0
    lowered = text.lower().strip()
    while at < len(lowered):
        match = _DURATION.match(lowered, at)
        if match is None or match.end() == at:
            return None
        total += float(match[1]) * _UNITS[match[2] or "m"]
        at = match.end()
    return round(total) if lowered else None
