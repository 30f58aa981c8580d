"""`replicate` 2.x (beta) for Python against the sandbox."""

from __future__ import annotations

import io
import os
import warnings

import replicate
from replicate import Replicate
from replicate.exceptions import ModelError
from report import CONFIG, HELLO, LONG, ROOT, RUN, TRAINER, fault, listening, refused, report

os.environ["REPLICATE_BASE_URL"] = f"{ROOT}/v1"
client = Replicate()


def newest(name: str) -> str:
    owner, model = name.split("/")
    versions = list(client.models.versions.list(model_owner=owner, model_name=model))
    return versions[0].id


hello = newest(HELLO)
trainer = newest(TRAINER)


def account_and_models() -> None:
    assert client.account.get().username == "sandbox"
    assert "gpu-l40s" in {item.sku for item in client.hardware.list()}
    owner, name = TRAINER.split("/")
    model = client.models.get(model_owner=owner, model_name=name)
    assert model.name == name
    models = client.models.search(body="webhook-check")
    assert [item.name for item in models] == ["webhook-check"]
    assert "training" in {item.slug for item in client.collections.list()}
    readme = client.models.readme.get(model_owner=owner, model_name=name)
    assert "stand-in" in readme


def create_and_wait() -> None:
    made = client.predictions.create(version=hello, input={"text": "you"})
    prediction = client.predictions.wait(made.id)
    assert (prediction.status, prediction.output) == ("succeeded", ["hello", " you"])
    made = client.predictions.create(version=trainer, input=RUN)
    run = client.predictions.wait(made.id)
    assert run.status == "succeeded", run.error
    assert "Step 6 of 6" in run.logs


def create_that_waits() -> None:
    first = client.predictions.create(version=hello, input={"text": "x"}, prefer="wait=60")
    assert first.status == "succeeded"
    fault("queue-forever*1")
    late = client.predictions.create(version=hello, input={"text": "x"}, prefer="wait=1")
    assert late.status == "starting"
    client.predictions.cancel(prediction_id=late.id)


def cancel() -> None:
    made = client.predictions.create(version=trainer, input=LONG)
    assert client.predictions.cancel(prediction_id=made.id).status == "canceled"
    assert client.predictions.cancel(prediction_id=made.id).status == "canceled"
    assert client.predictions.get(prediction_id=made.id).status == "canceled"


def a_life_that_is_too_short() -> None:
    fault("queue-forever*1")
    made = client.predictions.create(version=trainer, input=LONG, cancel_after="5s")
    assert made.status == "starting"
    while made.status == "starting":
        made = client.predictions.get(prediction_id=made.id)
    assert made.status == "aborted"


def list_all_pages() -> None:
    ids = [item.id for item in client.predictions.list()]
    assert len(set(ids)) == len(ids) >= 230


def files() -> None:
    file = client.files.create(content=b"archive" * 1000, metadata={"run": "1"})
    assert file.size == 7000
    assert client.files.get(file_id=file.id).metadata == {"run": "1"}
    assert file.id in {item.id for item in client.files.list()}
    client.files.delete(file_id=file.id)
    assert file.id not in {item.id for item in client.files.list()}
    given = {"config_json": CONFIG, "images": io.BytesIO(b"not an archive")}
    made = client.predictions.create(version=trainer, input=given, file_encoding_strategy="url")
    assert made.input["images"].startswith(f"{ROOT}/v1/files/")
    assert "archive" in str(client.predictions.wait(made.id).error)


def webhook_and_its_secret() -> None:
    key = client.webhooks.default.secret.get().key
    assert key.startswith("whsec_")
    with listening() as (url, got, came):
        client.predictions.create(
            version=hello, input={"text": "x"}, webhook=url, webhook_events_filter=["completed"]
        )
        assert came.wait(10)
    headers, _ = got[0]
    assert headers["webhook-signature"].startswith("v1,")


def stream() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pieces = list(replicate.stream(HELLO, input={"text": "dear you"}))
    assert "".join(str(piece) for piece in pieces) == "hello dear you"


def run_and_model_error() -> None:
    assert "".join(client.run(HELLO, input={"text": "you"})) == "hello you"
    broken = {"config_json": "{"}
    error = refused(
        ModelError, lambda: client.run(f"{TRAINER}:{trainer}", input=broken, wait=False)
    )
    assert error.prediction.status == "failed"


def errors() -> None:
    wrong = Replicate(bearer_token="r8_no")
    cases = [
        (replicate.UnprocessableEntityError, lambda: _create("0" * 64, {})),
        (replicate.UnprocessableEntityError, lambda: _create(hello, {"tone": "rude"})),
        (replicate.NotFoundError, lambda: client.predictions.get(prediction_id="none")),
        (replicate.AuthenticationError, wrong.account.get),
    ]
    for kind, call in cases:
        assert refused(kind, call).body["detail"]
    fault("no-credit*1")
    error = refused(replicate.APIStatusError, lambda: _create(hello, {"text": "x"}))
    assert (error.status_code, error.body["title"]) == (402, "Insufficient credit")
    fault("rate-limit=1*2")
    assert client.account.get().username == "sandbox"  # it tries again by itself


def _create(version: str, given: dict[str, str]) -> None:
    client.predictions.create(version=version, input=given)


def trainings_and_deployments() -> None:
    made = client.trainings.create(
        model_owner="replicate",
        model_name="hello-world",
        version_id=hello,
        input={"text": "x"},
        destination="sandbox/my-lora",
    )
    assert client.trainings.get(training_id=made.id).id == made.id
    client.trainings.cancel(training_id=made.id)
    assert made.id in {item.id for item in client.trainings.list()}
    client.deployments.create(
        name="py2", model=HELLO, version=hello, hardware="cpu", min_instances=0, max_instances=1
    )
    prediction = client.deployments.predictions.create(
        deployment_owner="sandbox", deployment_name="py2", input={"text": "x"}
    )
    assert client.predictions.wait(prediction.id).status == "succeeded"
    assert "py2" in {item.name for item in client.deployments.list()}


SCENARIOS = [
    account_and_models,
    create_and_wait,
    create_that_waits,
    cancel,
    a_life_that_is_too_short,
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
