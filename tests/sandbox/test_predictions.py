"""Predictions over HTTP: accepting, shapes, cancel, limits, pages, streams."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import TRAINER, SandboxClient, training
from tests.support import eventually
from tui.sandbox.releases import EARLY, SUMMER, WISHED

REQUIRED = {
    "id",
    "model",
    "version",
    "input",
    "output",
    "data_removed",
    "error",
    "status",
    "created_at",
    "urls",
}


async def test_a_new_prediction_has_every_required_key_and_no_null_time(
    client: SandboxClient,
) -> None:
    made = await client.hello("world")
    assert REQUIRED | {"logs", "source"} == made.keys()
    assert made["status"] == "starting"
    assert made["logs"] == ""
    assert made["output"] is made["error"] is None
    assert set(made["urls"]) == {"web", "get", "cancel", "stream"}
    done = await client.ended(made)
    assert done["status"] == "succeeded"
    assert done["output"] == ["hello", " world"]
    assert done.keys() - made.keys() == {"started_at", "completed_at", "metrics"}
    assert done["metrics"]["total_time"] >= done["metrics"]["predict_time"] > 0
    assert len(done["created_at"]) == len("2026-11-22T09:08:07.123Z")


@pytest.mark.parametrize(
    ("body", "status", "title"),
    [
        ({"input": {}}, 400, "Validation failed"),
        ({"version": "HELLO"}, 400, "Validation failed"),
        ({"version": "HELLO", "input": []}, 400, "Validation failed"),
        ({"version": "HELLO", "input": {"text": "x"}, "speed": 9}, 422, "Input validation failed"),
        ({"version": "HELLO", "input": {}}, 422, "Input validation failed"),
        ({"version": "0" * 64, "input": {}}, 422, "Invalid version or not permitted"),
        ({"version": TRAINER, "input": {}}, 422, "Invalid version or not permitted"),
        (
            {"version": "HELLO", "input": {"text": "x"}, "webhook": "http://example.com"},
            400,
            "Validation failed",
        ),
        (
            {
                "version": "HELLO",
                "input": {"text": "x"},
                "webhook": "https://example.com",
                "webhook_events_filter": ["done"],
            },
            400,
            "Validation failed",
        ),
    ],
)
async def test_refusals(
    client: SandboxClient, body: dict[str, Any], status: int, title: str
) -> None:
    if body.get("version") == "HELLO":
        body = body | {"version": client.version(SUMMER, "replicate/hello-world")}
    answer = await client.post("predictions", body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["title"], problem["status"]) == (title, status)
    assert (await client.http.get("predictions")).json()["results"] == []


async def test_a_schema_violation_names_the_fields(client: SandboxClient) -> None:
    given = {"lycoris_config": "{}", "max_train_steps": "many"}
    answer = await client.post("predictions", {"version": client.version(EARLY), "input": given})
    problem = answer.json()
    fields = {item["field"]: item["type"] for item in problem["invalid_fields"]}
    assert fields == {
        "input.lycoris_config": "additional_property_not_allowed",
        "input.max_train_steps": "invalid_type",
    }
    assert problem["detail"].count("\n") == 2
    assert problem["detail"].startswith("- input.")


async def test_bodies_that_are_not_json_objects(client: SandboxClient) -> None:
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        answer = await client.http.post("predictions", content=content)
        assert answer.status_code == 400


async def test_all_forms_of_a_version(client: SandboxClient) -> None:
    version = client.version(SUMMER, "replicate/hello-world")
    for form in (version, f"replicate/hello-world:{version}", "replicate/hello-world"):
        made = await client.create(form, {"text": "x"})
        assert made["version"] == version
    official = await client.post(
        "models/replicate/hello-world/predictions", {"input": {"text": "x"}}
    )
    assert official.status_code == 201
    assert (await client.post(f"models/{TRAINER}/predictions", {"input": {}})).status_code == 404


async def test_secret_inputs_are_never_shown(client: SandboxClient) -> None:
    await client.fault("queue-forever")
    given = {"config_json": training(), "hf_token": "hf_canary", "images": "https://x/y.zip"}
    made = await client.create(client.version(), given)
    assert made["input"]["hf_token"] == "[REDACTED]"
    assert made["input"]["images"] == "https://x/y.zip"
    everything = (await client.http.get("predictions")).text + str(await client.get(made["id"]))
    assert "hf_canary" not in everything


async def test_cancel_in_the_queue_and_twice(client: SandboxClient) -> None:
    await client.fault("queue-forever")
    made = await client.hello()
    canceled = (await client.http.post(f"predictions/{made['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert canceled["started_at"] == canceled["completed_at"]
    assert canceled["metrics"]["predict_time"] == pytest.approx(3e-06)
    again = await client.http.post(f"predictions/{made['id']}/cancel")
    assert (again.status_code, again.json()) == (200, canceled)
    assert (await client.http.post("predictions/none/cancel")).status_code == 404


async def test_cancelling_a_run_ends_its_log(open_client: Any) -> None:
    client = await open_client(step_seconds=100.0)
    dataloader = '[{"id": "hosted", "type": "huggingface"}]'
    given = {"config_json": training(10_000), "dataloader_json": dataloader}
    made = await client.create(client.version(), given)
    await client.reaches(made, lambda now: "Steps:" in now["logs"])
    canceled = (await client.http.post(f"predictions/{made['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert canceled["metrics"]["predict_time"] > 0
    core = client.sandbox.core
    await eventually(lambda: not core.jobs.running())
    assert (await client.get(made["id"]))["logs"] == canceled["logs"]


@pytest.mark.parametrize("text", ["4", "4s", "soon", "", "-5", "1h30", "5m5h"])
async def test_invalid_cancel_after_is_refused(client: SandboxClient, text: str) -> None:
    version = client.version(SUMMER, "replicate/hello-world")
    body = {"version": version, "input": {"text": "x"}}
    answer = await client.post("predictions", body, **{"Cancel-After": text})
    # A number without unit counts seconds, so `1h30` is an hour and thirty seconds.
    assert answer.status_code == (201 if text == "1h30" else 400)


@pytest.mark.parametrize(("waits", "status"), [(True, "aborted"), (False, "canceled")])
async def test_the_deadline(open_client: Any, waits: bool, status: str) -> None:
    client = await open_client(speed=100.0, step_seconds=100.0)
    if waits:
        await client.fault("queue-forever")
    given = {
        "config_json": training(10_000),
        "dataloader_json": '[{"id": "hosted", "type": "huggingface"}]',
    }
    body = {"version": client.version(), "input": given}
    made = (await client.post("predictions", body, **{"Cancel-After": "1m"})).json()
    done = await client.ended(made)
    assert done["status"] == status
    assert done["deadline"] > done["created_at"]
    assert ("started_at" in done) is not waits


async def test_the_run_limit(open_client: Any) -> None:
    client = await open_client(run_limit_seconds=200.0, step_seconds=1000.0)
    given = {
        "config_json": training(10_000),
        "dataloader_json": '[{"id": "hosted", "type": "huggingface"}]',
    }
    done = await client.ended(await client.create(client.version(), given))
    assert (done["status"], done["error"]) == ("failed", "Prediction timed out.")


async def test_data_is_removed_after_the_retention_time(open_client: Any) -> None:
    client = await open_client(retention_seconds=100.0)
    made = await client.hello()
    gone = await client.reaches(made, lambda now: now["data_removed"])
    assert (gone["input"], gone["output"], gone["logs"]) == ({}, None, "")
    assert gone["status"] == "succeeded"
    assert gone["metrics"]["predict_time"] > 0


async def test_waiting_for_the_end(open_client: Any) -> None:
    client = await open_client(speed=50.0)
    version = client.version(SUMMER, "replicate/hello-world")
    body = {"version": version, "input": {"text": "x"}}
    answer = await client.post("predictions", body, Prefer="wait")
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "wait"
    assert answer.json()["status"] == "succeeded"
    await client.fault("queue-forever*1")
    late = await client.post("predictions", body, Prefer="wait=1")
    assert late.status_code == 202
    assert late.headers["Preference-Applied"] == "wait=1"
    assert late.json()["status"] == "starting"
    assert (await client.post("predictions", body, Prefer="wait=61")).status_code == 400


async def test_more_jobs_than_slots_queue(open_client: Any) -> None:
    client = await open_client(slots_per_model=2, speed=20.0)
    given = {
        "config_json": training(2000),
        "dataloader_json": '[{"id": "hosted", "type": "huggingface"}]',
    }
    for _ in range(4):
        await client.create(client.version(), given)

    async def states() -> list[str]:
        listed = (await client.http.get("predictions")).json()["results"]
        return sorted(item["status"] for item in listed)

    async def two_run() -> bool:
        return await states() == ["processing"] * 2 + ["starting"] * 2

    await eventually(two_run)


async def test_pages(open_client: Any) -> None:
    client = await open_client(past_predictions=250)
    seen: list[str] = []
    url: str | None = "predictions"
    sizes = []
    while url:
        page = (await client.http.get(url)).json()
        sizes.append(len(page["results"]))
        seen += [item["id"] for item in page["results"]]
        last, url = page, page["next"]
    assert sizes == [100, 100, 50]
    assert len(set(seen)) == 250
    back = (await client.http.get(last["previous"])).json()
    assert [item["id"] for item in back["results"]] == seen[100:200]
    first = (await client.http.get(back["previous"])).json()
    assert [item["id"] for item in first["results"]] == seen[:100]
    assert first["previous"] is None
    assert (await client.http.get("predictions?cursor=abc")).status_code == 404


async def test_pages_do_not_shift_while_predictions_are_added(open_client: Any) -> None:
    client = await open_client(past_predictions=150)
    first = (await client.http.get("predictions")).json()
    await client.hello()
    second = (await client.http.get(first["next"])).json()
    ids = {item["id"] for item in first["results"] + second["results"]}
    assert len(ids) == 150


async def test_filters_of_the_list(open_client: Any) -> None:
    client = await open_client(past_predictions=300)
    since = (datetime.now(UTC) - timedelta(hours=13)).isoformat()
    query = {"created_after": since}
    recent = (await client.http.get("predictions", params=query)).json()
    assert 15 <= len(recent["results"]) <= 25
    assert all(datetime.fromisoformat(i["created_at"]) for i in recent["results"])
    older = (await client.http.get("predictions", params={"created_before": since})).json()
    assert "created_before" in older["next"]
    more = (await client.http.get(older["next"])).json()
    assert max(i["created_at"] for i in more["results"]) < older["results"][-1]["created_at"]
    web = (await client.http.get("predictions?source=web")).json()["results"]
    assert web
    assert {item["source"] for item in web} == {"web"}
    assert (await client.http.get("predictions?source=api")).status_code == 400
    assert (await client.http.get("predictions?created_after=soon")).status_code == 400


async def test_a_page_of_ten_thousand_predictions_needs_no_more_work_than_of_a_hundred(
    open_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts the work of a page; what it takes in time is measured by a benchmark."""
    client = await open_client(past_predictions=10_000)
    views = client.sandbox.core.views
    encoded: list[str] = []
    record_view = type(views).record

    def counting(self: Any, record: Any, purpose: Any) -> dict[str, Any]:
        encoded.append(record.id)
        return record_view(self, record, purpose)

    monkeypatch.setattr(type(views), "record", counting)
    looked_at: list[int] = []

    def looking(records: list[Any], wanted: Any, *, key: Any) -> int:
        looked_at.append(0)

        def counted(item: Any) -> Any:
            looked_at[-1] += 1
            return key(item)

        return bisect_left(records, wanted, key=counted)

    monkeypatch.setattr("tui.sandbox.routes.predictions.bisect_left", looking)
    page = (await client.http.get("predictions")).json()
    assert len(encoded) == 100
    await client.http.get(page["next"])
    assert len(encoded) == 200
    await client.http.get("predictions")
    assert len(encoded) == 200
    middle = page["results"][50]["created_at"]
    matches = (await client.http.get("predictions", params={"created_after": middle})).json()
    assert len(matches["results"]) == 51
    assert looked_at
    assert looked_at[-1] <= 15


