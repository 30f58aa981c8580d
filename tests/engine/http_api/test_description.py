"""The OpenAPI document that is made of the table: valid, whole, and true for real answers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from pydantic.json_schema import JsonSchemaValue

from tests.engine.world import World
from tui.api import paths, routes
from tui.api.scopes import SCOPES
from tui.engine.http_api.description import describe

DOCUMENT = describe("socket", "both", "listener")
SCHEMAS: dict[str, JsonSchemaValue] = json.loads(json.dumps(DOCUMENT))["components"]["schemas"]


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_is_described_and_no_other() -> None:
    table = (*paths.ENDPOINTS, *paths.S3_ENDPOINTS)
    assert set(operations(DOCUMENT)) == {(one.method, routes.plain(one.path)) for one in table}
    behind_a_key = operations(describe("both"))
    assert set(behind_a_key) == {
        (one.method, routes.plain(one.path)) for one in table if one.door == "both"
    }
    assert all(
        one["security"] in [[{"bearer": [scope]}, {"key": [scope]}] for scope in SCOPES]
        for one in behind_a_key.values()
    )


async def test_the_socket_serves_it(world: World) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        answer = await client.get(paths.OPENAPI.path, timeout=60)
    assert answer.json() == json.loads(json.dumps(DOCUMENT))


def test_a_tool_understands_it() -> None:
    import schemathesis  # takes a second to import, which every worker would pay
    from schemathesis.core.result import Ok

    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))
    schema.validate()
    results = list(schema.get_all_operations())
    found = {(item.ok().method.upper(), item.ok().path) for item in results if isinstance(item, Ok)}
    assert len(results) == len(found)
    assert found == set(operations(DOCUMENT))


def test_every_name_leads_to_a_schema() -> None:
    text = json.dumps(DOCUMENT)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= set(SCHEMAS)
    assert len(names) > 150
    for schema in SCHEMAS.values():
        assert "Attributes:" not in schema["description"]


def test_attributes_bounds_and_formats_are_described() -> None:
    created = SCHEMAS["Job"]["properties"]["created_at"]
    assert (created["type"], created["format"]) == ("string", "date-time")
    assert created["description"] == "when it was made."
    rank = SCHEMAS["DraftOverrides"]["properties"]["lora_rank"]
    assert {"type": "integer", "minimum": 1} in rank["anyOf"]
    assert SCHEMAS["Draft"]["required"] == ["config"]
    limit = next(
        one for one in operations(DOCUMENT)["GET", "/api/cloud/jobs"]["parameters"]
        if one["name"] == "limit"
    )  # fmt: skip
    assert limit["schema"] | {"minimum": 1, "maximum": 500} == limit["schema"]


def test_one_path_of_two_servers_has_both_answers() -> None:
    listed = operations(DOCUMENT)["GET", "/api/cloud/storage/{bucket}"]
    assert set(listed["responses"]["200"]["content"]) == {"application/json", "application/xml"}
    assert listed["security"] == [{"bearer": ["read"]}, {"key": ["read"]}, {"s3": []}]
    assert {"prefix", "list-type"} <= {one["name"] for one in listed["parameters"]}
