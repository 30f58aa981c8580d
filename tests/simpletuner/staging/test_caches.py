"""The caches of staged datasets lie outside the folder that each validation sends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tui.sandbox.trainer.current.entries import check_entries
from tui.simpletuner.checks.dataset_links import link_checks
from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.request.container import is_outside
from tui.simpletuner.staging.aws import BucketAccess, aws_entry
from tui.simpletuner.staging.caches import cache_note, sent_back
from tui.simpletuner.staging.config import with_entries
from tui.simpletuner.staging.manifest import StagedDataset
from tui.simpletuner.staging.rewrite import hub_entry, portable_entry

ACCESS = BucketAccess("b", "https://s3.example.org", "auto", "key", "secret")
TEXTS = {"id": "texts", "dataset_type": "text_embeds", "type": "local", "default": True}


def local(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "local", "instance_data_dir": f"/x/{name}", "resolution": 512,
            "caption_strategy": "textfile", **more}  # fmt: skip


def staged(
    *rows: Mapping[str, Any], place: str = "hub", options: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The entries of a config whose local datasets are staged, by id; they pass all rules."""
    values = {"model_family": "sana", **(options or {})}
    specs = read_entries(rows, [Path("/x")])
    config = TrainingConfig(
        "x", Path("/x/config.json"), values, datasets=specs, dataloader=tuple(map(dict, rows))
    )
    entries = {}
    for row in rows:
        if row["type"] == "local" and "dataset_type" not in row:
            dataset, (kept, _) = StagedDataset(row["id"], row, ()), portable_entry(row)
            entries[row["id"]] = (
                hub_entry(dataset, kept, repo_id="me/cats", revision="abc")
                if place == "hub"
                else aws_entry(dataset, kept, ACCESS)
            )
    made = with_entries(config, entries)
    check_entries(made.dataloader, values)
    rules = link_checks(list(made.dataloader), made, staged=True)
    assert [row for row in rules if row[1] == "error"] == []
    assert [dict(spec.raw) for spec in made.datasets] == list(made.dataloader)
    return {row["id"]: dict(row) for row in made.dataloader}


@pytest.mark.parametrize("place", ["hub", "bucket"])
def test_no_cache_is_left_to_the_trainers_default(place: str) -> None:
    rows = staged(local("cats"), local("dogs", cache_dir_vae="/abs/vae"), place=place)
    assert rows["cats"]["cache_dir_vae"] == "cache/vae/cats"
    assert rows["dogs"]["cache_dir_vae"] == "cache/vae/dogs"
    assert rows["staged-texts"] == {
        "id": "staged-texts", "dataset_type": "text_embeds", "type": "local", "default": True,
        "cache_dir": "cache/text/staged",
    }  # fmt: skip
    if place == "hub":
        assert {rows[name]["huggingface"]["cache_dir"] for name in ("cats", "dogs")} == {
            "cache/hub"
        }
        assert "cache_dir" not in rows["cats"]
    note = cache_note(list(rows.values()), {"cats", "dogs"})
    assert "cache/text/staged, cache/vae/cats, cache/vae/dogs" in note.message
    assert ("cache/hub" in note.message) is (place == "hub")


def test_an_own_text_cache_is_kept_and_gets_a_folder() -> None:
    assert staged(local("cats"), {**TEXTS, "cache_dir": "mine"})["texts"]["cache_dir"] == "mine"
    rows = staged(local("cats"), TEXTS)
    assert rows["texts"]["cache_dir"] == "cache/text/texts"
    assert "staged-texts" not in rows
    named = staged(local("cats"), TEXTS, options={"cache_dir_text": "cache/mine"})
    assert "cache_dir" not in named["texts"]
    outside = staged(local("cats"), TEXTS, options={"cache_dir_text": "/abs/text"})
    assert outside["texts"]["cache_dir"] == "cache/text/texts"


@pytest.mark.parametrize("place", ["hub", "bucket"])
def test_no_two_caches_share_a_folder(place: str) -> None:
    """The trainer refuses a folder that two datasets name, or one of the text cache."""
    other = {"id": "far", "type": "huggingface", "dataset_name": "me/far",
             "cache_dir_vae": "cache/vae/cats/"}  # fmt: skip
    rows = staged(
        local("cats"), local("dogs"), other, {**TEXTS, "cache_dir": "cache/vae/dogs"}, place=place
    )
    folders = [rows[name]["cache_dir_vae"] for name in ("cats", "dogs")]
    assert folders == ["cache/vae/cats-2", "cache/vae/dogs-2"]
    assert rows["far"] == {**other, "huggingface": {"cache_dir": "cache/hub"}}


def test_a_hub_dataset_of_the_users_is_not_sent_back_with_the_results() -> None:
    """It is trained beside the staged ones; folders that it names stay."""
    far = {"id": "far", "type": "huggingface", "dataset_name": "me/far"}
    named = {**far, "id": "named", "cache_dir_vae": "mine", "huggingface": {"cache_dir": "copy"}}
    copied = {**far, "id": "copied", "cache_dir": "copy", "huggingface": {"caption_column": "c"}}
    bucket = {"id": "bucket", "type": "aws", "aws_bucket_name": "b", "aws_endpoint_url": "https://e",
              "aws_access_key_id": "k", "aws_secret_access_key": "s"}  # fmt: skip
    embeds = {"id": "embeds", "dataset_type": "image_embeds", "type": "local"}
    rows = staged(local("cats"), far, named, copied, bucket, embeds)
    assert rows["far"] == {
        **far, "cache_dir_vae": "cache/vae/far", "huggingface": {"cache_dir": "cache/hub"}
    }  # fmt: skip
    assert rows["named"] == named
    assert rows["copied"] == {**copied, "cache_dir_vae": "cache/vae/copied"}
    assert rows["bucket"] == bucket, "its latents lie in the bucket"
    assert rows["embeds"]["cache_dir"] == "cache/embeds/embeds"


def test_hub_datasets_whose_caches_would_be_sent_back_are_found() -> None:
    far = {"id": "far", "type": "huggingface", "dataset_name": "me/far"}
    assert sent_back([far, TEXTS]) == ["far"]
    for quiet in (
        {**far, "cache_dir_vae": "a", "cache_dir": "b"},
        {**far, "disabled": True},
        {**far, "dataset_type": "caption"},
        local("cats"),
    ):
        assert sent_back([quiet]) == [], quiet


def test_a_folder_that_an_entry_names_is_kept() -> None:
    rows = staged(local("cats", cache_dir_vae="cache/{id}/vae"), local("a/../b"))
    assert rows["cats"]["cache_dir_vae"] == "cache/cats/vae"
    assert not is_outside(rows["a/../b"]["cache_dir_vae"])


def test_names_of_added_entries_are_free() -> None:
    taken = local("staged-texts")
    rows = staged(taken)
    assert rows["staged-texts-2"]["dataset_type"] == "text_embeds"
