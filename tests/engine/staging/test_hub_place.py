"""Staging to the sandbox's Hub, from a folder to the entry that a job is sent with."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.engine.staging.folders import entries_of, picture, pixels, use_datasets
from tests.engine.staging.loaded import load, needs_datasets
from tests.engine.world import World
from tests.support import eventually
from tui.api.submission import DraftDelivery
from tui.base.errors import RefusedError
from tui.base.job_status import JobStatus
from tui.client.errors import ControlError
from tui.engine.staging.hub_place import HubPlace
from tui.engine.staging.place import Missing
from tui.replicate.client import ReplicateClient
from tui.sandbox.hub.accounts import HubToken
from tui.sandbox.hub.repos import HubRepo
from tui.simpletuner.staging.manifest import Manifest


def repo_of(world: World, entry: dict[str, Any]) -> HubRepo | None:
    """The repository of a staged entry."""
    assert world.sandbox.hub is not None
    return world.sandbox.hub.hub.repos.get("dataset", entry["dataset_name"])


def staged_entries(world: World, job_id: str) -> list[dict[str, Any]]:
    """The staged entries that a job was sent with."""
    return [one for one in entries_of(world, job_id).values() if one["type"] == "huggingface"]


def photos(folder: Path) -> dict[str, Any]:
    """The entry of a folder with caption files."""
    return {
        "id": "photos", "type": "local", "instance_data_dir": str(folder),
        "caption_strategy": "textfile", "resolution": 512,
    }  # fmt: skip


async def test_a_local_folder_reaches_the_trainer_through_a_private_dataset(world: World) -> None:
    await world.use_hub()
    report = await world.client.check(world.draft(data="staged"))
    assert report["ok"], report["checks"]
    assert "private dataset sandbox/staged-" in report["leaves"]["destination"]
    assert report["leaves"]["missing_bytes"] == report["leaves"]["bytes"] > 0
    job_id = await world.submit(data="staged", keep_staged=True)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error

    assert "images" not in job.inputs
    (entry,) = [one for one in entries_of(world, job_id).values() if one["type"] == "huggingface"]
    assert "instance_data_dir" not in entry
    repo = repo_of(world, entry)
    assert repo is not None
    assert repo.private
    commit = repo.at(entry["revision"])
    assert commit is not None
    names = set(commit.tree)
    assert "README.md" in names
    assert not [name for name in names if name.endswith(".txt")]
    assert [name for name in names if name.endswith("/metadata.jsonl")]
    assert "hf_token" in job.submit["secret_names"]


@needs_datasets
async def test_the_real_loader_reads_the_same_pictures_and_captions(
    world: World, tmp_path: Path
) -> None:
    """Names, modes and turned pictures that a loader is known to stumble over."""
    folder = tmp_path / "photos"
    names = ["plain.png", "test/in a split.png", "ü & (1).jpg", "+100%.png", "😀.png"]
    names += ["שלום.png", "train.webp", "cmyk.jpg", "turned.jpg", "a/same.png", "b/same.png"]
    wanted: dict[str, list[str]] = {}
    for number, name in enumerate(names):
        path = picture(
            folder / name,
            number,
            mode="CMYK" if name.startswith("cmyk") else "RGB",
            turned=name.startswith("turned"),
        )
        lines = [f"picture {number} – “{name}”"] + ["a second line"] * (number % 3)
        path.with_suffix(".txt").write_text("\r\n".join(lines) + "\n", encoding="utf-8")
        wanted[pixels(path)] = lines
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512, "repeats": 3,
            "metadata_backend": "discovery", "cache_dir": "/somewhere/here",
        },
    )  # fmt: skip
    url = await world.use_hub()
    job_id = await world.submit(data="staged", keep_staged=True)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    entry = entries_of(world, job_id)["photos"]
    assert entry["repeats"] == 3
    columns = entry["huggingface"]["caption_column"]
    rows = await load(entry, url, "hf_read", tmp_path / "loader")
    found = {row["pixels"]: [row[name] for name in columns if row[name]] for row in rows}
    assert found == wanted
    assert len(rows) == len(names)


async def test_the_same_pictures_are_sent_once(world: World) -> None:
    await world.use_hub()
    first = await world.submit(data="staged", keep_staged=True)
    await world.ended(first)
    assert world.sandbox.hub is not None
    hub = world.sandbox.hub.hub
    sent = hub.received_bytes
    assert sent > 0
    (entry,) = staged_entries(world, first)
    commits = len(repo_of(world, entry).commits)  # type: ignore[union-attr]
    report = await world.client.check(world.draft(data="staged"))
    assert report["leaves"]["missing_bytes"] == 0
    second = await world.submit(data="staged", keep_staged=True)
    await world.ended(second)
    assert staged_entries(world, second) == [entry]
    assert hub.received_bytes == sent
    assert len(repo_of(world, entry).commits) == commits  # type: ignore[union-attr]


async def test_a_changed_dataset_leaves_the_commit_of_a_waiting_job_alone(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for number in range(4):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text(f"{number}")
    use_datasets(world, photos(folder))
    await world.use_hub()
    first = await world.submit(data="staged", keep_staged=True)
    await world.ended(first)
    before = staged_entries(world, first)[0]
    repo = repo_of(world, before)
    assert repo is not None
    tree = dict(repo.at(before["revision"]).tree)  # type: ignore[union-attr]
    assert world.sandbox.hub is not None
    sent = world.sandbox.hub.hub.received_bytes
    new = picture(folder / "0a.png", 9)
    new.with_suffix(".txt").write_text("new")
    second = await world.submit(data="staged", keep_staged=True)
    await world.ended(second)
    after = staged_entries(world, second)[0]
    assert after["dataset_name"] == before["dataset_name"]
    assert after["revision"] != before["revision"]
    assert repo.at(before["revision"]).tree == tree  # type: ignore[union-attr]
    assert tree.keys() <= repo.head.tree.keys()  # main only grows
    assert world.sandbox.hub.hub.received_bytes - sent == new.stat().st_size


async def test_staged_data_are_removed_after_the_last_reader(world: World) -> None:
    await world.use_hub()
    job_id = await world.submit(data="staged")
    await world.until(job_id, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.COMPLETED)
    await world.ended(job_id)
    (entry,) = staged_entries(world, job_id)
    await eventually(lambda: repo_of(world, entry) is None)
    await eventually(lambda: not world.engine.staging.rows())


async def test_what_a_job_reads_is_never_removed(world: World) -> None:
    await world.use_hub()
    world.fault("stall=5*1")  # it runs until it is cancelled
    job_id = await world.submit(data="staged")
    await world.until(job_id, JobStatus.RUNNING)
    (row,) = await world.client.staged()
    assert row["readers"] == [job_id]
    with pytest.raises(ControlError, match="running job reads it"):
        await world.client.remove_staged(row["key"])
    other = await world.submit(data="staged")
    await world.ended(other)
    ending = f"end the staging of {other}"
    await eventually(lambda: ending not in {task.get_name() for task in asyncio.all_tasks()})
    assert row["key"] in [one["key"] for one in await world.client.staged()]
    assert repo_of(world, staged_entries(world, job_id)[0]) is not None
    await world.client.cancel(job_id)
    await world.ended(job_id)
    await eventually(lambda: not world.engine.staging.rows())
    assert repo_of(world, staged_entries(world, job_id)[0]) is None


async def test_kept_data_are_listed_and_removed_by_hand(world: World) -> None:
    await world.use_hub()
    job_id = await world.submit(data="staged", keep_staged=True)
    await world.ended(job_id)
    (row,) = await world.client.staged()
    assert (row["complete"], row["keep"], row["readers"]) == (True, True, [])
    await world.client.remove_staged(row["key"])
    assert await world.client.staged() == []
    assert repo_of(world, staged_entries(world, job_id)[0]) is None


async def test_a_repository_of_that_name_that_is_not_ours_is_refused(world: World) -> None:
    url = await world.use_hub()
    report = await world.client.check(world.draft(data="staged"))
    name = re.search(r"private dataset (\S+) on", report["leaves"]["destination"])[1]  # type: ignore[index]
    api = HfApi(url, token="hf_write")
    await asyncio.to_thread(api.create_repo, name, repo_type="dataset", private=True)
    await asyncio.to_thread(
        api.upload_file,
        path_or_fileobj=b"theirs", path_in_repo="a.txt", repo_id=name, repo_type="dataset",
    )  # fmt: skip
    report = await world.client.check(world.draft(data="staged"))
    found = [one["message"] for one in report["checks"] if one["level"] == "error"]
    assert any("was not made by this program" in message for message in found), found
    with pytest.raises(ControlError, match="was not made by this program"):
        await world.submit(data="staged")


async def test_a_public_repository_is_refused(world: World) -> None:
    url = await world.use_hub()
    job_id = await world.submit(data="staged", keep_staged=True)
    await world.ended(job_id)
    name = staged_entries(world, job_id)[0]["dataset_name"]
    api = HfApi(url, token="hf_write")
    await asyncio.to_thread(api.update_repo_settings, name, repo_type="dataset", private=False)
    photo = world.config.parents[2] / "datasets/photographs/coffee.txt"
    photo.write_text("another caption")
    with pytest.raises(ControlError, match="is public"):
        await world.submit(data="staged")


async def test_a_token_that_can_read_but_not_write_is_named(world: World) -> None:
    await world.use_hub("hf_read")
    report = await world.client.check(world.draft(data="staged", staging="hub"))
    found = [one["message"] for one in report["checks"] if one["level"] == "error"]
    assert any("can read but not write" in message for message in found), found


async def test_cut_uploads_are_taken_up_again(world: World) -> None:
    await world.use_hub()
    assert world.sandbox.hub is not None
    faults = world.sandbox.hub.hub.faults
    faults.cut_uploads = 2
    faults.failures = {"/commit/": 1, "/preupload/": 1}
    job_id = await world.submit(data="staged", keep_staged=True)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error


@pytest.mark.parametrize("fault", ["forget_commits", "lose_last_byte"])
async def test_nothing_is_started_when_the_far_end_does_not_have_it_all(
    world: World, fault: str
) -> None:
    await world.use_hub()
    assert world.sandbox.hub is not None
    setattr(world.sandbox.hub.hub.faults, fault, True)
    job_id = await world.submit(data="staged")
    job = await world.ended(job_id)
    assert job.status is JobStatus.FAILED
    assert "could not be staged" in job.error
    assert not world.predictions


async def test_a_dataset_that_changes_while_it_is_staged_stops_the_job(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for number in range(3):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text(f"{number}")
    use_datasets(world, photos(folder))
    await world.use_hub()
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.faults.slow_whoami = 0.3
    real = world.engine.staging.stage

    async def changed_first(job: Any, cancel: Any) -> Any:
        picture(folder / "1.png", 77)
        return await real(job, cancel)

    world.engine.staging.stage = changed_first  # type: ignore[method-assign]
    job_id = await world.submit(data="staged")
    job = await world.ended(job_id)
    assert job.status is JobStatus.FAILED
    assert "1.png changed while it was being sent" in job.error
    assert not world.predictions


async def test_two_datasets_of_one_name_do_not_touch_each_other(
    world: World, tmp_path: Path
) -> None:
    await world.use_hub()
    entries: list[dict[str, Any]] = []
    for part in ("one", "two"):
        folder = tmp_path / part / "photos"
        picture(folder / "a.png", len(entries)).with_suffix(".txt").write_text(part)
        use_datasets(world, photos(folder))
        job_id = await world.submit(data="staged", keep_staged=True)
        job = await world.ended(job_id)
        assert job.status is JobStatus.COMPLETED, job.error
        entries += staged_entries(world, job_id)
    one, two = entries
    assert one["revision"] != two["revision"]
    repo = repo_of(world, one)
    assert repo is not None
    commit = repo.at(one["revision"])
    assert commit is not None
    (table,) = [name for name in commit.tree if name.endswith(".jsonl")]
    assert table in repo.head.tree


async def test_progress_counts_bytes_up_to_all_of_them(world: World) -> None:
    await world.use_hub()
    seen: list[tuple[Any, Any]] = []

    async def watch() -> None:
        async for event in world.client.events():
            if event.kind == "upload" and event.data["phase"] == "staging":
                seen.append((int(str(event.data["done"])), int(str(event.data["total"]))))

    watching = asyncio.create_task(watch())
    try:
        job_id = await world.submit(data="staged", keep_staged=True)
        await world.ended(job_id)
        total = (await world.client.staged())[0]["bytes"]
        await eventually(lambda: (total, total) in seen)
    finally:
        watching.cancel()
    assert all(done <= total for done, total in seen)


async def test_a_cancel_ends_the_staging_at_once(world: World) -> None:
    await world.use_hub()
    world.engine.transfers.set_bandwidth(20_000)
    job_id = await world.submit(data="staged")
    await eventually(lambda: world.job(job_id).stage == "staging")
    before = time.monotonic()
    await world.client.cancel(job_id)
    job = await world.ended(job_id)
    assert time.monotonic() - before < 5
    assert job.status is JobStatus.CANCELLED
    assert not world.predictions
    world.engine.transfers.set_bandwidth(None)
    await eventually(lambda: not world.engine.staging.rows())


@pytest.fixture
def sent_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Hub tokens that predictions are created with."""
    sent: list[str] = []
    create = ReplicateClient.create_prediction

    async def watched(self: ReplicateClient, **values: Any) -> Any:
        sent.append(values["input"]["hf_token"].reveal())
        return await create(self, **values)

    monkeypatch.setattr(ReplicateClient, "create_prediction", watched)
    return sent


