"""Every operation of the published description, with good and with generated requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.background import Background
from tests.sandbox.openapi_shapes import DOCUMENT, Operation, misfits, operations
from tests.sandbox.openapi_values import HELLO, good_values
from tests.support import examples

REFUSALS = {400, 401, 402, 404, 405, 413, 415, 422, 429}
"""What the service answers without describing it."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    world = Background(tmp_path_factory.mktemp("sandbox"))
    yield world
    world.close()


def check(operation: Operation, answer: httpx.Response) -> None:
    """The answer is as described, or a well-formed refusal."""
    status = str(answer.status_code)
    kind = answer.headers.get("content-type", "").partition(";")[0]
    described = operation.responses.get(status)
    if described is None:
        assert answer.status_code in REFUSALS, (str(operation), status, answer.text)
        assert kind == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["detail"]
        return
    content = described.get("content") or {}
    if not content or kind == "text/plain":
        return
    assert kind in content, (str(operation), status, kind)
    if kind.endswith("json"):
        shape = content[kind].get("schema", {})
        assert list(misfits(answer.json(), shape)) == [], str(operation)


def fill(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    return path.lstrip("/")


def good_body(operation: Operation, values: dict[str, str]) -> Any:
    bodies: dict[str, Any] = {
        "POST /predictions": {"version": values["version_id"], "input": {"text": "x"}},
        "POST /models": {
            "owner": "sandbox",
            "name": "new",
            "visibility": "private",
            "hardware": "cpu",
        },
        "POST /deployments": {
            "name": "other",
            "model": HELLO,
            "version": values["version_id"],
            "hardware": "cpu",
            "min_instances": 0,
            "max_instances": 1,
        },
    }
    if operation.path.endswith("/predictions"):
        return bodies.get(str(operation), {"input": {"text": "x"}})
    if operation.path.endswith("/trainings"):
        return {"destination": "sandbox/my-lora", "input": {"text": "x"}}
    return bodies.get(str(operation), {})


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_valid_request_is_answered_as_described(world: Background, operation: Operation) -> None:
    values = good_values(world.sandbox, world.http)
    path = fill(operation.path, values)
    options: dict[str, Any] = {}
    if operation.method in {"POST", "PATCH"}:
        options["json"] = good_body(operation, values)
    if str(operation) == "POST /files":
        options = {"files": {"content": ("a.zip", b"x", "application/zip")}}
    if operation.path == "/search":
        options["params"] = {"query": "trainer"}
    if operation.path.endswith("/download"):
        core = world.sandbox.core
        stored = core.files.get(values["file_id"])
        assert stored is not None
        path = core.files.download_url(stored, world.sandbox.base_url)
    answer = world.http.request(operation.method, path, **options)
    # Models of others and deployments in use are not deleted, and this model has no readme.
    guarded = operation.method == "DELETE" and not operation.path.startswith("/files")
    refused = guarded or operation.path.endswith("/readme")
    assert answer.is_success or refused, (str(operation), answer.text)
    check(operation, answer)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(
    {
        name
        for shape in DOCUMENT["components"]["schemas"].values()
        for name in shape.get("properties", {})
    }
    | {"owner", "hardware", "min_instances", "destination", "filename"}
)
BODIES = JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6)
QUERIES = st.dictionaries(
    st.sampled_from(
        ["cursor", "created_after", "created_before", "source", "query", "limit", "sort_by"]
    ),
    TEXTS,
    max_size=3,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Prefer", "Cancel-After"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
    max_size=2,
)


@settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    operation=st.sampled_from(operations()),
    names=st.fixed_dictionaries({}) | st.just({"model_owner": "x"}),
    stray=TEXTS.filter(lambda text: text.strip(". /") != ""),
    body=BODIES,
    query=QUERIES,
    headers=HEADERS,
)
def test_any_request_is_answered_as_described(
    world: Background,
    operation: Operation,
    names: dict[str, str],
    stray: str,
    body: Any,
    query: dict[str, str],
    headers: dict[str, str],
) -> None:
    known = {
        "model_owner": "replicate",
        "model_name": "hello-world",
        "version_id": world.sandbox.core.registry.models[HELLO].versions[0].id,
        "collection_slug": "training",
        "deployment_owner": "sandbox",
        "deployment_name": stray,
        "prediction_id": stray,
        "training_id": stray,
        "file_id": stray,
    }
    path = fill(operation.path, known | names)
    content = json.dumps(body).encode()
    headers = {**headers, "Content-Type": "application/json"}
    answer = world.http.request(
        operation.method, path, content=content, params=query, headers=headers
    )
    # A stray name with a slash in it is another path.
    if "/" not in stray:
        check(operation, answer)
