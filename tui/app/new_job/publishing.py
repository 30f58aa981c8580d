"""The delivery fields of the new-job form as data: lines of the page and of its sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tui.simpletuner.request.delivery import READERS, read_field

Draft = dict[str, Any]
Answer = Mapping[str, Any]
Line = tuple[str, str, str, str, bool]
"""Key, label, value, words behind it, and whether it is picked from a list."""

SWITCHES: Final = {
    "model_card_private": ("Private", "private", "only you see the repository"),
    "push_checkpoints_to_hub": ("Checkpoints", "push_checkpoints", "checkpoints are sent as well"),
    "push_to_hub_background": ("In background", "background", "training goes on while it uploads"),
    "model_card_safe_for_work": ("Safe for work", "safe_for_work", "what the model card says"),
}
"""By option of the config: label, name in a check's answer, what it means."""
PROSE: Final = {
    "model_card_note": ("Note on card", "note", "free text on the model card"),
    "modelspec_comment": ("Comment", "comment", "kept in the model file; {current_step} is filled"),
}
OPTIONS: Final = frozenset({*SWITCHES, *PROSE})
S3_FIELDS: Final = {
    "bucket": ("Bucket", "bucket", "as the destination says"),
    "region": ("Region", "region", "as the destination says"),
    "prefix": ("Prefix", "base_path", "{job_id} is the job's own id"),
    "public_base_url": ("Public URL", "public_base_url", "what links begin with"),
}
LABELS: Final = {
    "hub_model_id": "Hub repo", "hub_owner": "Owner", "destination": "S3 keys of",
    "publishing": "Publishing", "licence": "Licence", "endpoint": "Endpoint",
    **{key: entry[0] for key, entry in {**SWITCHES, **PROSE, **S3_FIELDS}.items()},
}  # fmt: skip
FIXED: Final = {
    "licence": "It comes with the base model; the model card names it.",
    "endpoint": "It belongs to the keys: choose another destination for another server.",
}
"""Lines that cannot be changed, and why."""
INSIDE: Final = (*S3_FIELDS, "hub_owner", *SWITCHES, *PROSE)
"""Keys whose lines are in the sheet alone."""


def kind_of(draft: Draft, answer: Answer | None) -> str:
    """Returns the kind of delivery: the chosen one, else the config's as the check says."""
    kind = (draft.get("delivery") or {}).get("kind")
    return str(kind or _delivery_of(answer).get("kind") or "")


def page_lines(draft: Draft, answer: Answer | None) -> list[Line]:
    """Returns the lines below the form's `Delivery`."""
    kind, checked = kind_of(draft, answer), _delivery_of(answer)
    lines: list[Line] = []
    if kind == "hub":
        lines.append(_repo(draft, checked))
    elif kind == "s3":
        lines.append(_destination(draft, checked))
    if kind in ("hub", "s3", "local"):
        lines.append(("publishing", LABELS["publishing"], summary(draft, answer), "", True))
    return lines


def sheet_lines(draft: Draft, answer: Answer | None) -> list[Line]:
    """Returns the lines of all settings of the chosen delivery."""
    kind, checked = kind_of(draft, answer), _delivery_of(answer)
    lines: list[Line] = []
    if kind == "hub":
        owner = _repo(draft, checked)[2].rpartition("/")[0]
        lines.append(("hub_owner", LABELS["hub_owner"], owner, "you or an organisation", True))
        lines.append(_repo(draft, checked))
        for key, (label, _, what) in SWITCHES.items():
            value = {True: "yes", False: "no"}.get(_option(draft, checked, key), "")
            lines.append((key, label, value, _source(draft, key, what), True))
        lines.append(_prose(draft, checked, "model_card_note"))
        licence = checked.get("licence") or {}
        name = licence.get("license_name") or licence.get("license") or "not known"
        lines.append(("licence", LABELS["licence"], str(name), "of the base model", False))
    if kind == "s3":
        lines.append(_destination(draft, checked))
        own = draft.get("delivery") or {}
        for key, (label, name, what) in S3_FIELDS.items():
            value = str(own.get(key) or checked.get(name) or "")
            lines.append((key, label, value, what, False))
        endpoint = str(checked.get("endpoint") or "Amazon S3")
        lines.append(("endpoint", LABELS["endpoint"], endpoint, "of the destination", False))
    lines.append(_prose(draft, checked, "modelspec_comment"))
    return lines