async def test_a_read_token_travels_when_one_is_known(world: World, sent_tokens: list[str]) -> None:
    await world.use_hub("hf_read")
    world.engine.clients.tokens.give("huggingface", world.sandbox.base_url, "hf_write", "session")
    report = await world.client.check(world.draft(data="staged"))
    assert report["ok"], report["checks"]
    assert "read-only Hugging Face token (of the environment) travels" in report["leaves"]["token"]
    await world.ended(await world.submit(data="staged", keep_staged=True))
    assert sent_tokens == ["hf_read"]


async def test_the_token_that_may_write_travels_when_results_go_to_the_hub(
    world: World, sent_tokens: list[str]
) -> None:
    await world.use_hub("hf_write")
    world.engine.clients.tokens.give("huggingface", world.sandbox.base_url, "hf_read", "session")
    to_hub: DraftDelivery = {"kind": "hub", "hub_model_id": "sandbox/results"}
    report = await world.client.check(world.draft(data="staged", delivery=to_hub))
    assert "it may write, since the results go to the Hub" in report["leaves"]["token"]
    await world.ended(await world.submit(data="staged", keep_staged=True, delivery=to_hub))
    assert sent_tokens == ["hf_write"]


async def test_the_default_is_the_first_place_that_works(world: World) -> None:
    service = world.engine.staging
    base = world.sandbox.base_url
    name, reasons = await service.best_place(base)
    assert reasons[0].startswith("hub: ")
    await world.use_hub()
    assert await service.best_place(base) == ("hub", [])
    assert name in ("hub", "here")


