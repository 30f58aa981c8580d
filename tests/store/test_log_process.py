from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tui.store import log_expression, log_process
from tui.store.log_expression import expression
from tui.store.log_process import SearchProcesses
from tui.store.search_error import SearchError


def test_what_takes_re_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = expression(re.compile("(?=a)(a+)+$", re.MULTILINE))
    long = b"a" * 50 + b"b\n"
    with pytest.raises(SearchError):
        found.find(long, 0.01)
    assert list(found.find(b"b\naa")) == [(2, 2)]  # a later piece may have no such line
    monkeypatch.setattr(log_process, "SECONDS", 0.01)
    with pytest.raises(SearchError) as caught:
        found.find(long)
    assert "too long" in caught.value.message
    assert caught.value.advice
    with pytest.raises(SearchError):
        found.find(b"aa")


def test_a_waiting_process_that_was_ended_is_replaced() -> None:
    processes, pattern = SearchProcesses(), re.compile("(?=a)a")
    assert processes.hits(pattern, b"a") == [(0, 1)]
    (kept,) = processes._idle
    kept.kill()
    kept.wait()
    assert processes.hits(pattern, b"ba") == [(1, 1)]
    assert kept not in processes._idle
    processes.close()


def test_processes_end_with_their_search() -> None:
    processes, pattern = SearchProcesses(), re.compile("(?=a)a")
    with ThreadPoolExecutor(4) as pool:
        wait = pool.map(lambda _: processes.hits(pattern, b"a" * 99), range(8))
        assert [len(hits) for hits in wait] == [99] * 8
    kept: list[subprocess.Popen[bytes]] = [*processes._idle]
    assert len(kept) <= 2
    processes.close()
    assert all(process.returncode == 0 for process in kept)
    assert processes.hits(pattern, b"a") == [(0, 1)]  # for a thread that has not heard of it
    assert processes._idle == []
    found = log_expression._Backtracking(pattern)
    assert list(found.find(b"a")) == [(0, 1)]
    (last,) = found._processes._idle
    del found
    assert last.returncode == 0
