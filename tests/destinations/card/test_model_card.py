from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tui.destinations.card.loss_chart import draw_loss, smooth
from tui.destinations.card.model_card import (
    CardFacts,
    CardState,
    Sample,
    card_state,
    licence_fields,
    render_card,
)
from tui.simpletuner.config.families import families

FACTS = CardFacts(
    title="cat-lora", kind="lora", base_model="black-forest-labs/FLUX.1-dev", family="flux",
    flavour="dev", weights="pytorch_lora_weights.safetensors", rank=16, steps=2000, epochs=20,
    batch=1, learning_rate="1e-4", resolution="1024", images=24, final_loss=0.1421,
    trigger_words=("a photo of sks cat",), samples=(Sample("assets/a b.png", "a cat"),),
    loss_picture="assets/loss.png", note="My **own** words.",
)  # fmt: skip


def metadata(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_card_contains_the_facts() -> None:
    card = render_card(FACTS)
    shown = metadata(card)
    assert shown["base_model"] == "black-forest-labs/FLUX.1-dev"
    assert shown["license"] == "other"
    assert shown["license_name"] == "flux-1-dev-non-commercial-license"
    assert shown["instance_prompt"] == "a photo of sks cat"
    assert {"lora", "simpletuner", "not-for-all-audiences"} <= set(shown["tags"])
    assert shown["widget"] == [{"text": "a cat", "output": {"url": "assets/a b.png"}}]
    for text in ("| Rank | 16 |", "| Steps | 2,000 |", "| Training images | 24 |",
                 "![Loss by step](assets/loss.png)", "My **own** words.",
                 "`a photo of sks cat`", "assets/a%20b.png"):  # fmt: skip
        assert text in card


def test_the_card_states_the_requested_visibility() -> None:
    row = "| Visibility | asked to be private: seen by"
    assert row in render_card(FACTS)
    assert "Visibility" not in render_card(replace(FACTS, private=False))


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        CardFacts("x", "full", safe_for_work=True, private=False),
        replace(FACTS, title='a: "b"\n---', note="---\nlicense: mit\n---", family="sd3"),
    ],
)
def test_the_hubs_own_library_takes_the_card(tmp_path: Path, facts: CardFacts) -> None:
    """Nothing here asks the Hub: what the library reads, checks and writes again by itself."""
    text = render_card(facts)
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    card = ModelCard.load(path)
    assert metadata_load(path) == card.data.to_dict() == metadata(text)
    again = ModelCardData(**card.data.to_dict())
    assert yaml.safe_load(again.to_yaml()) == metadata(text)
    assert str(card).rstrip().endswith(text.rstrip().rpartition("\n")[2])
    assert len(set(card.data.tags)) == len(card.data.tags)
    assert all(isinstance(tag, str) for tag in card.data.tags)
    if card.data.license == "other":
        assert card.data.license_name
        assert card.data.license_link.startswith("https://")


def test_unknown_facts_are_left_out() -> None:
    card = render_card(CardFacts("x", "full", safe_for_work=True))
    assert "None" not in card
    assert "license" not in metadata(card)
    assert "not-for-all-audiences" not in card


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda text: text, CardState.OURS),
        (lambda text: text.replace("\n", "\r\n"), CardState.OURS),
        (lambda text: text.rstrip(), CardState.OURS),
        (lambda text: text.replace("2,000", "2,001"), CardState.EDITED),
        (lambda text: text + "\nMy words.\n", CardState.EDITED),
        (lambda text: text.partition("<!--")[0], CardState.FOREIGN),
        (lambda _: "# Mine\n", CardState.FOREIGN),
        (lambda _: "", CardState.MISSING),
        (lambda _: None, CardState.MISSING),
    ],
)
def test_an_edited_card_is_not_ours(change, state: CardState) -> None:
    assert card_state(change(render_card(FACTS))) is state
    assert state.may_replace == (state in {CardState.OURS, CardState.MISSING})


def test_a_note_with_line_ends_of_windows_leaves_the_card_ours() -> None:
    card = render_card(replace(FACTS, note="One.\r\nTwo."))
    assert card_state(card) is CardState.OURS
    assert "One.\nTwo." in card


@given(
    title=st.text(), words=st.lists(st.text(), max_size=3), prompt=st.text(), path=st.text(),
    note=st.text(), base=st.text(),
)  # fmt: skip
def test_no_text_breaks_the_format_of_the_card(
    title: str, words: list[str], prompt: str, path: str, note: str, base: str
) -> None:
    card = render_card(
        CardFacts(
            title, "lora", base_model=base or None, trigger_words=tuple(words),
            samples=(Sample(path, prompt),), note=note,
        )
    )  # fmt: skip
    shown = yaml.safe_load(card.split("\n---\n")[0])
    assert shown["widget"][0]["text"].split() == prompt.split()
    assert set(shown) <= {"library_name", "pipeline_tag", "base_model", "base_model_relation",
                          "instance_prompt", "tags", "widget"}  # fmt: skip
    assert card_state(card) is CardState.OURS


