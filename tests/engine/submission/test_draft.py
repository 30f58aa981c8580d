"""The fields of a job draft."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, ValidationError

from tui.api import submission
from tui.base.errors import RefusedError
from tui.engine.submission.draft import DeliveryDraft, Draft, Overrides, read_draft
from tui.simpletuner.checks import checks
from tui.simpletuner.config.overrides import OVERRIDES


def settings_changed_by(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The setting names that a module's code puts into `changes`, with their function."""
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            keys: list[ast.expr | None] = []
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "changes":
                keys = [node.slice]
            elif isinstance(node, ast.Dict) and node.keys:
                keys = list(node.keys)
            for key in keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield function.name, key.value


@pytest.mark.parametrize("module", [checks])
def test_every_setting_changed_by_advice_is_a_draft_field(module: ModuleType) -> None:
    names = {name for _, name in settings_changed_by(module)}
    assert len(names) > 3
    for name in names:
        kind, least = OVERRIDES[name]
        value = {"switch": True, "text": "word"}.get(kind, int(least))
        draft = Draft.model_validate({"config": "x", "overrides": {name: value}})
        assert draft.overrides.given() == {name: value}


@pytest.mark.parametrize(
    ("shape", "model"),
    [
        (submission.DraftOverrides, Overrides),
        (submission.Draft, Draft),
        (submission.DraftDelivery, DeliveryDraft),
    ],
)
def test_the_api_takes_every_field_of_a_draft(shape: Any, model: type[BaseModel]) -> None:
    assert set(get_type_hints(shape)) == set(model.model_fields)


def test_pixels_stay_a_whole_number() -> None:
    values = Overrides.model_validate({"resolution": 512.0}).given()
    assert (values, type(values["resolution"])) == ({"resolution": 512}, int)
    assert Overrides.model_validate({"resolution": 0.5}).given() == {"resolution": 0.5}


@pytest.mark.parametrize(("seconds", "accepted"), [(4, False), (5, True)])
def test_a_job_may_be_given_the_shortest_life_and_no_shorter_one(
    seconds: int, accepted: bool
) -> None:
    try:
        Draft.model_validate({"cancel_after": seconds})
        wrong: list[Any] = []
    except ValidationError as error:
        wrong = [one["loc"] for one in error.errors()]
    assert (("cancel_after",) not in wrong) is accepted


@pytest.mark.parametrize("name", sorted(Draft.model_fields))
def test_no_field_of_a_draft_is_as_long_as_one_likes(name: str) -> None:
    """What a draft says is compared with known words, hashed, and sent on."""
    long = "x" * 1_000_000
    values = [long, [long]] if name == "unset" else [long, {"kind": long}, {"prompt": long}]
    for value in [*values, [f"{number}{long[:100]}" for number in range(10_000)]]:
        with pytest.raises(RefusedError) as refused:
            read_draft({"config": "a", name: value})
        assert next(iter(refused.value.details["fields"])).partition(".")[0] == name


def test_changed_options_have_a_limit_together() -> None:
    lists = {f"validation_list_{number}": ["x" * 100] * 100 for number in range(5)}
    read_draft({"config": "a", "overrides": {"validation_prompt": "x" * 99_000}})
    for overrides in (
        lists | {"validation_prompt": "x" * 60_000},
        {"validation_prompt": "x" * 10**5},
    ):
        with pytest.raises(RefusedError, match="at most 100,000 characters together"):
            read_draft({"config": "a", "overrides": overrides})