async def test_a_cold_model_boots_and_a_warm_one_starts_at_once(open_client: Any) -> None:
    client = await open_client(speed=20.0, queue_seconds=0.0, boot_seconds=30.0)

    async def waited() -> float:
        done = await client.ended(await client.hello())
        times = [datetime.fromisoformat(done[name]) for name in ("created_at", "started_at")]
        return (times[1] - times[0]).total_seconds()

    assert await waited() >= 1.5
    assert await waited() < 1.5


async def test_the_django_style(open_client: Any) -> None:
    client = await open_client(style="django")
    await client.fault("queue-forever*1")
    waiting = await client.hello()
    assert "output" not in waiting
    assert waiting["created_at"].endswith("000Z")
    assert len(waiting["created_at"]) == len("2026-11-22T09:08:07.123456789Z")
    row = (await client.http.get("predictions")).json()["results"][0]
    for name in ("logs", "output", "started_at", "completed_at", "webhook_completed"):
        assert row[name] is None
    assert row["metrics"] == {}
    done = await client.ended(await client.hello())
    assert done["output"] == ["hello", " you"]


async def test_the_stream(client: SandboxClient) -> None:
    made = await client.hello("dear world")
    headers = {"Authorization": "", "Accept": "text/event-stream"}
    answer = await client.http.get(made["urls"]["stream"], headers=headers)
    assert answer.headers["content-type"] == "text/event-stream"
    blocks = answer.text.strip().split("\n\n")
    assert blocks[0] == ": hi"
    messages = [block for block in blocks if not block.startswith(":")]  # a comment keeps it alive
    events = [dict(line.split(": ", 1) for line in block.split("\n")) for block in messages]
    assert [item["event"] for item in events] == ["output"] * 3 + ["done"]
    assert "".join(item["data"] for item in events[:-1]) == "hello dear world"
    assert len({item["id"] for item in events}) == 4
    assert (await client.http.get(made["urls"]["stream"] + "x")).status_code == 404


async def test_the_stream_of_a_failed_prediction(client: SandboxClient) -> None:
    made = await client.create(client.version(WISHED), {"config_json": "{"})
    answer = await client.http.get(made["urls"]["stream"])
    assert "event: error" in answer.text
    assert answer.text.endswith('data: {"reason": "error"}\n\n')


async def test_the_web_page_of_a_prediction(client: SandboxClient) -> None:
    done = await client.ended(await client.hello("<b>you</b>"))
    page = await client.http.get(done["urls"]["web"], headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    assert "SANDBOX" in page.text
    assert "succeeded" in page.text
    assert "<b>you" not in page.text
    assert (await client.http.get(done["urls"]["web"] + "x")).status_code == 404