def test_hostile_texts_are_escaped() -> None:
    facts = CardFacts(
        "<script>alert(1)</script>", "lora",
        samples=(Sample("a.png", "x | y\n---\nlicense: mit <img src=x>"),),
        trigger_words=("`rm`",),
    )  # fmt: skip
    card = render_card(facts)
    assert "<script" not in card
    assert "license" not in metadata(card)
    assert "| x \\| y --- license: mit &lt;img src=x\\> |" in card


def test_a_lone_surrogate_is_replaced() -> None:
    card = render_card(CardFacts("a\ud800b", "lora", trigger_words=("\udfff",)))
    assert card_state(card.encode().decode()) is CardState.OURS


def test_licences_only_where_they_are_sure() -> None:
    assert licence_fields("flux", "schnell") == {"license": "apache-2.0"}
    assert licence_fields("FLUX", None)["license"] == "other"
    assert licence_fields("sdxl", "base-1.0") == {"license": "openrail++"}
    assert licence_fields("qwen_image", "v1.0") == {"license": "apache-2.0"}
    assert licence_fields("qwen_image", "v2.0") == {}
    assert licence_fields("nobody", "x") == {}
    assert licence_fields(None) == {}
    for name, family in families().items():
        for flavour in family.flavours:
            fields = licence_fields(name, flavour)
            assert not fields or fields["license"]


def test_the_picture() -> None:
    dice = random.Random(1)
    points = [(step, 0.3 / (1 + step / 300) + dice.random() * 0.05) for step in range(1, 2001)]
    data = draw_loss(points)
    assert data == draw_loss(list(reversed(points)))
    assert data is not None
    image = Image.open(io.BytesIO(data))
    assert image.size == (960, 360)
    assert len(image.getcolors(1 << 24) or ()) > 10
    assert len(data) < 60_000


@pytest.mark.parametrize(
    "points", [[], [(1, 0.5)], [(1, 0.5), (1, 0.6)], [(1, float("nan")), (2, float("inf"))]]
)
def test_no_picture_without_a_curve(points: list[tuple[int, float]]) -> None:
    assert draw_loss(points) is None


def test_a_flat_curve_has_a_picture() -> None:
    assert draw_loss([(1, 0.5), (2, 0.5)])


def test_smoothing_keeps_a_constant() -> None:
    assert all(abs(loss - 2.0) < 1e-9 for _, loss in smooth([(n, 2.0) for n in range(500)]))


HOSTILE = (
    "a/b) [x](http://evil) <img src=x onerror=y> www.evil.example @team a@evil.example ](x "
    "\x1b[2J\u202e\u200b\u2028\x85\ud800\x00 `x` | --- \n---\nevil: yes\n# top https://evil"
)


def test_every_field_of_a_card_is_shown_and_never_obeyed() -> None:
    facts = CardFacts(
        title=HOSTILE, kind="lora", base_model=HOSTILE, family=HOSTILE, flavour=HOSTILE,
        weights=HOSTILE, learning_rate=HOSTILE, resolution=HOSTILE, hardware=HOSTILE,
        trigger_words=(HOSTILE,), samples=(Sample(HOSTILE, HOSTILE),), loss_picture=HOSTILE,
        licence=HOSTILE, note="mine\x1b[2J\u202e\ud800\n\n- a list",
    )  # fmt: skip
    card = render_card(facts)
    card.encode()
    assert all(char.isprintable() or char == "\n" for char in card)
    head, _, text = card.removeprefix("---\n").partition("\n---\n")
    shown = yaml.safe_load(head)
    assert "evil" not in shown
    assert shown["base_model"] == " ".join(HOSTILE.replace("\ud800", "?").split())
    assert {type(tag) for tag in shown["tags"]} == {str}
    bare = re.sub(r"(?<!\\)`[^`\n]*`", "", text)  # in code nothing is obeyed
    places = re.findall(r"(?<!\\)\]\(([^)]*)\)", bare)
    assert {place.split("/")[2] for place in places if "://" in place} == {
        "huggingface.co", "github.com",
    }  # fmt: skip
    assert all(re.fullmatch(r"[\w:/.%~-]+", place) for place in places)
    outside = re.sub(r"\]\([^)\n]*\)", "", bare.partition("<!--")[0])
    assert not re.search(r"<|://|www\.|@", outside)
    assert "- a list" in text
