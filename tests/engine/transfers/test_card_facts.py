"""The facts of a model card, read from a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml

from tui.destinations.card.model_card import CardFacts, render_card
from tui.engine.transfers.card import facts_of
from tui.store.records import JobRecord


def facts(*names: str, loaded: str | None = None, **known: Any) -> CardFacts:
    job = JobRecord(
        job_id="j", api_base="http://x/v1", name="cat", config_name="cat", config_path="/c",
        model="a/b", version="v", model_family="flux", model_flavour="dev", model_type="lora",
        lora_type="standard", hardware="l40s", rate_micros=1, delivery="local",
        created_at=datetime(2026, 1, 1, tzinfo=UTC), **known,
    )  # fmt: skip
    return facts_of(job, names, {}, loss_picture=None, private=True, loaded=loaded)


def test_only_prompts_that_were_trained_on_are_trigger_words() -> None:
    data = [
        {"caption_strategy": "instanceprompt", "instance_prompt": "sks cat"},
        {"caption_strategy": "instanceprompt", "instance_prompt": "sks cat"},
        {"caption_strategy": "textfile", "instance_prompt": "unused"},
        {"caption_strategy": "instanceprompt", "instance_prompt": "off", "disabled": True},
        {"dataset_type": "text_embeds"},
    ]
    card = facts(dataloader=data, config={"validation_prompt": "looked at only"})
    assert card.trigger_words == ("sks cat",)
    assert facts().trigger_words == ()


def test_the_latest_pictures_are_the_samples() -> None:
    names = [f"validation_images/step_{n}_cat.png" for n in (5, 50, 100)]
    card = facts(*names, "loss.png", "notes.txt", config={"validation_prompt": 'a cat: "x"'})
    assert [sample.path for sample in card.samples] == names[::-1]
    shown = yaml.safe_load(render_card(card).split("---\n")[1])
    assert shown["widget"][0] == {"text": 'a cat: "x"', "output": {"url": names[-1]}}
    assert len(facts(*(f"{n}.webp" for n in range(20))).samples) == 8


def test_overrides_take_precedence_over_the_config() -> None:
    submit = {"draft": {"overrides": {"train_batch_size": 4, "model_card_safe_for_work": True}}}
    config = {"train_batch_size": 1, "model_card_note": "Mine.", "learning_rate": 0.0001}
    card = facts(config=config, submit=submit | {"images": 9})
    assert (card.batch, card.safe_for_work, card.note) == (4, True, "Mine.")
    assert (card.images, card.learning_rate) == (9, "0.0001")


def test_invalid_submit_data_is_ignored() -> None:
    card = facts(submit={"draft": "x", "images": "many"}, config={"train_batch_size": "²"})
    assert (card.images, card.batch, card.safe_for_work) == (None, None, False)


def test_words_of_the_captions_count_where_no_prompt_is_set() -> None:
    assert facts(submit={"trigger_words": ["ohwx man", ""]}).trigger_words == ("ohwx man",)
    prompt = [{"caption_strategy": "instanceprompt", "instance_prompt": "sks"}]
    assert facts(submit={"trigger_words": ["x"]}, dataloader=prompt).trigger_words == ("sks",)
    assert facts(submit={"trigger_words": "broken"}).trigger_words == ()


def test_the_base_model_is_the_configured_one_or_the_one_that_was_loaded() -> None:
    flux = "black-forest-labs/FLUX.1-dev"
    assert facts(loaded=flux).base_model == flux
    own = {"pretrained_model_name_or_path": "me/my-flux"}
    assert facts(loaded=flux, config=own).base_model == "me/my-flux"
    for path in (
        "/models/flux",
        "./flux/dev",
        "../flux",
        "models/../x",
        "a/b/c.safetensors",
        "flux",
    ):
        local = {"pretrained_model_name_or_path": path}
        assert facts(loaded=path, config=local).base_model is None, path
        assert facts(loaded=flux, config=local).base_model == flux
