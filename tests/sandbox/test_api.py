"""Account, hardware, models, versions, catalogue, deployments: shapes and errors over HTTP."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.sandbox.conftest import TRAINER, SandboxClient
from tui.sandbox.releases import EARLY, SUMMER, WISHED


async def test_account_hardware_and_secret(client: SandboxClient) -> None:
    account = (await client.http.get("account")).json()
    assert account["type"] == "user"
    assert {"username", "name", "avatar_url", "github_url"} <= account.keys()
    skus = {item["sku"] for item in (await client.http.get("hardware")).json()}
    assert {"cpu", "gpu-l40s", "gpu-h100"} <= skus
    secret = (await client.http.get("webhooks/default/secret")).json()["key"]
    assert re.fullmatch(r"whsec_.{32}", secret)


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "You did not pass an authentication token"),
        ("Basic abc", "You did not pass a valid authentication token"),
        ("Bearer", "You did not pass a valid authentication token"),
        ("Bearer r8_wrong", "Invalid or expired API token."),
    ],
)
async def test_requests_without_a_valid_token_are_refused(
    client: SandboxClient, header: str | None, detail: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with httpx.AsyncClient(trust_env=False) as http:
        for path in ("/v1/account", "/v1/nowhere", "/_sandbox/faults"):
            url = client.sandbox.base_url.removesuffix("/v1") + path
            answer = await http.get(url, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() == {"title": "Unauthenticated", "detail": detail, "status": 401}


async def test_the_token_authorization_scheme_works(client: SandboxClient) -> None:
    headers = {"Authorization": f"Token {client.sandbox.token}"}
    assert (await client.http.get("account", headers=headers)).status_code == 200


async def test_unknown_paths_and_methods(client: SandboxClient) -> None:
    assert (await client.http.get("nowhere")).json()["status"] == 404
    answer = await client.http.delete("account")
    assert answer.status_code == 405
    assert answer.json() == {"detail": 'Method "DELETE" not allowed.', "status": 405}


async def test_rate_limit_headers(client: SandboxClient) -> None:
    answer = await client.http.get("account")
    assert answer.headers["ratelimit-remaining"] == "2999"
    assert answer.headers["ratelimit-reset"] == "1"


async def test_models_and_versions_newest_first(client: SandboxClient) -> None:
    model = (await client.http.get(f"models/{TRAINER}")).json()
    assert f"{model['owner']}/{model['name']}" == TRAINER
    versions = (await client.http.get(f"models/{TRAINER}/versions")).json()["results"]
    assert [item["id"] for item in versions] == [
        client.version(WISHED),
        client.version(SUMMER),
        client.version(EARLY),
    ]
    assert model["latest_version"]["id"] == versions[0]["id"]
    properties = versions[0]["openapi_schema"]["components"]["schemas"]["Input"]["properties"]
    assert properties["hf_token"]["x-cog-secret"] is True
    version = await client.http.get(f"models/{TRAINER}/versions/{versions[1]['id']}")
    assert version.json() == versions[1]


async def test_every_trainer_has_versions_with_different_schemas(client: SandboxClient) -> None:
    for model in client.sandbox.core.registry.models.values():
        if model.owner == "simpletuner":
            schemas = [str(version.schema) for version in model.versions]
            assert len(schemas) >= 2, model.name
            assert len(set(schemas)) == len(schemas), model.name


async def test_listing_and_searching_models(client: SandboxClient) -> None:
    listed = (await client.http.get("models")).json()
    names = {item["name"] for item in listed["results"]}
    assert {"advanced-trainer", "advanced-trainer-h100-x8", "webhook-check"} <= names
    assert (await client.http.get("models?sort_by=size")).status_code == 400
    models = (await client.http.request("QUERY", "models", content="l40s-x2")).json()
    assert [item["name"] for item in models["results"]] == ["advanced-trainer-l40s-x2"]
    headers = {"Authorization": ""}
    search = await client.http.get("search?query=webhook-check", headers=headers)
    assert [item["model"]["name"] for item in search.json()["models"]] == ["webhook-check"]
    assert (await client.http.get("search")).status_code == 400


async def test_readme_examples_and_collections(client: SandboxClient) -> None:
    readme = await client.http.get(f"models/{TRAINER}/readme")
    assert readme.headers["content-type"].startswith("text/plain")
    assert "stand-in" in readme.text
    assert (await client.http.get("models/replicate/hello-world/readme")).status_code == 404
    done = await client.ended(await client.hello())
    examples = (await client.http.get("models/replicate/hello-world/examples")).json()
    assert [item["id"] for item in examples["results"]] == [done["id"]]
    slugs = [item["slug"] for item in (await client.http.get("collections")).json()["results"]]
    assert "training" in slugs
    collection = (await client.http.get("collections/training")).json()
    assert TRAINER.split("/")[1] in {item["name"] for item in collection["models"]}
    assert (await client.http.get("collections/none")).status_code == 404


async def test_creating_and_deleting_a_model(client: SandboxClient) -> None:
    body = {"owner": "sandbox", "name": "mine", "visibility": "private", "hardware": "gpu-l40s"}
    wrong = await client.post("models", body | {"hardware": "gpu-t9000"})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["pointer"] == "/hardware"
    assert (await client.post("models", body)).status_code == 201
    assert (await client.post("models", body)).status_code == 400
    changed = await client.http.patch("models/sandbox/mine", json={"description": "better"})
    assert changed.json()["description"] == "better"
    assert (await client.http.delete(f"models/{TRAINER}")).status_code == 400
    assert (await client.http.delete("models/sandbox/mine")).status_code == 204
    assert (await client.http.get("models/sandbox/mine")).status_code == 404


async def test_deployments(client: SandboxClient) -> None:
    body = {
        "name": "mine",
        "model": "replicate/hello-world",
        "version": client.version(SUMMER, "replicate/hello-world"),
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 1,
    }
    made = await client.post("deployments", body)
    assert made.status_code == 200
    assert made.json()["current_release"]["number"] == 1
    assert (await client.post("deployments", body | {"max_instances": 99})).status_code == 400
    again = await client.http.patch("deployments/sandbox/mine", json={"max_instances": 2})
    assert again.json()["current_release"]["number"] == 2
    created = await client.post("deployments/sandbox/mine/predictions", {"input": {"text": "x"}})
    assert created.status_code == 201
    assert created.json()["deployment"] == "sandbox/mine"
    assert (await client.http.get("deployments/sandbox/mine")).status_code == 200
    assert len((await client.http.get("deployments")).json()["results"]) == 1
    assert (await client.http.get("deployments/sandbox/none")).status_code == 404


async def test_trainings(client: SandboxClient) -> None:
    version = client.version(SUMMER, "replicate/hello-world")
    path = f"models/replicate/hello-world/versions/{version}/trainings"
    lost = await client.post(path, {"destination": "sandbox/none", "input": {"text": "x"}})
    assert lost.status_code == 404
    assert lost.json()["detail"] == "The specified training destination does not exist"
    made = await client.post(path, {"destination": "sandbox/my-lora", "input": {"text": "x"}})
    assert made.status_code == 201
    training = made.json()
    assert "/predictions/" in training["urls"]["get"]
    assert "output" not in training
    done = await client.ended(training)
    assert done["output"]["version"].startswith("sandbox/my-lora:")
    listed = (await client.http.get("trainings")).json()["results"]
    assert [item["id"] for item in listed] == [training["id"]]
    assert "/trainings/" in listed[0]["urls"]["get"]
    assert (await client.http.get("predictions")).json()["results"] == []
    assert (await client.http.get(f"trainings/{training['id']}")).status_code == 200
    hello = await client.hello()
    assert (await client.http.get(f"trainings/{hello['id']}")).status_code == 404