def summary(draft: Draft, answer: Answer | None) -> str:
    """Returns the settings in one line."""
    kind, checked = kind_of(draft, answer), _delivery_of(answer)
    parts: list[str] = []
    if kind == "hub":
        public = _option(draft, checked, "model_card_private") is False
        parts.append("public" if public else "private")
        final = _option(draft, checked, "push_checkpoints_to_hub") is False
        parts.append("final only" if final else "checkpoints too")
        if _option(draft, checked, "push_to_hub_background"):
            parts.append("in background")
        if _option(draft, checked, "model_card_safe_for_work"):
            parts.append("safe for work")
        if _option(draft, checked, "model_card_note"):
            parts.append("note")
    elif kind == "s3" and checked.get("bucket"):
        parts.append(f"s3://{checked['bucket']}/{checked.get('base_path') or ''}")
    if _option(draft, checked, "modelspec_comment"):
        parts.append("comment")
    return " · ".join(parts) or "nothing but the files"


def is_own(key: str, draft: Draft) -> bool:
    """Returns whether a line shows a value that was chosen in the form."""
    own = draft.get("delivery") or {}
    if key == "publishing":
        return any(is_own(inside, draft) for inside in INSIDE)
    if key == "hub_owner":
        return "/" in str(own.get("hub_model_id") or "")
    return bool(own.get(key))


def editable(draft: Draft, answer: Answer | None, key: str) -> str:
    """Returns the text that the line to type in begins with."""
    own = (draft.get("delivery") or {}).get(key)
    if own or key not in LABELS:
        return str(own or "")
    checked = _delivery_of(answer)
    if key in PROSE:
        return str(_option(draft, checked, key) or "")
    if key == "prefix":
        return str(checked.get("base_path") or "")
    return str(checked.get(key) or "")


def set_delivery(draft: Draft, key: str, text: str) -> str:
    """Puts a value into the draft's delivery; returns what is wrong with it, else an empty text."""
    own = dict(draft.get("delivery") or {})
    if key == "delivery":
        # Of another way nothing is thrown away: it is there again when one comes back to it.
        draft["delivery"] = {**own, "kind": text} if text else {}
        return ""
    if not text:
        own.pop("hub_model_id" if key == "hub_owner" else key, None)
    elif key in READERS:
        try:
            own[key] = read_field(key, text)
        except ValueError as error:
            return f"{LABELS[key]} {error}."
    draft["delivery"] = own
    return ""


def owned_by(draft: Draft, answer: Answer | None, owner: str) -> str:
    """Returns the repository's name with another owner; the run's name where there is none yet."""
    checked = _delivery_of(answer)
    repo = _repo(draft, checked)[2] or str((answer or {}).get("run_name") or "my-lora")
    name = repo.rpartition("/")[2]
    return f"{owner}/{''.join(c if c.isalnum() or c in '-_.' else '-' for c in name)}"


def _delivery_of(answer: Answer | None) -> Mapping[str, Any]:
    delivery = (answer or {}).get("delivery")
    return delivery if isinstance(delivery, Mapping) else {}


def _option(draft: Draft, checked: Mapping[str, Any], key: str) -> Any:
    own = (draft.get("overrides") or {}).get(key)
    return checked.get(({**SWITCHES, **PROSE}[key])[1]) if own is None else own


def _source(draft: Draft, key: str, what: str) -> str:
    return what if key in (draft.get("overrides") or {}) else f"from the config · {what}"


def _repo(draft: Draft, checked: Mapping[str, Any]) -> Line:
    own = str((draft.get("delivery") or {}).get("hub_model_id") or "")
    repo = own or str(checked.get("hub_model_id") or "")
    note = "" if own else "from the config" if repo else "owner/name"
    return ("hub_model_id", LABELS["hub_model_id"], repo, note, False)


def _destination(draft: Draft, checked: Mapping[str, Any]) -> Line:
    own = (draft.get("delivery") or {}).get("destination")
    name = str(own or checked.get("destination") or "")
    note = "" if name else "one of your S3 destinations"
    return ("destination", LABELS["destination"], name, note, True)


def _prose(draft: Draft, checked: Mapping[str, Any], key: str) -> Line:
    label, _, what = PROSE[key]
    return (key, label, str(_option(draft, checked, key) or ""), what, False)
