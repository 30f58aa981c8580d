"""Pages and lines of the Publishing screen as text: nothing that matters is cut."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tui.app.publishing import pages
from tui.app.publishing import text as words
from tui.app.publishing.artifact_list import _how_many
from tui.app.publishing.files_summary import files_summary
from tui.app.publishing.panels import share_room
from tui.app.widgets.entry_list import Entry
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState

NOW = datetime(2026, 11, 23, 14, 2, 10, tzinfo=UTC)
LONG_NAME = "output/models/a-run-with-a-long-name/checkpoint-1500/pytorch_lora_weights.safetensors"


def text(lines: list[Entry]) -> str:
    return " ".join(" ".join(line.text for line in lines).split())


@pytest.mark.parametrize("width", [40, 51, 70, 108])
def test_lines_of_every_form_go_on_below_and_keep_their_words(width: int) -> None:
    labelled = Entry((("What to do   ", "dim"), ("words " * 30, "base")))
    marked = Entry((("✗ ", "bad"), ("The server has no such bucket. " * 5, "base"), ("x", "dim")))
    plain = Entry((("The best is the one with the lowest loss. " * 3, "dim"),))
    for one in (labelled, marked, plain):
        lines = pages.wrapped([one], width)
        assert all(len(line.text) <= width for line in lines)
        assert text(lines) == text([one])
        assert lines[-1].words[-1][1] == one.words[-1][1]
    under = pages.wrapped([marked], width)[1].text
    assert under.startswith("  ")
    assert under[2] != " "


@pytest.mark.parametrize("width", [51, 70, 108])
def test_a_comparison_fits_and_keeps_its_sizes(width: int) -> None:
    rows = [
        {"step": step, "at": step, "files": 2, "size": 231 << 20, "loss": 0.14, "smoothed": mean,
         "window": 200, "best": step == 1500}
        for step, mean in ((1000, 0.1511), (1500, 0.1387))
    ]  # fmt: skip
    lines = pages.wrapped(pages.compare_page(rows, width), width)
    assert all(len(line.text) <= width for line in lines)
    assert sum("231 MiB" in line.text for line in lines) == 2
    assert "0.1387." in text(lines)
    assert ("━" in text(lines)) == (width > 100)


def test_files_that_the_tree_lists_are_told_by_kind_and_by_place() -> None:
    hub = {"target": "hub:me/cat", "at": "2026-11-23T14:02:10+00:00", "link": ""}
    bucket = {**hub, "target": "s3:mine/cat"}
    lora = {"kind": "lora", "rank": 16, "dtypes": {"BF16": 4}}
    files: list[dict[str, Any]] = [
        {"name": "checkpoint-10/a.safetensors", "size": 3 << 20, "here": True, "sha256": "e" * 64,
         "weights": lora, "published": [hub], "unverified": []},
        {"name": "images/step_5.png", "size": 1024, "here": True, "sha256": "", "weights": None,
         "published": [], "unverified": [bucket]},
        {"name": "images/step_10.png", "size": 1024, "here": False, "sha256": "", "weights": None,
         "published": [hub], "unverified": []},
        {"name": "config.json", "size": 10, "here": True, "sha256": "", "weights": None,
         "published": [], "unverified": []},
    ]  # fmt: skip
    step = {"step": 10, "at": 10, "files": 4, "size": 0, "weights": True, "loss": 0.25,
            "smoothed": 0.5, "window": 8, "best": True}  # fmt: skip
    told = [line.text for line in files_summary(files, [step])]
    assert told == [
        "Step         10, mean loss 0.5 of the 8 steps up to it, 0.25 at it",
        "Weights      1 file, 3.0 MiB: LoRA rank 16 bf16",
        f"SHA-256      {'e' * 64}",
        "Pictures     2 files, 2.0 KiB, the last: step_10.png, step_5.png",
        "Others       1 file, 10 B",
        "",
        "Here         3 of 4 files",
        "Published    ✓ Hub me/cat: 2 of 4 files, verified 2026-11-23 14:02",
        "Not verified s3 mine/cat: 1 of 4 files sent, which nobody may look at there",
        "Only here    2 files",
        "",
        f"Best         checkpoint-10. {words.best_means(step)}",
    ]
    alone = [line.text for line in files_summary(files[3:])]
    assert alone[-2:] == ["Here         the file", "Published    nowhere yet; p publishes it"]
    cut = {**files[0], "weights": {**lora, "truncated": True}}
    first, _, _, here, *_ = files_summary([*files[:2], cut], unfetched=2)
    assert first.words[-1] == ("2 files, 6.0 MiB: 1 LoRA rank 16 bf16, 1 ✗ truncated", "bad")
    assert here.words[-1] == ("3 of 5 files", "warn"), "what was never fetched is not here"


def transfer(state: TransferState, item: TransferItem, **more: Any) -> list[Entry]:
    record = TransferRecord("t1", "j1", "http://x/v1", "dir:/there", NOW, state=state, **more)
    return pages.wrapped(pages.transfer_page(record, "cat", [item], {}), 70)


def test_the_state_of_a_file_comes_before_its_name() -> None:
    item = TransferItem(0, LONG_NAME, "/x", 231 << 20, plan={"came": "sent"}, state="verified",
                        proof="sha256")  # fmt: skip
    lines = transfer(TransferState.DONE, item)
    line = next(line.text for line in lines if "231 MiB" in line.text)
    assert line.startswith("✓ verified")
    assert text(lines).endswith("by sha256")


def test_a_transfer_that_failed_before_it_looked_says_nothing_of_sizes() -> None:
    lines = transfer(TransferState.FAILED, TransferItem(0, "a.bin", "/x"), message="No keys.")
    assert "· not sent" in lines[-1].text
    assert "0 B" not in text(lines)
    assert "waiting" not in text(lines)
    waits = transfer(TransferState.QUEUED, TransferItem(0, "a.bin", "/x"))
    assert "◌ waiting" in waits[-1].text
    assert "—" in waits[-1].text


def test_a_test_that_warns_says_so_in_few_words() -> None:
    def tested(*messages: str) -> dict[str, Any]:
        return {"ok": True, "steps": [{"level": "warn", "message": one} for one in messages]}

    assert words.warnings(tested()) == ""
    no_tls = "http://nas:9000 has no TLS: whoever sits on the way can read and change it."
    assert words.warnings(tested(no_tls)) == "not encrypted"
    assert words.warnings(tested("Something else.")) == "with a warning; enter shows it"


def test_places_of_one_kind_have_the_shortest_distinct_texts() -> None:
    hub, s3, folder = "hub:alice/cat", "s3:mine/runs", "dir:/srv/models"
    assert words.apart([hub, s3, folder]) == ["Hub", "mine", "models"]
    assert words.apart([hub, "hub:alice/dog", s3]) == ["Hub cat", "Hub dog", "mine"]
    assert words.apart([hub, "hub:bob/cat"]) == ["Hub alice/cat", "Hub bob/cat"]
    assert words.apart([s3, "s3:mine/other"]) == ["mine/runs", "mine/other"]


def test_places_that_do_not_fit_are_counted() -> None:
    names = ["Hub cat", "Hub dog", "mine/runs", "models"]
    assert [_how_many(names, width) for width in (60, 30, 29, 19, 18, 5)] == [4, 3, 2, 2, 1, 1]


@pytest.mark.parametrize(
    ("needs", "here", "shared"),
    [
        ((40, 20, 3), "destinations", (23, 8, 3)),
        ((40, 20, 3), "artifacts", (23, 8, 3)),
        ((40, 20, 3), "transfers", (11, 20, 3)),
        ((5, 20, 3), "artifacts", (11, 20, 3)),
        ((2, 1, 1), "destinations", (2, 1, 31)),
        ((40, 40, 40), "transfers", (8, 18, 8)),
    ],
)
def test_room_goes_to_the_panel_that_needs_it(
    needs: tuple[int, int, int], here: str, shared: tuple[int, int, int]
) -> None:
    names = ("artifacts", "transfers", "destinations")
    found = share_room(dict(zip(names, needs, strict=True)), here, 34, 8)
    assert tuple(found[name] for name in names) == shared
