from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tui.app.log.document import LogDocument, Query
from tui.store import log_process, log_source
from tui.store.log_expression import _Backtracking


def test_a_query_is_given_up_where_a_line_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_source, "PIECE", 8)
    monkeypatch.setattr(log_process, "SECONDS", 0.01)
    path = tmp_path / "job.log"
    path.write_text("caa\n" + "a" * 50 + "b\n")
    document = LogDocument(path)
    document.look_for(Query("(?=a)(a+)+$", regex=True))
    search = document.search
    assert search is not None
    assert search.spans("caa") == []  # not compiled yet
    assert document.first_hit(0) == 1
    assert search.spans("caa") == [(1, 3)]
    assert search.spans("é█aa") == [(2, 4)]
    document.scan()
    assert document.gave_up is not None
    assert document.hits == 0
    assert document.pending == 0
    assert search.ordinal(2) is None
    assert search.spans("aa") == []
    document.look_for(Query("a+", regex=True))
    assert document.gave_up is None
    document.scan()
    assert document.hits == 2


def test_marking_a_line_gives_up_sooner_than_a_search(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("aa\n")
    document = LogDocument(path)
    document.look_for(Query("(?=a)(a+)+$", regex=True))
    document.scan()
    search = document.search
    assert search is not None
    assert search.spans("a" * 50 + "b") == []
    assert search.spans("aa") == []  # the next line may take as long
    assert document.first_hit(0) == 0
    assert document.gave_up is None
    engine = search._expression
    assert isinstance(engine, _Backtracking)
    kept: list[subprocess.Popen[bytes]] = [*engine._processes._idle]
    document.close()
    assert [process.returncode for process in kept] == [0]
