"""Two versions of a trainer, side by side."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.request.schema import missing_inputs, schema_diff


def schema(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"components": {"schemas": {"Input": {"properties": properties}}}}


TEXT = {"type": "string"}
FIELD = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean"])},
    optional={"format": st.sampled_from(["uri", "password"]), "minimum": st.integers(0, 9)},
)
FIELDS = st.dictionaries(st.sampled_from(["images", "config_json", "steps", "seed"]), FIELD)


def test_every_kind_of_change_is_reported() -> None:
    before = schema(
        a=TEXT, gone=TEXT, steps={"type": "integer", "minimum": 1},
        mode={"type": "string", "enum": ["x", "y"]},
    )  # fmt: skip
    after = schema(
        a={"type": "integer"}, new={"type": "string", "format": "password"},
        steps={"type": "integer", "minimum": 5}, mode={"type": "string", "enum": ["y", "z"]},
    )  # fmt: skip
    changes = {change.name: (change.kind, change.words) for change in schema_diff(before, after)}
    assert changes == {
        "a": ("changed", "type string → integer"),
        "gone": ("removed", "gone (was string)"),
        "mode": ("changed", "choices: also z; no longer x"),
        "new": ("added", "new: secret string"),
        "steps": ("changed", "least 1 → 5"),
    }


def test_a_secret_that_becomes_readable_is_reported() -> None:
    before, after = schema(key={"type": "string", "format": "password"}), schema(key=TEXT)
    assert "can be read" in schema_diff(before, after)[0].words


@given(FIELDS, FIELDS)
def test_a_version_has_no_difference_to_itself_and_the_diff_is_symmetric(
    old_properties: dict[str, Any], new_properties: dict[str, Any]
) -> None:
    first, second = schema(**old_properties), schema(**new_properties)
    assert schema_diff(first, first) == []
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    forth = {(change.name, change.kind) for change in schema_diff(first, second)}
    back = {(change.name, turned[change.kind]) for change in schema_diff(second, first)}
    assert forth == back


def test_missing_inputs_are_named_with_their_purpose() -> None:
    lacking = missing_inputs(schema(config_json=TEXT, images=TEXT))
    by_name = {item.name: item for item in lacking}
    assert by_name["dataloader_json"].essential
    assert by_name["hf_token"].purpose == "delivery to the Hub"
    assert "images" not in by_name
    assert [item.name for item in missing_inputs(schema(a=TEXT), ["images"])] == ["images"]
    assert missing_inputs(None) == []
