"""The form as data: what fields say and what typed values mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.new_job.check_answer import answer
from tui.app.new_job import check_text
from tui.app.new_job.command import command_line
from tui.app.new_job.data_card import data_entries
from tui.app.new_job.form import Field, change_options, fields_of, parse_duration, set_field
from tui.app.new_job.form_list import FormList
from tui.app.new_job.summary import summary_entries
from tui.app.terminal.theme import DARK, _make
from tui.simpletuner.checks.leaving_words import leaving_once_words

if TYPE_CHECKING:
    from tui.api.sweeps import LeavingOnce


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2 h", 7200), ("90m", 5400), ("1 h 30 m", 5400), ("45", 2700), ("1.5h", 5400), ("30 s", 30),
     ("2 hours", 7200), ("1 d", 86400), ("", None), ("soon", None), ("2 h later", None),
     ("h", None)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


def test_a_long_label_is_whole_where_there_is_room_and_never_touches_its_value() -> None:
    """`Checkpoint st…100` could be any of two options, and a hundred of what."""
    form = FormList()
    form.fields = [Field("a", "Rank", "16"), Field("b", "Checkpoint step interval", "100")]

    def line(index: int, width: int) -> str:
        return "".join(text for text, _ in form.line(index, width, _make(DARK))).rstrip()

    assert line(1, 67) == "     Checkpoint step interval 100"
    assert line(0, 67).index("16") == line(1, 67).index("100")
    assert line(1, 50) == "     Checkpoint s… 100"
    form.fields = form.fields[:1]
    assert line(0, 67) == "     Rank          16"


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_none(text: str) -> None:
    found = parse_duration(text)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [("max_train_steps", "12.5", "whole number"), ("max_train_steps", "-3", "more than zero"),
     ("max_train_steps", "many", "must be a number"), ("learning_rate", "nan", "more than zero"),
     ("cancel_after", "2 s", "no less than 5"), ("cancel_after", "later", "length of time"),
     ("images_url", "http://x/y.zip", "https"), ("hub_model_id", "my cats", "owner/name"),
     ("cost_ceiling_micros", "much", "amount"), ("cost_ceiling_micros", "0", "more than nothing"),
     ("bucket", "A", "bucket"), ("prefix", "a/../b", "names with"), ("region", "x y", "region"),
     ("public_base_url", "https://u:p@x", "password"),
     ("modelspec_comment", "{env:HF_TOKEN}", "secret")],
)  # fmt: skip
def test_what_is_refused_says_why_and_changes_nothing(key: str, text: str, problem: str) -> None:
    draft: dict[str, Any] = {}
    assert problem in set_field(draft, key, text)
    assert not any(draft.values())


def test_values_are_set_and_cleared() -> None:
    draft: dict[str, Any] = {}
    for key, text in (("max_train_steps", "2,000"), ("learning_rate", "1e-4"),
                      ("cancel_after", "2 h"), ("delivery", "hub"),
                      ("hub_model_id", "alice/cat"), ("name", " cat ")):  # fmt: skip
        assert set_field(draft, key, text) == ""
    assert draft == {
        "overrides": {"max_train_steps": 2000, "learning_rate": 1e-4}, "cancel_after": 7200,
        "delivery": {"kind": "hub", "hub_model_id": "alice/cat"}, "name": "cat",
    }  # fmt: skip
    assert isinstance(draft["overrides"]["max_train_steps"], int)
    for key in ("max_train_steps", "cancel_after", "name"):
        set_field(draft, key, "")
    assert draft["overrides"] == {"learning_rate": 1e-4}
    assert draft["cancel_after"] is None
    assert draft["name"] is None


def test_fields_show_the_configs_values_and_the_users() -> None:
    draft = {"config": "c.json", "overrides": {"lora_rank": 32}, "hardware": "l40s"}
    fields = {field.key: field for field in fields_of(draft, answer(), {})}
    assert fields["max_train_steps"].value == "2000"
    assert fields["max_train_steps"].note == "from the config"
    assert (fields["lora_rank"].value, fields["lora_rank"].own) == ("32", True)
    assert fields["hardware"].value == "L40S 48 GB"
    assert fields["data"].value == "cats (24 images, 41.2 MiB)"
    assert fields["data"].level == "warn"  # small images
    assert fields["config"].note == "flux dev standard"
    assert "hub_model_id" not in fields


def test_errors_stand_at_their_field() -> None:
    fields = {field.key: field for field in fields_of({}, answer(ok=False), {"name": "too long"})}
    assert fields["max_train_steps"].level == "error"
    assert "both" in fields["max_train_steps"].problem
    assert fields["name"].problem == "too long"


def test_the_price_is_free_in_the_sandbox() -> None:
    assert check_text.price(answer()) == "$3.74"
    assert check_text.price(answer(sandbox=True)) == ""
    assert check_text.price(None) == ""
    assert check_text.leaves_words(answer(sandbox=True))[0] == "Stays on this machine"
    assert check_text.skipped_words(answer()) == "Skipped: 1 file: may hold secrets"


def test_a_finding_that_takes_an_option_out_is_a_change_of_the_draft() -> None:
    draft: dict[str, Any] = {"config": "cats", "overrides": {"vae_batch_size": 2}}
    changes = {"vae_batch_size": None, "lora_rnak": None, "lora_rank": 8}
    finding = {"level": "error", "message": "lora_rnak: no such option", "changes": changes}
    words = check_text.change_words(finding, answer())
    assert words == "vae_batch_size: removed, lora_rnak: removed, lora_rank: 16 → 8"
    change_options(draft, changes)
    assert draft["overrides"] == {"lora_rank": 8}
    assert draft["unset"] == ["vae_batch_size", "lora_rnak"]
    assert command_line(draft).endswith("--rank 8 --unset vae_batch_size --unset lora_rnak")
    line = next(field for field in fields_of(draft, None, {}) if field.key == "unset:lora_rnak")
    assert (line.label, line.value, line.own) == ("Lora rnak", "removed", True)
    assert set_field(draft, line.key, "8"), "its value is the config's business"
    assert not set_field(draft, line.key, "")
    assert draft["unset"] == ["vae_batch_size"]
    change_options(draft, {"vae_batch_size": 4})
    assert (draft["overrides"]["vae_batch_size"], draft["unset"]) == (4, [])


def test_a_run_of_unknown_length_has_no_price() -> None:
    unknown = {"estimate": {"steps": 0, "seconds": 1800, "micros": 1_755_000, "free": False}}
    words = check_text.estimate_words(unknown)
    assert words.startswith("no estimate")
    assert words.endswith("counted as 30 m, $1.76")
    assert check_text.price(unknown) == "price not known"


@pytest.mark.parametrize(
    ("runs", "percent", "bias", "words"),
    [
        (1, 20, 20, "the one earlier run cost 20 % more than was estimated"),
        (1, 100, -100, "the one earlier run cost over 99 % less than was estimated"),
        (1, 0, 0, "the one earlier run cost as much as was estimated"),
        (3, 20, 20, "3 past estimates were off by about 20 %, mostly too low"),
        (8, 30, -25, "8 past estimates were off by about 30 %, mostly too high"),
        (8, 30, 5, "8 past estimates were off by about 30 %"),
    ],
)
def test_the_error_of_past_estimates_says_to_which_side(
    runs: int, percent: int, bias: int, words: str
) -> None:
    found = answer()
    found["estimate"]["error"] = {"runs": runs, "percent": percent, "bias_percent": bias}
    assert check_text.basis_words(found) == words
    found["estimate"]["free"] = True  # a sandbox runs at a speed of its own
    assert check_text.basis_words(found) == ""
    assert check_text.estimate_words(found).startswith("on Replicate about 1 h 04 m ")
    found["estimate"]["measured_runs"] = 1
    assert check_text.estimate_words(found).endswith("in the sandbox, and free")


def test_what_a_decision_needs_stands_first_and_ends_where_the_room_does() -> None:
    found = {**answer(), "cancel_after": 7200, "cost_ceiling_micros": 5_000_000}
    lines = [line.text.rstrip() for line in summary_entries(found, 70, 20)]
    assert lines[:3] == [
        "Estimate   about 1 h 04 m (40 m to 1 h 30 m), $3.74 ($2.34 to $5.27)",
        "Ends       Replicate ends it after 2 h 00 m, never more than $5.00.",
        "",
    ]
    assert lines[3].startswith("cats ")
    cut = [line.text.rstrip() for line in summary_entries(found, 70, 4)]
    assert cut == [*lines[:3], "I shows all that is known of the data"]
    assert len(summary_entries(found, 70, len(lines))) == len(lines)


def test_entries_fit_and_hold_everything() -> None:
    lines = check_text.check_entries(answer(ok=False), 40)
    assert lines[0].text.startswith("✗ both max_train_steps")
    assert any("Set num_train_epochs to 0." in line.text for line in lines)
    assert all(len(line.text) <= 42 for line in lines)
    resting = {"level": "ok", "message": "it is unpacked", "release": "SimpleTuner 4.10.1"}
    (line,) = check_text.check_entries({"checks": [resting]}, 80)
    assert line.text == "✓ it is unpacked · SimpleTuner 4.10.1"
    request = "\n".join(line.text for line in check_text.request_entries(answer(), 80))
    assert '"hf_token": "***"' in request
    assert "lora_alpha" in request
    shown = answer()
    shown["datasets"][0] |= {
        "samples_per_step": 4, "repeats": 1,
        "buckets": [{"aspect": 0.75, "width": 896, "height": 1152, "images": number}
                    for number in (9, 7, 5, 3, 2, 1)],
    }  # fmt: skip
    dry = "\n".join(line.text for line in check_text.dry_run_entries(shown, 60))
    assert "/data/cats/.env" in dry
    assert dry.count("aspect 0.75  896×1152") == 6, "every bucket is shown"
    assert "    ! aspect 0.75  896×1152  1 image, and a step takes 4" in dry
    assert "  2 images, and" not in dry


def test_options_without_a_line_of_their_own_are_shown_when_they_are_changed() -> None:
    draft: dict[str, Any] = {"overrides": {"vae_batch_size": 1, "gradient_checkpointing": True}}
    fields = {field.key: field for field in fields_of(draft, answer(), {})}
    assert (fields["vae_batch_size"].label, fields["vae_batch_size"].value) == (
        "Vae batch size",
        "1",
    )
    assert fields["gradient_checkpointing"].value == "true"
    assert fields["gradient_checkpointing"].own
    assert set_field(draft, "gradient_checkpointing", "maybe").endswith("must be true or false.")
    assert set_field(draft, "gradient_checkpointing", "no") == ""
    assert set_field(draft, "vae_batch_size", "") == ""
    assert draft["overrides"] == {"gradient_checkpointing": False}


def test_the_place_of_staged_data_is_chosen_with_the_way() -> None:
    draft: dict[str, Any] = {}
    assert set_field(draft, "data", "staged:hub") == ""
    assert (draft["data"], draft["staging"]) == ("staged", "hub")
    fields = {field.key: field for field in fields_of(draft, answer(), {})}
    assert "private dataset on the Hub" in fields["data"].note
    assert fields["keep_staged"].value.startswith("removed")
    set_field(draft, "keep_staged", "yes")
    fields = {field.key: field for field in fields_of(draft, answer(), {})}
    assert (draft["keep_staged"], fields["keep_staged"].value) == (True, "kept")
    set_field(draft, "data", "upload")
    assert (draft["data"], draft["staging"]) == ("upload", None)
    assert "keep_staged" not in {field.key for field in fields_of(draft, answer(), {})}


def test_pictures_without_a_caption_can_be_left_out_of_staged_data() -> None:
    draft: dict[str, Any] = {"data": "staged"}
    found = answer()
    assert "leave_out_uncaptioned" not in {field.key for field in fields_of(draft, found, {})}
    found["datasets"][0]["missing_captions"] = ["a.png", "b.png"]
    fields = {field.key: field for field in fields_of(draft, found, {})}
    line = fields["leave_out_uncaptioned"]
    assert (line.value, line.note) == ("refused", "2 pictures")


def test_the_consent_says_where_staged_data_go_for_how_long_and_which_token_travels() -> None:
    found = answer()
    found["leaves"] |= {
        "destination": "the private dataset me/staged-cats on the Hugging Face Hub",
        "until": "until the last job that reads it has ended", "missing_bytes": 1024**2,
        "token": "your Hugging Face token travels with the job as a Secret input",
    }  # fmt: skip
    heading, what = check_text.leaves_words(found)
    assert heading == "Leaves this machine"
    once = {**found["leaves"], "runs": 2, "times": 2}
    assert leaving_once_words(cast("LeavingOnce", once)) == (
        heading, f"{what}; 2 times, an archive goes with each run"
    )  # fmt: skip
    assert "me/staged-cats" in what
    assert "until the last job" in what
    assert "deleted there after" not in what
    sent, token = check_text.staged_words(found)
    assert sent == "1.0 MiB of it are sent now."
    assert token.startswith("Your Hugging Face token travels")
    found["leaves"]["missing_bytes"] = 0
    assert check_text.staged_words(found)[0] == "It is there already."
    found["leaves"]["stays_here"] = True
    assert not [words for words in check_text.staged_words(found) if "there" in words]


def test_the_card_of_the_data_names_all_that_is_wrong_with_it() -> None:
    found = answer()
    found["datasets"][0] |= {
        "dataset_type": "image", "caption_strategy": "textfile", "captions": 22, "repeats": 1,
        "missing_captions": ["a.png"], "empty_captions": ["b.txt"], "samples_per_step": 4,
        "small_images": ["c.png"], "corrupt_images": ["d.png"],
        "sizes": {"smallest_width": 200, "smallest_height": 300,
                  "largest_width": 4000, "largest_height": 3000},
        "buckets": [{"aspect": 0.75, "width": 896, "height": 1152, "images": 20},
                    {"aspect": 1.0, "width": 1024, "height": 1024, "images": 1}],
        "skipped": [{"path": "x.psd", "reason": "no picture"},
                    {"path": "y.psd", "reason": "no picture"}],
        "problems": [{"level": "warn", "message": "two of a name", "advice": "Rename one."}],
    }  # fmt: skip
    found["datasets"].append({"id": "text", "kind": "cache"})
    found["datasets"].append({"id": "far", "kind": "remote", "disabled": True})
    for width in (50, 100):
        lines = [line.text for line in data_entries(found, width)]
        text = " ".join(" ".join(lines).split())
        for words in ("22 of 24, by textfile", "1 without one: a.png", "1 with no text: b.txt",
                      "200×300 to 4000×3000", "1 below the training size: c.png",
                      "1 cannot be read: d.png", "1 image; a step takes 4", "each 2 times",
                      "2 files (no picture): x.psd, y.psd", "two of a name. Rename one.",
                      "disabled", "Caches text"):  # fmt: skip
            assert words in text, words
        assert "20 images; a step" not in text
    assert data_entries({}, 80)[0].text.startswith("No dataset")


def test_the_request_is_shown_to_its_last_letter() -> None:
    found = answer() | {"cancel_after": 7200}
    prompt = "a long prompt, " * 40
    config = json.dumps({"--validation_prompt": prompt, "--seed": 42})
    found["request"]["input"]["config_json"] = config
    for width in (40, 100):
        lines = [line.text for line in check_text.request_entries(found, width)]
        assert all(len(line) <= width for line in lines[4:])
        assert "Cancel-After: 7200s" in lines
        first, last = lines.index("{"), lines.index("}")
        body = "".join(lines[first : last + 1]).replace(" ", "")
        sent = {"version": found["request"]["version"].partition(":")[2],
                "input": found["request"]["input"]}  # fmt: skip
        assert body == json.dumps(sent, indent=0).replace("\n", "").replace(" ", "")
        assert '  "--seed": 42' in lines  # and once more, as the trainer reads it


def test_the_request_shows_the_dataloader_as_the_trainer_reads_it() -> None:
    found = answer()
    found["request"]["input"]["dataloader_json"] = '[{"id":"cats","type":"huggingface"}]'
    text = "\n".join(
        "".join(text for text, _ in line.words) for line in check_text.request_entries(found, 80)
    )
    assert '    "type": "huggingface"' in text
