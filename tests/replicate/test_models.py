"""Answers of every shape that has been seen, and many that have not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from tests.replicate.server import VERSION, prediction
from tests.replicate.strategies import JSON
from tui.replicate.models import (
    Account,
    Answer,
    File,
    Model,
    Prediction,
    State,
    Training,
    Version,
)
from tui.replicate.values import format_time, load_json, parse_time

FAST_STARTING = prediction()
FAST_PROCESSING = prediction(status="processing", started_at="2026-11-20T10:00:05.123456789Z")
DJANGO_LIST_ROW = prediction(
    status="succeeded",
    version="hidden",
    logs=None,
    output=None,
    started_at=None,
    completed_at="2026-11-20T10:30:00.123456Z",
    webhook_completed=None,
    metrics={},
    source="api",
    data_removed=True,
    input={},
)
LEGACY_ROW = {
    "id": "ufawqhfynnddngldkgtslldrkq",
    "version": VERSION,
    "urls": {"get": "https://api.replicate.com/v1/predictions/ufawqhfynnddngldkgtslldrkq"},
    "created_at": "2022-04-26T20:00:40.658234Z",
    "source": "web",
    "status": "succeeded",
    "input": None,
    "output": None,
    "error": None,
    "logs": None,
}


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (FAST_STARTING, State.STARTING),
        (FAST_PROCESSING, State.PROCESSING),
        (DJANGO_LIST_ROW, State.SUCCEEDED),
        (LEGACY_ROW, State.SUCCEEDED),
        (prediction(status="aborted", deadline="2026-11-20T10:00:00Z"), State.ABORTED),
        (prediction(version="dp-0123456789abcdef", deployment="o/d"), State.STARTING),
        (prediction(version=None, model=None), State.STARTING),
    ],
)
def test_recorded_formats(row, state):
    read = Prediction.read(row)
    assert read.id == row["id"]
    assert read.state is state
    assert read.strange == ()
    assert isinstance(read.input, dict)
    assert isinstance(read.metrics, dict)
    assert read.created_at is not None
    assert read.created_at.tzinfo is UTC


def test_unknown_keys_are_kept():
    assert Prediction.read(prediction(queue_position=3)).model_extra == {"queue_position": 3}


@pytest.mark.parametrize(
    ("word", "state", "ended"),
    [
        ("starting", State.STARTING, False),
        ("processing", State.PROCESSING, False),
        ("succeeded", State.SUCCEEDED, True),
        ("failed", State.FAILED, True),
        ("canceled", State.CANCELED, True),
        ("cancelled", State.CANCELED, True),
        ("aborted", State.ABORTED, True),
        ("Succeeded ", State.SUCCEEDED, True),
        ("paused", State.UNKNOWN, False),
        ("", State.UNKNOWN, False),
        (None, State.UNKNOWN, False),
        (7, State.UNKNOWN, False),
    ],
)
def test_states(word, state, ended):
    read = Prediction.read(prediction(status=word))
    assert (read.state, read.is_terminal) == (state, ended)


def test_a_malformed_field_does_not_affect_the_others():
    read = Prediction.read(
        prediction(
            status="failed",
            created_at="yesterday",
            input=[1],
            urls="none",
            metrics=7,
            data_removed="perhaps",
            error={"code": 1},
            logs=["a", "b"],
        )
    )
    assert set(read.strange) == {"created_at", "input", "urls", "metrics", "data_removed"}
    assert read.state is State.FAILED
    assert read.error == '{"code":1}'
    assert read.logs == '["a","b"]'
    assert (read.created_at, read.input, read.urls, read.metrics) == (None, {}, {}, {})


def test_metrics():
    read = Prediction.read(prediction(metrics={"predict_time": 12.5, "total_time": "x"}))
    assert (read.predict_time, read.total_time) == (12.5, None)
    for odd in (True, -1, float("nan"), float("inf"), None, "3"):
        assert Prediction.read(prediction(metrics={"predict_time": odd})).predict_time is None


def test_training_output():
    version = f"o/d:{VERSION}"
    done = Training.read(prediction(output={"version": version, "weights": "https://x/w.tar"}))
    assert done.trained_version == version
    for odd in (None, "x", {}, {"version": 3}):
        assert Training.read(prediction(output=odd)).trained_version is None


def test_links_that_are_not_text_are_left_out():
    read = Prediction.read(prediction(urls={"get": "https://x/", "stream": None, "web": 1}))
    assert read.urls == {"get": "https://x/"}


@given(JSON)
def test_anything_can_be_read_or_is_no_object(data):
    for kind in (Account, Model, Version, Prediction, Training, File):
        if isinstance(data, dict):
            read = kind.read(data)
            assert repr(read).startswith(kind.__name__)
        else:
            with pytest.raises(ValueError):
                kind.read(data)


@given(st.dictionaries(st.sampled_from(sorted({*Prediction.model_fields, "x"})), JSON))
def test_any_value_in_any_field(data):
    read = Prediction.read(data)
    assert read.created_at is None or read.created_at.tzinfo is UTC
    assert isinstance(read.state, State)
    assert isinstance(read.id, str)
    assert isinstance(read.logs, str | None)
    assert isinstance(read.input, dict)


@given(st.dictionaries(st.sampled_from(sorted(Prediction.model_fields)), JSON))
def test_reading_is_stable(data):
    """What was understood once is understood in the same way again."""
    once = Prediction.read(data)
    again = Prediction.read(json.loads(once.model_dump_json()))
    assert again.strange == ()
    assert again.status == once.status
    assert again.created_at == once.created_at


# Times


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-11-20T10:00:00Z", 0),
        ("2026-11-20T10:00:00.123Z", 123_000),
        ("2026-11-20T10:00:00.123456Z", 123_456),
        ("2026-11-20T10:00:00.123456789Z", 123_456),
        ("2026-11-20T10:00:00.123456+00:00", 123_456),
        ("2026-11-20T12:00:00.5+02:00", 500_000),
        ("2026-11-20T10:00:00", 0),
        (" 2026-11-20 10:00:00Z ", 0),
    ],
)
def test_times(text, micros):
    assert parse_time(text) == datetime(2026, 11, 20, 10, microsecond=micros, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, ""])
def test_no_time(value):
    assert parse_time(value) is None


@pytest.mark.parametrize("value", ["now", 1.5, True, [], "0001-01-01T00:00:00+14:00", "2026-13-01"])
def test_not_a_time(value):
    with pytest.raises(ValueError):
        parse_time(value)


@given(
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
        timezones=st.builds(
            timezone, st.timedeltas(min_value=timedelta(hours=-12), max_value=timedelta(hours=12))
        ),
        allow_imaginary=False,
    ).filter(lambda m: m.year < 9999),
    st.sampled_from([0, 3, 9]),
)
def test_every_time_survives_our_writing_and_theirs(moment, digits):
    assert parse_time(format_time(moment)) == moment
    stamp = moment.astimezone(UTC)
    nanos = f"{stamp.microsecond:06d}000"[: digits or 9]
    text = f"{stamp:%Y-%m-%dT%H:%M:%S}.{nanos}Z".replace(f"{stamp:%Y}", f"{stamp.year:04d}", 1)
    read = parse_time(text)
    assert read is not None
    assert abs(read - stamp) < timedelta(milliseconds=1)


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text):
    try:
        read = parse_time(text)
    except ValueError:
        return
    assert read is None or read.tzinfo is UTC


# JSON


def test_json_with_a_cut_character():
    assert load_json(b'{"logs": "ok \xf0\x9f\x98"}') == {"logs": "ok \ufffd"}
    assert load_json(b'["\\ud83d", "\\uD83D\\uDE00"]') == ["\ufffd", "😀"]
    assert load_json(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 200_000, b'{"a":}'])
def test_not_json(body):
    with pytest.raises(ValueError):
        load_json(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_value_error(body):
    try:
        value = load_json(body)
    except ValueError:
        return
    json.dumps(value, ensure_ascii=False).encode()


def test_a_default_is_made_only_where_it_is_needed() -> None:
    """Thousands of rows are read on the event loop, and making one takes longer than reading."""
    made: list[int] = []

    def default() -> int:
        made.append(0)
        return 7

    class Row(Answer):
        number: int = Field(default_factory=default)

    assert (Row.read({"number": 1}).number, made) == (1, [])
    assert (Row.read({"number": None}).number, len(made)) == (7, 1)
    strange = Row.read({"number": "x"})
    assert (strange.number, strange.strange, len(made)) == (7, ("number",), 2)
