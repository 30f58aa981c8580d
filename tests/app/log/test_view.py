"""The log view by its keys, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from tests.support import eventually
from tui.app.log import document
from tui.app.log.filter import (
    PROBLEMS,
    STAGES,
    FilteredLines,
    find_step,
    lines_with,
    sift,
    without_bars,
)
from tui.app.log.view import LogView
from tui.store import log_process
from tui.store.log_file import LogFile
from tui.store.log_line import LINE_CELLS


class LogApp(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.wanted: list[str] = []

    def compose(self) -> ComposeResult:
        yield LogView(self.path)

    def on_log_view_wanted(self, event: LogView.Wanted) -> None:
        self.wanted.append(event.what)


def rows(view: LogView) -> list[str]:
    return [view.render_line(y).text[2:-1].rstrip() for y in range(view.size.height)]


def marked(view: LogView) -> list[str]:
    strips = [view.render_line(y) for y in range(view.size.height)]
    return [
        "".join(part.text for part in strip if part.style and part.style.reverse)
        for strip in strips
        if any(part.style and part.style.reverse for part in strip)
    ]


def cursor_text(view: LogView) -> str:
    (text,) = [row.line.text for row in view.window.rows() if row.line.offset == view.window.cursor]
    return text


def write(path: Path, count: int, start: int = 0) -> None:
    with path.open("a", encoding="utf-8") as file:
        for number in range(start, start + count):
            kind = "[STAGE] ✓ Saving Checkpoint" if number % 50 == 0 else "[INFO] note"
            file.write(f"{kind}: line {number}\n")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "job.log"
    write(path, 500)
    return path


async def test_it_opens_at_the_end_and_follows(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert rows(view)[-1] == "[INFO] note: line 499"
        write(log, 3, 500)
        view.poll()
        await pilot.pause()
        assert rows(view)[-1] == "[INFO] note: line 502"
        assert view.window.follow


async def test_scrolling_up_stops_following_and_counts_what_comes(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.press("k", "pageup")
        before = rows(view)
        assert not view.window.follow
        write(log, 7, 500)
        view.poll()
        await pilot.pause()
        assert rows(view) == before
        assert view.unseen == 7
        await pilot.press("G")
        assert rows(view)[-1] == "[INFO] note: line 506"
        assert view.unseen == 0


async def test_live_finds_new_lines_by_itself(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)):
        view = app.query_one(LogView)
        view.live(True)
        write(log, 1, 500)
        await eventually(lambda: "line 500" in rows(view)[-1])
        view.live(False)


async def test_moving_by_lines_and_pages_reaches_both_ends(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.press("g", "g")
        assert rows(view)[0].endswith("line 0")
        assert cursor_text(view).endswith("line 0")
        await pilot.press("j", "j", "k")
        assert cursor_text(view).endswith("line 1")
        await pilot.press("ctrl+d")
        assert cursor_text(view).endswith("line 11")
        seen = set()
        for _ in range(40):
            seen |= {row for row in rows(view) if row}
            await pilot.press("pagedown")
        assert len(seen) == 500
        assert cursor_text(view).endswith("line 499")
        for _ in range(40):
            await pilot.press("pageup")
        assert cursor_text(view).endswith("line 0")


async def test_search_goes_to_the_nearest_hit_and_n_goes_on(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert view.look_for("CHECKPOINT: line 4") == ""
        assert view.document.hits == 0  # capital letters are meant as they are
        assert app.wanted == ["no hit"] or await eventually(lambda: app.wanted == ["no hit"])
        view.look_for("checkpoint: line 4")
        await pilot.pause()
        assert view.document.hits == 2  # 400 and 450
        assert cursor_text(view).endswith("line 450")
        await pilot.press("N")
        assert cursor_text(view).endswith("line 400")
        await pilot.press("n")
        assert cursor_text(view).endswith("line 450")
        await eventually(lambda: app.wanted == ["no hit"])
        await pilot.press("n")  # below the last one it goes on from the top, and back, and says so
        assert cursor_text(view).endswith("line 400")
        await pilot.press("N")
        assert cursor_text(view).endswith("line 450")
        await eventually(lambda: app.wanted == ["no hit", "from the top", "from the end"])
        assert view.look_for("line (1|2)00$", regex=True) == ""
        assert cursor_text(view).endswith("line 200")
        assert "no valid expression" in view.look_for("(", regex=True)


async def test_filters_show_only_some_lines_and_escape_undoes_them(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.press("minus", "minus")
        assert view.document.shown == "stages"
        assert [row for row in rows(view) if row][:2] == [
            "[STAGE] ✓ Saving Checkpoint: line 0",
            "[STAGE] ✓ Saving Checkpoint: line 50",
        ]
        write(log, 51, 500)
        view.poll()
        await pilot.pause()
        assert [row for row in rows(view) if row][-1].endswith("line 550")
        view.look_for("line 2")
        await pilot.press("ampersand")
        assert [row.rpartition(" ")[2] for row in rows(view) if row] == ["200", "250"]
        assert view.step_back()
        assert view.document.shown == "all"
        assert view.step_back()
        assert view.document.query is None
        assert not view.step_back()


async def test_selected_lines_are_those_between_anchor_and_cursor(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.press("g", "g", "v", "j", "j")
        assert [text.split()[-1] for text in view.window.selected()] == ["0", "1", "2"]
        await pilot.press("y")
        await eventually(lambda: "copy" in app.wanted)


async def test_steps_are_found_in_bars(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text(
        "\r".join(
            f"Epoch 1/5, Steps:  {n}%|█▍        | {n}/100 [00:03<05:41,  3.45s/it, lr=0.1]"
            for n in range(0, 100, 3)
        )
        + "\n",
        encoding="utf-8",
    )
    log = LogFile(path)
    (line,) = log.tail(1)
    assert " 99/100 " in line.text
    place = find_step(log, 31)
    assert place is not None
    assert " 33/100 " in log.drawing(line, place).text
    assert find_step(log, 1000) is None
    app = LogApp(path)
    async with app.run_test(size=(80, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        view.go_to_step(50)
        await eventually(lambda: " 51/100 " in cursor_text(view))
        view.look_for("| 6")
        assert " 60/100 " in cursor_text(view)
        await pilot.press("n")
        assert " 63/100 " in cursor_text(view)
        await pilot.press("N")
        assert " 60/100 " in cursor_text(view)
        assert view.window.selected() == [cursor_text(view)]
        view.look_for("")
        await pilot.press("j", "G")
        assert " 99/100 " in cursor_text(view)
        await pilot.press("minus")
        await eventually(lambda: "No line is like that" in rows(view)[0])


async def test_long_lines_wrap_or_move_sideways(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("short\n" + "".join(f"{n:04d}-" for n in range(60)) + "\nlast\n")
    app = LogApp(path)
    async with app.run_test(size=(43, 12)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert rows(view)[0] == "short"
        assert rows(view)[1] == "0000-0001-0002-0003-0004-0005-0006-0007…"
        await pilot.press("right")
        assert rows(view)[1].startswith("…03-0004-")
        assert rows(view)[1].endswith("…")
        assert len(rows(view)[1]) == 40
        await pilot.press(*["right"] * 17)
        assert rows(view)[1].startswith("…")
        assert rows(view)[1].endswith("0059-")
        await pilot.press(*["left"] * 17)
        await pilot.press("left", "w")
        assert rows(view)[1:9] == [
            "".join(f"{n:04d}-" for n in range(start, min(start + 8, 60)))
            for start in range(0, 60, 8)
        ]
        assert rows(view)[9] == "last"


async def test_hostile_text_stays_harmless(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(
        b"\x1b[2J\x1b]0;title\x07red\x1b[31m text\x00\n"
        + "bidi \u202e turn\n".encode()
        + b"\xff\xfe broken\n"
        + b"x" * (10 << 20)
        + b"\nend\n"
    )
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        shown = rows(view)
        assert shown[0] == "red text"
        assert "\u202e" not in shown[1]
        assert shown[4] == "end"
        assert all(view.render_line(y).cell_length == 60 for y in range(10))
        await pilot.press("w", "g", "g", "pagedown", "pagedown")
        assert all(len(row) <= LINE_CELLS for row in rows(view))


async def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert rows(view)[0].startswith("No log yet")
        await pilot.press("j", "G", "g", "g", "v", "pageup", "n", "minus", "ampersand")
        view.look_for("x")
        path.write_text("first\n")
        view.poll()
        view.step_back()
        await pilot.press("minus", "minus", "minus", "G")
        await eventually(lambda: rows(view)[0] == "first")


async def test_a_big_file_is_scanned_in_a_thread(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_NOW", 10)
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        view.look_for("line 77")
        await eventually(lambda: not view.busy)
        assert cursor_text(view).endswith("line 77")
        await pilot.press("minus", "minus", "minus", "minus", "minus")
        await eventually(lambda: not view.busy)
        assert view.document.shown == "no bars"
        assert len(view.document.kept.starts) == 500
        monkeypatch.setattr(document, "_NOW_EXPRESSION", 10)
        view.look_for("line 333")
        await eventually(lambda: cursor_text(view).endswith("line 333") and not view.busy)
        assert view.look_for("(?i)LINE [3-4]{3}", regex=True) == ""
        assert not marked(view)  # drawn before the thread has compiled it
        await eventually(lambda: view.document.hits == 8 and not view.busy)
        assert marked(view)[:2] == ["line 333", "line 334"]
        with log.open("a") as file:
            file.write("a" * 50 + "b\n")
        view.poll()
        monkeypatch.setattr(log_process, "SECONDS", 0.01)
        assert view.look_for("(?=a)(a+)+$", regex=True) == ""
        await eventually(lambda: app.wanted == ["gave up"])
        assert view.document.gave_up is not None
        assert not view.document.pending  # new lines are no reason to try again
        assert not view.busy
        view.look_for("b")
        assert view.document.gave_up is None


def kept_texts(log: LogFile, kept: FilteredLines) -> list[str]:
    return [
        log.drawing(log.after(start, 1)[0], place).text
        for start, place in zip(kept.starts, kept.places, strict=True)
    ]


def test_an_unfinished_line_is_filtered_again_when_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"[STAGE] one\nnothing\n[STA")
    log, kept = LogFile(path), FilteredLines()
    finder = lines_with(STAGES)
    sift(log, finder, kept)
    assert kept_texts(log, kept) == ["[STAGE] one"]
    for more in (b"GE] tw", b"o", b"\n"):
        with path.open("ab") as file:
            file.write(more)
        log.refresh()
        sift(log, finder, kept)
    assert kept_texts(log, kept) == ["[STAGE] one", "[STAGE] two"]


def test_a_problem_that_was_drawn_over_is_shown_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    bar = "Steps:  1%|█| 1/100 [00:01<00:02]"
    path.write_text(f"[ERROR] lost\r{bar}\r{bar}\n{bar}\r[INFO] said\n{bar}[STAGE] new\n\n")
    log, kept = LogFile(path), FilteredLines()
    sift(log, lines_with(PROBLEMS), kept)
    assert kept_texts(log, kept) == ["[ERROR] lost"]
    kept = FilteredLines()
    sift(log, without_bars, kept)
    assert kept_texts(log, kept) == ["[INFO] said", "[STAGE] new"]


async def test_the_first_hit_is_shown_before_all_are_counted(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_NOW", 10)
    app = LogApp(log)
    async with app.run_test(size=(60, 10)):
        view = app.query_one(LogView)
        view.focus()
        seen: list[str] = []
        scan = view.document.scan

        def scan_later(*given: object) -> None:
            seen.append(cursor_text(view))
            scan()

        monkeypatch.setattr(view.document, "scan", scan_later)
        view.look_for("line 77")
        await eventually(lambda: view.document.hits)
        assert seen[0].endswith("line 77")
        assert view.document.hits == 1