async def test_without_any_place_the_check_names_every_way(world: World) -> None:
    service = world.engine.staging
    hub = service.place("hub", world.sandbox.base_url)
    service.add_place("here", lambda _base, _rest: hub)  # a second place that does not work either
    report = await world.client.check(world.draft(data="staged"))
    found = [one for one in report["checks"] if one["id"] == "staging"]
    assert [one["level"] for one in found] == ["error", "warn"]
    assert found[1]["message"].startswith("or stage elsewhere: here: ")


@needs_datasets
async def test_the_real_loader_reads_each_commit_of_a_repository_that_has_grown(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    url = await world.use_hub()
    entries: list[dict[str, Any]] = []
    for count in (2, 3):
        for number in range(count):
            path = picture(folder / f"{number}.png", number)
            path.with_suffix(".txt").write_text(f"picture {number} of {count}")
        use_datasets(world, photos(folder))
        job_id = await world.submit(data="staged", keep_staged=True)
        await world.ended(job_id)
        entries += staged_entries(world, job_id)
    for entry, count in zip(entries, (2, 3), strict=True):
        rows = await load(entry, url, "hf_read", tmp_path / f"loader-{count}")
        wanted = [f"picture {number} of {count}" for number in range(count)]
        assert [row["caption"] for row in rows] == wanted


async def test_data_of_another_account_are_not_taken_for_removed(world: World) -> None:
    await world.use_hub()
    job_id = await world.submit(data="staged", keep_staged=True)
    await world.ended(job_id)
    (row,) = await world.client.staged()
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.accounts.tokens["hf_other"] = HubToken("other")
    world.engine.clients.tokens.give(
        "huggingface", world.sandbox.base_url, "hf_other", "environment"
    )
    with pytest.raises(RefusedError, match="belongs to another account than other"):
        await world.engine.staging.remove(row["key"])
    (kept,) = await world.client.staged()
    assert kept == row | {"problem": kept["problem"]}
    assert "belongs to another account" in kept["problem"]
    assert repo_of(world, staged_entries(world, job_id)[0]) is not None


async def test_two_jobs_at_once_stage_the_same_pictures_once(world: World) -> None:
    await world.use_hub()
    jobs = await asyncio.gather(*(world.submit(data="staged", keep_staged=True) for _ in range(2)))
    ended = [await world.ended(job_id) for job_id in jobs]
    assert [job.status for job in ended] == [JobStatus.COMPLETED] * 2
    assert staged_entries(world, jobs[0]) == staged_entries(world, jobs[1])
    assert world.sandbox.hub is not None
    (row,) = await world.client.staged()
    assert world.sandbox.hub.hub.received_bytes == row["bytes"]
    assert ended[0].submit["images"] == row["images"]


async def test_a_picture_that_is_staged_under_another_name_is_not_said_to_stay(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for name in ("plain.png", "two\nlines.png"):
        picture(folder / name).with_suffix(".txt").write_text("a picture")
    (folder / "notes.md").write_text("mine")
    use_datasets(world, photos(folder))
    await world.use_hub()
    staged = (await world.client.check(world.draft(data="staged")))["leaves"]
    assert (staged["images"], [item["path"] for item in staged["skipped"]]) == (2, ["notes.md"])
    packed = (await world.client.check(world.draft(data="upload")))["leaves"]
    assert packed["images"] == 1
    assert "two\nlines.png" in [item["path"] for item in packed["skipped"]]


async def test_a_place_that_is_not_proved_is_chosen_last(world: World) -> None:
    service = world.engine.staging

    class Unproved(HubPlace):
        async def missing(self, manifest: Manifest) -> Missing:
            return Missing(0, 0, unproved="nothing came from outside")

    class Proved(HubPlace):
        async def missing(self, manifest: Manifest) -> Missing:
            return Missing(0, 0)

    base = world.sandbox.base_url
    service.add_place("here", lambda _base, _rest: Unproved.__new__(Unproved))
    service.add_place("bucket", lambda _base, _rest: Proved.__new__(Proved), lambda: ["bucket:b"])
    name, reasons = await service.best_place(base, prefix_respected=True)
    assert name == "bucket:b"
    assert reasons[1] == "here: nothing came from outside"
    for respected in (None, False):  # the check would refuse the bucket
        name, reasons = await service.best_place(base, prefix_respected=respected)
        assert name == "here"
        assert reasons[2].startswith("bucket:b: ")
        assert "the whole bucket" in reasons[2]
    service.add_place("bucket", lambda _base, _rest: Proved.__new__(Proved), list)
    assert (await service.best_place(base))[0] == "here"


async def test_a_job_that_is_submitted_during_a_removal_gets_its_data(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.use_hub()
    await world.ended(await world.submit(data="staged", keep_staged=True))
    (row,) = await world.client.staged()
    going, go_on = asyncio.Event(), asyncio.Event()
    remove = HubPlace.remove

    async def slowly(self: HubPlace, *args: Any) -> None:
        going.set()
        await go_on.wait()
        await remove(self, *args)

    monkeypatch.setattr(HubPlace, "remove", slowly)
    removing = asyncio.create_task(world.engine.staging.remove(row["key"]))
    await going.wait()
    submitting = asyncio.create_task(world.submit(data="staged", keep_staged=True))
    lock = world.engine.staging._places.lock_of("hub", world.sandbox.base_url)
    await eventually(lambda: bool(lock._waiters))
    go_on.set()
    await removing
    job = await world.ended(await submitting)
    assert job.status is JobStatus.COMPLETED, job.error
    assert repo_of(world, staged_entries(world, job.job_id)[0]) is not None
    assert [one["complete"] for one in await world.client.staged()] == [True]


async def test_data_of_a_paid_job_leave_over_a_hub_on_this_machine(world: World) -> None:
    """A mirror or a tunnel listens here; the trainer that reads it does not run here."""
    paid = "https://api.replicate.com/v1"
    mirror = "http://127.0.0.1:9/mirror"
    tokens = world.engine.clients.tokens
    tokens.use_hub(paid, mirror)
    leaves = world.engine.staging.place("hub", paid).describe(Manifest())
    assert not leaves.stays_here
    assert leaves.to.endswith(f"on the Hub at {mirror}")
    await world.use_hub()
    sandbox = world.engine.staging.place("hub", world.sandbox.base_url).describe(Manifest())
    assert sandbox.stays_here
    assert sandbox.to.endswith("the Hub of the sandbox")
    estimate = (await world.client.check(world.draft()))["estimate"]
    assert estimate["free"]
