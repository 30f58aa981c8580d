"""Schemathesis makes requests up from the published description and checks every answer by it.

The description is used as it is published but for four corrections, each for a reason:

* `nullable` is a word of OpenAPI 3.0 in a document that calls itself 3.1, where it means nothing.
* A prediction's `version` is "a string, or `hidden`" by `oneOf`, which the text `hidden` cannot
  fulfil because it fits both.
* The pattern of `Prefer` takes up to 99 seconds where its words, and the service, end at 60.
* Refusals are not described (but for a few), so the shape seen in recorded ones is added.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.background import Background
from tests.sandbox.openapi_shapes import DOCUMENT
from tests.sandbox.openapi_values import HELLO, good_values
from tests.support import examples
from tui.sandbox import ids

# Schemathesis takes seconds to import and every worker collects this module: its test imports it.
if TYPE_CHECKING:
    from schemathesis import Case

_REFUSALS = ("400", "401", "402", "404", "405", "413", "415", "422", "429")
_PROBLEM = {
    "description": "Refused",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["detail", "status"],
                "properties": {
                    "title": {"type": "string"},
                    "detail": {"type": "string", "minLength": 1},
                    "status": {"type": "integer"},
                    "retry_after": {"type": "number"},
                    "invalid_fields": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["type", "field", "description"],
                            "additionalProperties": {"type": "string"},
                        },
                    },
                    "errors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["detail", "pointer"],
                            "additionalProperties": {"type": "string"},
                        },
                    },
                },
                "additionalProperties": False,
            }
        }
    },
}


def corrected() -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(DOCUMENT)
    _read_nullable(document)
    version = document["components"]["schemas"]["schemas_prediction_response"]["properties"][
        "version"
    ]
    version["anyOf"] = version.pop("oneOf")
    prefer = document["components"]["parameters"]["parameters_prefer_header"]["schema"]
    prefer["pattern"] = "^wait(=([1-9]|[1-5][0-9]|60))?$"
    for path, verbs in document["paths"].items():
        for operation in verbs.values():
            # What stands there and has a shape is kept; `/search` alone has none but its own.
            for status in _REFUSALS:
                known = operation["responses"].get(status)
                if known is None or (status == "404" and "content" not in known):
                    operation["responses"][status] = _PROBLEM
        del path
    return document


def _read_nullable(part: Any) -> None:
    if isinstance(part, dict):
        if part.pop("nullable", False) is True:
            part["type"] = [part["type"], "null"]
        for inner in part.values():
            _read_nullable(inner)
    elif isinstance(part, list):
        for inner in part:
            _read_nullable(inner)


LABELS = [f"{verb.upper()} {path}" for path, verbs in DOCUMENT["paths"].items() for verb in verbs]


@cache
def operations() -> dict[str, Any]:
    """Every operation of the description by its label, as Schemathesis reads it."""
    import schemathesis

    schema = schemathesis.openapi.from_dict(corrected())
    results: list[Any] = list(schema.get_all_operations())
    return {result.ok().label: result.ok() for result in results}


NEVER_DONE = {
    # Models of others and versions in use are not deleted, this model has no readme, and the
    # address of a download must be signed.
    "DELETE /models/{model_owner}/{model_name}",
    "DELETE /models/{model_owner}/{model_name}/versions/{version_id}",
    "GET /models/{model_owner}/{model_name}/readme",
    "GET /files/{file_id}/download",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    world = Background(tmp_path_factory.mktemp("sandbox"))
    yield world
    world.close()


def test_the_whole_description_is_covered() -> None:
    assert list(operations()) == LABELS
    assert len(LABELS) == 37


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("way", ["positive", "negative"])
def test_every_answer_is_as_described(world: Background, label: str, way: str) -> None:
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    mode = GenerationMode(way)
    operation = operations()[label]
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
        # Nothing can be wrong with a request that has a path alone; see the positive ones.
        return
    known = good_values(world.sandbox, world.http)
    names = {item.name for item in operation.path_parameters}
    headers = {"Authorization": f"Bearer {world.sandbox.token}"}
    answers: set[int] = set()
    conform = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]

    @settings(
        max_examples=examples(12),
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        real = data.draw(st.booleans())
        there = {name: known[name] for name in names} if real else None
        case: Case[Any] = data.draw(
            operation.as_strategy(generation_mode=mode, path_parameters=there)
        )
        if real and mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body = _that_can_work(case.body, known)
        answer = case.call_and_validate(
            base_url=world.sandbox.base_url, headers=headers, checks=conform, timeout=20
        )
        answers.add(answer.status_code)

    ask()
    if mode is GenerationMode.POSITIVE and label not in NEVER_DONE:
        assert answers & {200, 201, 202, 204}, answers


def _that_can_work(body: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """The same body, where it names things, with names of things that there are."""
    names = {
        "version": known["version_id"],
        "model": HELLO,
        "input": {"text": "x"},
        "destination": "sandbox/my-lora",
        "owner": "sandbox",
        "name": ids.prediction_id(),
        "hardware": "cpu",
        "visibility": "private",
        "webhook": "https://127.0.0.1:9/hook",
    }
    return {name: names.get(name, value) for name, value in body.items() if name in names} | {
        name: value for name, value in body.items() if name.endswith(("_instances", "_filter"))
    }
