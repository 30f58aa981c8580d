"""Replicate's own Python client, which must not notice the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate
from replicate.webhook import Webhooks

from tests.sandbox.conftest import TRAINER, Desk, archive, training
from tui.sandbox.releases import SUMMER
from tui.sandbox.webhooks import sign

T = TypeVar("T")


async def off_loop(function: Callable[[], T]) -> T:
    """The client blocks, and the sandbox needs the loop."""
    return await asyncio.to_thread(function)


@pytest.fixture
def client(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.02")
    client = Client(
        api_token=desk.sandbox.token, base_url=desk.sandbox.base_url.removesuffix("/v1")
    )
    yield client
    client._client.close()


async def test_account_hardware_models(desk: Desk, client: Client) -> None:
    def use() -> None:
        assert client.accounts.current().username == "sandbox"
        assert "gpu-l40s" in {item.sku for item in client.hardware.list()}
        model = client.models.get(TRAINER)
        assert model.latest_version is not None
        versions = model.versions.list()
        assert versions.results[0].id == model.latest_version.id
        assert model.versions.get(versions.results[1].id).openapi_schema["info"]["title"] == "Cog"
        assert TRAINER in {item.id for item in client.models.list()}
        assert [item.id for item in client.models.search("webhook-check")] == [
            "simpletuner/webhook-check"
        ]
        made = client.models.create(
            owner="sandbox", name="mine", visibility="private", hardware="cpu"
        )
        assert client.models.get(made.id).name == "mine"
        assert {item.slug for item in client.collections.list()} == {"training", "official"}
        assert client.collections.get("training").models

    await off_loop(use)


async def test_create_wait_reload_cancel(desk: Desk, client: Client) -> None:
    version = desk.version(model="replicate/hello-world", release=SUMMER)

    def use() -> None:
        prediction = client.predictions.create(version=version, input={"text": "you"})
        prediction.wait()
        assert prediction.status == "succeeded"
        assert prediction.output == ["hello", " you"]
        waited = client.predictions.create(version=version, input={"text": "x"}, wait=5)
        assert waited.id != prediction.id
        assert client.predictions.get(prediction.id).output == prediction.output
        by_model = client.models.predictions.create(("replicate", "hello-world"), {"text": "a"})
        by_model.wait()
        by_model.cancel()
        assert by_model.status == "succeeded"

    await off_loop(use)


async def test_run_and_stream(desk: Desk, client: Client) -> None:
    def use() -> None:
        # The client waits only 60 s of the service, which pass quickly here, and then polls.
        output = client.run("replicate/hello-world", input={"text": "you"}, wait=False)
        assert "".join(output) == "hello you"
        events = list(client.stream("replicate/hello-world", input={"text": "dear you"}))
        assert "".join(str(event) for event in events) == "hello dear you"
        with pytest.raises(ModelError):
            client.run(f"{TRAINER}:{desk.version()}", input={"config_json": "{"}, wait=False)

    await off_loop(use)


async def test_all_pages(open_desk: Any) -> None:
    desk = await open_desk(past_predictions=230)
    client = Client(
        api_token=desk.sandbox.token, base_url=desk.sandbox.base_url.removesuffix("/v1")
    )

    def use() -> None:
        pages = list(paginate(client.predictions.list))
        assert [len(page) for page in pages] == [100, 100, 30]
        assert len({item.id for page in pages for item in page}) == 230

    await off_loop(use)
    client._client.close()


async def test_files_and_a_file_as_input(desk: Desk, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    path.write_bytes(archive())

    def use() -> None:
        file = client.files.create(path, metadata={"run": 1})
        assert (file.name, file.size) == ("images.zip", path.stat().st_size)
        assert [item.id for item in client.files.list()] == [file.id]
        assert client.files.get(file.id).metadata == {"run": 1}
        with path.open("rb") as images:
            prediction = client.predictions.create(
                version=desk.version(), input={"config_json": training(), "images": images}
            )
        prediction.wait()
        assert prediction.status == "succeeded", prediction.error
        assert client.files.delete(file.id)

    await off_loop(use)


async def test_trainings_and_deployments(desk: Desk, client: Client) -> None:
    version = desk.version(model="replicate/hello-world", release=SUMMER)

    def use() -> None:
        training_ = client.trainings.create(
            model=("replicate", "hello-world"),
            version=version,
            input={"text": "x"},
            destination="sandbox/my-lora",
        )
        assert client.trainings.get(training_.id).id == training_.id
        client.trainings.cancel(training_.id)
        assert [item.id for item in client.trainings.list()] == [training_.id]
        deployment = client.deployments.create(
            name="mine",
            model="replicate/hello-world",
            version=version,
            hardware="cpu",
            min_instances=0,
            max_instances=1,
        )
        prediction = deployment.predictions.create(input={"text": "x"})
        prediction.wait()
        assert prediction.status == "succeeded"
        assert [item.name for item in client.deployments.list()] == ["mine"]

    await off_loop(use)


async def test_errors_and_the_webhook_secret(desk: Desk, client: Client) -> None:
    def use() -> None:
        secret = client.webhooks.default.secret()
        body, headers = b'{"a":1}', {"webhook-id": "msg_1", "webhook-timestamp": "1700000000"}
        headers["webhook-signature"] = sign(secret.key, "msg_1", 1700000000, body)
        Webhooks.validate(headers=headers, body=body.decode(), secret=secret)
        with pytest.raises(ReplicateError) as refused:
            client.predictions.create(version="0" * 64, input={})
        assert refused.value.status == 422
        assert refused.value.title == "Invalid version or not permitted"
        with pytest.raises(ReplicateError) as missing:
            client.predictions.get("none")
        assert missing.value.status == 404
        wrong = Client(api_token="r8_no", base_url=desk.sandbox.base_url.removesuffix("/v1"))
        with pytest.raises(ReplicateError) as unknown:
            wrong.accounts.current()
        assert unknown.value.title == "Unauthenticated"
        wrong._client.close()

    await off_loop(use)


async def test_the_odd_style_parses_too(open_desk: Any) -> None:
    desk = await open_desk(style="django", past_predictions=5)
    client = Client(
        api_token=desk.sandbox.token, base_url=desk.sandbox.base_url.removesuffix("/v1")
    )

    def use() -> None:
        prediction = client.predictions.create("replicate/hello-world", input={"text": "you"})
        prediction.wait()
        assert prediction.status == "succeeded"
        assert len(client.predictions.list().results) == 6

    await off_loop(use)
    client._client.close()
