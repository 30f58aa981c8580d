"""`replicate` 1.x for Python against the sandbox."""

from __future__ import annotations

import io

import replicate
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate
from replicate.webhook import Webhooks
from report import CONFIG, HELLO, LONG, ROOT, RUN, TRAINER, fault, listening, refused, report

client = replicate.Client(base_url=ROOT)
hello = client.models.get(HELLO).latest_version
trainer = client.models.get(TRAINER).latest_version
assert hello is not None
assert trainer is not None


def account_and_models() -> None:
    assert client.accounts.current().username == "sandbox"
    assert "gpu-l40s" in {item.sku for item in client.hardware.list()}
    versions = client.models.get(TRAINER).versions.list()
    assert versions.results[0].id == trainer.id
    schema = client.models.get(TRAINER).versions.get(versions.results[1].id).openapi_schema
    assert schema["info"]["title"] == "Cog"
    assert TRAINER in {item.id for page in paginate(client.models.list) for item in page}
    assert [item.id for item in client.models.search("webhook-check")] == [
        "simpletuner/webhook-check"
    ]
    made = client.models.create(owner="sandbox", name="py1", visibility="private", hardware="cpu")
    assert client.models.get(made.id).name == "py1"
    assert "training" in {item.slug for item in client.collections.list()}
    assert client.collections.get("training").models


def create_and_wait() -> None:
    prediction = client.predictions.create(version=hello, input={"text": "you"})
    prediction.wait()
    assert (prediction.status, prediction.output) == ("succeeded", ["hello", " you"])
    assert client.predictions.get(prediction.id).output == prediction.output
    run = client.predictions.create(version=trainer, input=RUN)
    run.wait()
    assert run.status == "succeeded", run.error
    assert run.logs is not None
    assert "Step 6 of 6" in run.logs


def create_that_waits() -> None:
    first = client.predictions.create(version=hello, input={"text": "x"}, wait=60)
    assert first.status == "succeeded"
    fault("queue-forever*1")
    late = client.predictions.create(version=hello, input={"text": "x"}, wait=1)
    assert late.status == "starting"
    late.cancel()


def cancel() -> None:
    run = client.predictions.create(version=trainer, input=LONG)
    run.cancel()
    assert run.status == "canceled"
    run.cancel()
    run.reload()
    assert run.status == "canceled"


def list_all_pages() -> None:
    pages = list(paginate(client.predictions.list))
    ids = [item.id for page in pages for item in page]
    assert len(pages) >= 3
    assert len(set(ids)) == len(ids) >= 230


def files() -> None:
    data = io.BytesIO(b"archive" * 1000)
    data.name = "images.zip"
    file = client.files.create(data, metadata={"run": 1})
    assert file.size == 7000
    assert client.files.get(file.id).metadata == {"run": 1}
    assert file.id in {item.id for item in client.files.list()}
    assert client.files.delete(file.id)
    assert file.id not in {item.id for item in client.files.list()}
    image = io.BytesIO(b"not an archive")
    given = {"config_json": CONFIG, "images": image}
    run = client.predictions.create(version=trainer, input=given)
    assert run.input["images"].startswith(f"{ROOT}/v1/files/")
    run.wait()
    assert "archive" in str(run.error)


def webhook_and_its_secret() -> None:
    secret = client.webhooks.default.secret()
    with listening() as (url, got, came):
        client.predictions.create(
            version=hello, input={"text": "x"}, webhook=url, webhook_events_filter=["completed"]
        )
        assert came.wait(10)
    headers, body = got[0]
    Webhooks.validate(headers=headers, body=body, secret=secret)
    changed = f"{body} "
    refused(ValueError, lambda: Webhooks.validate(headers=headers, body=changed, secret=secret))


def stream() -> None:
    events = list(client.stream(HELLO, input={"text": "dear you"}))
    assert "".join(str(event) for event in events) == "hello dear you"
    assert events[-1].event.value == "done"


def run_and_model_error() -> None:
    assert "".join(client.run(HELLO, input={"text": "you"})) == "hello you"
    broken = {"config_json": "{"}
    error = refused(
        ModelError, lambda: client.run(f"{TRAINER}:{trainer.id}", input=broken, wait=False)
    )
    assert error.prediction.status == "failed"


def errors() -> None:
    wrong = replicate.Client(base_url=ROOT, api_token="r8_no")
    cases = [
        (422, "Invalid version or not permitted", lambda: _create("0" * 64, {})),
        (422, "Input validation failed", lambda: _create(hello.id, {"tone": "rude"})),
        (404, None, lambda: client.predictions.get("none")),
        (401, "Unauthenticated", wrong.accounts.current),
    ]
    for status, title, call in cases:
        error = refused(ReplicateError, call)
        assert (error.status, error.title) == (status, title), error
        assert error.detail
    fault("no-credit*1")
    error = refused(ReplicateError, lambda: _create(hello.id, {"text": "x"}))
    assert (error.status, error.title) == (402, "Insufficient credit")
    fault("rate-limit=1*2")
    assert client.accounts.current().username == "sandbox"  # it tries again by itself


def _create(version: str, given: dict[str, str]) -> None:
    client.predictions.create(version=version, input=given)


def trainings_and_deployments() -> None:
    training = client.trainings.create(
        model=("replicate", "hello-world"),
        version=hello.id,
        input={"text": "x"},
        destination="sandbox/my-lora",
    )
    assert client.trainings.get(training.id).id == training.id
    client.trainings.cancel(training.id)
    assert training.id in {item.id for item in client.trainings.list()}
    deployment = client.deployments.create(
        name="py1",
        model=HELLO,
        version=hello.id,
        hardware="cpu",
        min_instances=0,
        max_instances=1,
    )
    prediction = deployment.predictions.create(input={"text": "x"})
    prediction.wait()
    assert prediction.status == "succeeded"
    assert "py1" in {item.name for item in client.deployments.list()}


SCENARIOS = [
    account_and_models,
    create_and_wait,
    create_that_waits,
    cancel,
    list_all_pages,
    files,
    webhook_and_its_secret,
    stream,
    run_and_model_error,
    errors,
    trainings_and_deployments,
]

if __name__ == "__main__":
    report(SCENARIOS)
