"""The log view by its keys, on real files."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from tests.support import eventually
from tui.app.widgets import log_document
from tui.app.widgets.log_search import Hits, Query, find_step, matches, scan
from tui.app.widgets.log_source import LINE_LIMIT, LogSource
from tui.app.widgets.log_view import LogView


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


def cursor_text(view: LogView) -> str:
    line = view.document.lines.at(view.window.cursor)
    assert line is not None
    return view.document.source.text(line).decode()


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
        assert view.document.hits.count == 0  # capital letters are meant as they are
        assert app.wanted == ["no hit"] or await eventually(lambda: app.wanted == ["no hit"])
        view.look_for("checkpoint: line 4")
        await pilot.pause()
        assert view.document.hits.count == 2  # 400 and 450
        assert cursor_text(view).endswith("line 450")
        await pilot.press("N")
        assert cursor_text(view).endswith("line 400")
        await pilot.press("n")
        assert cursor_text(view).endswith("line 450")
        assert view.look_for("line (1|2)00$", regex=True) == ""
        assert cursor_text(view).endswith("line 200")
        assert "Not a regular expression" in view.look_for("(", regex=True)


async def test_filters_show_only_some_lines_and_escape_undoes_them(log: Path) -> None:
    app = LogApp(log)
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        await pilot.press("t", "t")
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
        await pilot.press("g", "g", "V", "j", "j")
        assert [raw.split()[-1] for raw in view.window.selected()] == [b"0", b"1", b"2"]
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
    source = LogSource(path)
    place = find_step(source, 31)
    assert place is not None
    line = source.line(source.start_of(place))
    assert line is not None
    assert b" 33/100 " in source.text(line)
    assert find_step(source, 1000) is None
    app = LogApp(path)
    async with app.run_test(size=(80, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        view.go_to_step(50)
        await eventually(lambda: " 51/100 " in cursor_text(view))
        await pilot.press("t")
        await eventually(lambda: "No line is like that" in rows(view)[0])


async def test_long_lines_wrap_or_move_sideways(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("short\n" + "".join(f"{n:04d}-" for n in range(60)) + "\nlast\n")
    app = LogApp(path)
    async with app.run_test(size=(43, 12)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert rows(view)[1] == "0000-0001-0002-0003-0004-0005-0006-0007-"
        await pilot.press("right")
        assert rows(view)[1].startswith("003-0004-")
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
        assert shown[0] == "red text·"
        assert "\u202e" not in shown[1]
        assert shown[4] == "end"
        assert all(view.render_line(y).cell_length == 60 for y in range(10))
        await pilot.press("w", "g", "g", "pagedown", "pagedown")
        assert all(len(row) <= LINE_LIMIT for row in rows(view))


async def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        assert rows(view)[0].startswith("No log yet")
        await pilot.press("j", "G", "g", "g", "V", "pageup", "n", "t", "ampersand")
        view.look_for("x")
        path.write_text("first\n")
        view.poll()
        view.step_back()
        await pilot.press("t", "t", "t", "G")
        await eventually(lambda: rows(view)[0] == "first")


async def test_a_big_file_is_scanned_in_a_thread(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_document, "_NOW", 10)
    app = LogApp(log)
    async with app.run_test(size=(60, 10)) as pilot:
        view = app.query_one(LogView)
        view.focus()
        view.look_for("line 77")
        await eventually(lambda: not view.busy)
        assert cursor_text(view).endswith("line 77")
        await pilot.press("t", "t", "t", "t", "t")
        await eventually(lambda: not view.busy)
        assert view.document.shown == "no bars"
        assert len(view.document.kept.starts) == 500


def test_hits_are_all_counted_and_found_again_where_the_file_grew(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"a needle, a needle\nhay\n" * 3)
    source = LogSource(path)
    hits = Hits()
    scan(source, matches(Query("needle")), hits)
    assert hits.count == 6
    with path.open("ab") as file:
        file.write(b"Needle\n")
    source.refresh()
    scan(source, matches(Query("needle")), hits)
    assert hits.count == 7
    assert hits.after(hits.starts[5]) == hits.starts[6]
    assert hits.before(hits.starts[0]) is None
