"""Snapshots merge to the same record in every order and with duplicates."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tests.store.job_records import job
from tui.base.job_status import JobStatus
from tui.engine.tracking.reconcile import (
    Known,
    LogChange,
    Snapshot,
    carry_masks,
    changed_fields,
    job_status,
    latest_end,
    max_cost_micros,
    reconcile,
    reconcile_log,
    reopen_if_lost,
)
from tui.replicate.secret import MASK

T0 = datetime(2026, 1, 1, tzinfo=UTC)
times = st.none() | st.integers(0, 10**6).map(lambda s: T0 + timedelta(milliseconds=s))
statuses = st.sampled_from(
    ["", "starting", "processing", "succeeded", "failed", "canceled", "aborted", "dreaming"]
)
outputs = st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3)
snapshots = st.builds(
    Snapshot,
    status=statuses,
    version=st.sampled_from(["", "hidden", "a" * 64]),
    output=outputs,
    error=st.sampled_from(["", "boom", "out of memory"]),
    logs=st.none() | st.sampled_from(["", "a", "a\nb", "a\nb\nc\n", "z\nb\nc\n", "a\nb\nc"]),
    created_at=times,
    started_at=times,
    completed_at=times,
    predict_seconds=st.none() | st.floats(0, 1e6),
    data_removed=st.booleans(),
)


def run(sequence: list[Snapshot]) -> tuple[Known, bytes]:
    known, log = Known(), b""
    for snapshot in sequence:
        known = reconcile(known, snapshot)
        change = reconcile_log(log, snapshot.logs)
        log = change.replacement if change.replacement is not None else log + change.append
    return known, log


@given(st.lists(snapshots, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_end_in_the_same_record(
    sequence: list[Snapshot], rng: random.Random
) -> None:
    shuffled = sequence + rng.choices(sequence, k=3) if sequence else []
    rng.shuffle(shuffled)
    assert run(sequence) == run(shuffled)


@given(st.lists(snapshots, max_size=8), snapshots)
def test_a_terminal_state_is_never_left(sequence: list[Snapshot], late: Snapshot) -> None:
    known, _ = run(sequence)
    after = reconcile(known, late)
    if known.is_terminal:
        assert after.is_terminal


@given(st.lists(snapshots, max_size=8))
def test_a_wiped_snapshot_erases_nothing(sequence: list[Snapshot]) -> None:
    known, log = run(sequence)
    wiped = Snapshot(status="succeeded", logs=None, data_removed=True)
    after = reconcile(known, wiped)
    assert reconcile_log(log, wiped.logs) == LogChange()
    assert reconcile_log(log, "") == LogChange()
    for name in ("output", "error", "created_at", "started_at", "completed_at", "predict_seconds"):
        assert getattr(after, name) == getattr(known, name)


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_growing_snapshots_of_a_log_only_append(text: str, cuts: list[int]) -> None:
    log = b""
    for cut in [*sorted(cuts), len(text)]:
        change = reconcile_log(log, text[:cut])
        assert change.replacement is None
        log += change.append
    assert log == text.encode("utf-8", "replace")


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 400)), max_size=6))
def test_a_log_cut_at_its_start_loses_nothing(windows: list[tuple[int, int]]) -> None:
    whole = "".join(f"Epoch 1/1, Steps: {n:>6} loss={n / 7:.4f}\n" for n in range(1000)).encode()
    log, end = whole[:2000], 2000
    for behind, more in windows:
        start, end = max(0, end - 300 - behind), end + more
        change = reconcile_log(log, whole[start:end].decode())
        log = change.replacement if change.replacement is not None else log + change.append
        assert log == whole[:end]
    assert reconcile_log(log, whole[: end - 1].decode()) == LogChange()


def test_an_earlier_start_received_late_is_prepended() -> None:
    whole = "".join(f"line {n}\n" for n in range(300))
    assert reconcile_log(whole[900:].encode(), whole[:1500]).replacement == whole.encode()


def test_a_repetitive_log_is_merged_in_bounded_time() -> None:
    reconcile_log(b"a" * 2_000_000, "a" * 300 + "b" + "a" * 3_000_000)


def test_aborted_counts_as_cancelled_and_an_unknown_status_changes_nothing() -> None:
    assert job_status("aborted") is JobStatus.CANCELLED
    assert job_status("dreaming") is None
    known = reconcile(Known(status="processing"), Snapshot(status="dreaming"))
    assert known.status == "processing"


def test_an_intermediate_message_after_the_end_does_not_reopen_the_job() -> None:
    known = reconcile(Known(), Snapshot(status="succeeded", output="done"))
    known = reconcile(known, Snapshot(status="processing", output=["d"]))
    assert known.status == "succeeded"


def test_a_rewritten_log_replaces_and_a_lost_newline_does_not() -> None:
    assert reconcile_log(b"abc\n", "abc") == LogChange()
    assert reconcile_log(b"abc\n", "xyz\n").replacement == b"xyz\n"
    assert reconcile_log(b"xyz\n", "abc\n") == LogChange()


def test_the_earliest_beginning_and_the_latest_end_count_in_either_order() -> None:
    early = Snapshot(
        created_at=T0, started_at=T0, completed_at=T0, predict_seconds=1, data_removed=True
    )
    late = T0 + timedelta(seconds=9)
    later = Snapshot(created_at=late, started_at=late, completed_at=late, predict_seconds=2)
    expected = Known(
        created_at=T0, started_at=T0, completed_at=late, predict_seconds=2, data_removed=True
    )
    for pair in ((early, later), (later, early)):
        assert run(list(pair))[0] == expected


def test_a_log_is_joined_where_it_goes_on_and_not_where_its_beginning_recurs() -> None:
    recurs = "".join(f"{number:03}" for number in range(90))[:256]
    log = f"start{recurs}AAAA{recurs}BBBB"
    assert reconcile_log(log.encode(), f"{recurs}BBBBCCCC") == LogChange(append=b"CCCC")


def test_logs_that_agree_in_fewer_than_256_bytes_are_not_joined() -> None:
    """Fewer may agree by chance."""
    shared = "".join(f"{number:03}" for number in range(90))
    for size, change in ((256, LogChange(append=b"new")), (255, LogChange())):
        log = f"start{shared[:size]}".encode()
        assert reconcile_log(log, f"{shared[:size]}new") == change


def test_a_log_is_joined_at_one_of_its_first_fifty_recurrences_of_a_beginning() -> None:
    """Repetitive logs have many; trying them all would take the square of their length."""
    recurs = "".join(f"{number:03}" for number in range(90))[:256]
    for times, change in ((49, LogChange(append=b"new")), (50, LogChange())):
        log = "start" + f"{recurs}AAAA" * times + f"{recurs}BBBB"
        assert reconcile_log(log.encode(), f"{recurs}BBBBnew") == change


def test_a_log_that_was_cut_at_both_ends_in_turn_is_whole() -> None:
    whole = "".join(f"line {number}\n" for number in range(300)).encode()
    assert reconcile_log(whole[:1500], whole[1244:].decode()) == LogChange(append=whole[1500:])
    assert reconcile_log(whole[1244:], whole[:1500].decode()) == LogChange(replacement=whole)
    assert reconcile_log(whole[1245:], whole[:1500].decode()).replacement == whole[:1500]
    assert reconcile_log(b"", "a") == LogChange(append=b"a")
    assert reconcile_log(b"bb", "aaa").replacement == b"aaa"
    assert reconcile_log(b"aa", "ab").replacement == b"ab"


def test_what_is_masked_in_our_log_stays_masked_in_the_received_one() -> None:
    ours = f"key {MASK} used\n"
    assert carry_masks(ours.encode(), "key abc used\nmore") == f"{ours}more"
    assert carry_masks(ours.encode(), f"{ours}more") == f"{ours}more"
    assert carry_masks(ours.encode(), "key abc") == "key abc"  # no more than a part
    assert carry_masks(ours.encode(), "another abc used\n") == "another abc used\n"
    assert carry_masks(b"no secret", "no secret abc") == "no secret abc"
    assert carry_masks(ours.encode(), None) is None
    assert carry_masks(ours.encode(), "") == ""
    twice = f"{MASK}={MASK}; end"
    assert carry_masks(twice.encode(), "abc=def; end.") == f"{twice}."
    beside = f"{MASK}{MASK} end"
    assert carry_masks(beside.encode(), "abcdef end.") == f"{beside}."
    for end in "\"', }\t\r\n\\":  # ours ends at the mask: it covers the word
        assert carry_masks(f"key {MASK}".encode(), f"key abc{end}def") == f"key {MASK}{end}def"
    assert carry_masks(f"key {MASK}".encode(), "key abc") == f"key {MASK}"
    for size, masked in ((4096, True), (4097, False)):
        received = f"key {'a' * size} used\n"
        assert (carry_masks(ours.encode(), received) == ours) is masked


def test_a_lost_job_costs_its_time_or_what_was_expected_and_no_more_than_its_limit() -> None:
    hour = timedelta(hours=1)
    ran = job("a", created_at=T0, queued_at=T0 + hour, started_at=T0 + 2 * hour, rate_micros=1)
    assert max_cost_micros(ran, T0 + 3 * hour) == 3600
    assert max_cost_micros(replace(ran, started_at=None), T0 + 3 * hour) == 7200
    assert max_cost_micros(replace(ran, started_at=None, queued_at=None), T0 + 3 * hour) == 10800
    assert max_cost_micros(replace(ran, estimate_micros=5000), T0 + 3 * hour) == 5000
    assert max_cost_micros(replace(ran, eta_at=T0 + 4 * hour), T0 + 3 * hour) == 7200
    assert max_cost_micros(replace(ran, started_at=None, eta_at=T0 + 9 * hour), T0 + hour) == 0
    limited = replace(ran, submit={"cancel_after": 3000}, rate_micros=2)
    assert max_cost_micros(limited, T0 + 3 * hour) == 6000
    assert max_cost_micros(limited, T0 + 2 * hour) == 0
    assert (
        max_cost_micros(replace(ran, submit=cast("Any", {"cancel_after": "3000"})), T0 + 3 * hour)
        == 3600
    )


def test_the_latest_end_counts_from_the_first_time_that_is_known() -> None:
    hour = timedelta(hours=1)
    ran = job("a", created_at=T0, queued_at=T0 + hour, started_at=T0 + 2 * hour)
    assert latest_end(ran) == T0 + 26 * hour
    assert latest_end(replace(ran, started_at=None)) == T0 + 25 * hour
    assert latest_end(replace(ran, started_at=None, queued_at=None)) == T0 + 24 * hour
    assert latest_end(replace(ran, eta_at=T0 + 30 * hour)) == T0 + 31 * hour
    limited = replace(ran, submit={"cancel_after": 60})
    assert latest_end(limited) == T0 + 2 * hour + timedelta(seconds=120)


def test_only_a_lost_job_that_is_reported_again_is_opened_again() -> None:
    lost = job("a", status=JobStatus.FAILED, provider_status="lost", cost_micros=5, error="lost")
    again = reopen_if_lost(lost, Snapshot(status="processing"))
    assert changed_fields(lost, again) == {
        "status": JobStatus.QUEUED, "provider_status": "", "cost_micros": None, "error": "",
    }  # fmt: skip
    assert reopen_if_lost(lost, Snapshot()) is lost
    failed = replace(lost, provider_status="failed")
    assert reopen_if_lost(failed, Snapshot(status="processing")) is failed


def test_of_two_texts_or_outputs_the_longer_counts_and_none_hides_one() -> None:
    for short, long in (
        (["a"], ["a", "b"]),
        ("a", "ab"),
        (None, "a"),
        ("ab", "ba"),
        ([], {"a": 1}),
    ):
        for pair in ((short, long), (long, short)):
            assert run([Snapshot(output=one) for one in pair])[0].output == long
    for short, long in (("", "a"), ("b", "aa"), ("a", "b")):
        for pair in ((short, long), (long, short)):
            known = run([Snapshot(error=one, model=one, version=one, web_url=one) for one in pair])[
                0
            ]
            assert {known.error, known.model, known.version, known.web_url} == {long}
