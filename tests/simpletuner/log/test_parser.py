from __future__ import annotations

import itertools
import json
import math
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simpletuner.log import samples
from tui.simpletuner.log.model import MetricPoint, Update
from tui.simpletuner.log.parser import LINE_LIMIT, LogParser


def parse_log(data: bytes) -> tuple[LogParser, Update]:
    """Parse a whole log at once."""
    parser = LogParser()
    update = parser.feed(data)
    update.extend(parser.finish())
    return parser, update


def series(update: Update, name: str) -> dict[int, float]:
    values: dict[int, float] = {}
    for point in update.metrics:
        if point.name == name:
            assert point.step not in values, f"{point} twice"
            values[point.step] = point.value
    return values


def feed_in(data: bytes, cuts: list[int]) -> tuple[LogParser, Update]:
    parser, update = LogParser(), Update()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        update.extend(parser.feed(data[start:end]))
    update.extend(parser.finish())
    return parser, update


def same(left: Update, right: Update) -> bool:
    # nan is not equal to itself
    return repr(left) == repr(right)


# -- training bars ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (samples.TRAINING_BARS[1], {"lr": 0.0001, "loss": 0.412}),
        (samples.TRAINING_BARS[2], {"lr": 0.0001, "loss": 0.0812}),
        (samples.TRAINING_BARS[3], {"lr": 8.3e-05, "loss": 0.112}),
        (
            samples.TRAINING_BARS[4],
            {"a_loss": 0.21, "a_w": 0.5, "lr": 0.0001, "loss": 0.33, "v_loss": 0.28},
        ),
    ],
)
def test_every_number_of_a_training_bar_is_a_metric(line: str, expected: dict[str, float]) -> None:
    _, update = parse_log(line.encode() + b"\r")
    assert {point.name: point.value for point in update.metrics} == expected


def test_nan_and_infinite_losses_are_kept() -> None:
    text = samples.training_bar(90, 100, 5, "nan") + "\r" + samples.training_bar(91, 100, 5, "inf")
    parser, update = parse_log(text.encode())
    losses = series(update, "loss")
    assert math.isnan(losses[90])
    assert losses[91] == math.inf
    assert parser.progress.loss == math.inf


def test_progress_of_a_long_run() -> None:
    parser, _ = parse_log(samples.TRAINING_BARS[3].encode())
    progress = parser.progress
    assert (progress.step, progress.total_steps) == (2900, 10000)
    assert (progress.epoch, progress.epochs) == (12, 40)
    assert progress.percent == 29.0
    assert progress.seconds_per_step == 2.11
    assert progress.elapsed_seconds == 1 * 3600 + 42 * 60 + 11
    assert progress.eta_seconds == 4 * 3600 + 10 * 60 + 11
    assert (progress.loss, progress.lr) == (0.112, 8.3e-05)
    assert progress.stage == "Training"
    assert progress.last_line == "Epoch 12/40, Steps: 29% 2900/10000 lr=8.3e-05 loss=0.112"


def test_iterations_per_second_become_seconds_per_step() -> None:
    bar = "Epoch 1/1, Steps:  50%|█████     | 50/100 [00:20<00:20,  2.50it/s, lr=1, step_loss=0.1]"
    parser, _ = parse_log(bar.encode())
    assert parser.progress.seconds_per_step == pytest.approx(0.4)


def test_the_first_bar_of_a_resumed_run_sets_the_step() -> None:
    parser = LogParser()
    parser.feed("Epoch 3/5 Steps:  50%|█████     | 500/1000 [00:00<?, ?it/s]\r".encode())
    assert parser.progress.step == 500
    assert parser.progress.eta_seconds is None
    assert parser.progress.seconds_per_step is None


def test_a_bar_whose_line_has_not_ended_shows_in_progress_but_is_no_metric_yet() -> None:
    parser = LogParser()
    bar = "\r" + samples.TRAINING_BARS[1]
    update = parser.feed(bar[:-1].encode())
    assert parser.progress.step is None
    update.extend(parser.feed(bar[-1:].encode()))
    assert parser.progress.step == 1
    assert parser.progress.loss == 0.412
    assert update.metrics == []
    assert MetricPoint("loss", 1, 0.412) in parser.finish().metrics


def test_the_last_drawing_of_a_step_counts_and_no_step_is_lost_or_doubled() -> None:
    data, losses = samples.whole_run(steps=300, bars_per_step=3)
    _, update = parse_log(data)
    assert series(update, "loss") == losses
    assert list(series(update, "loss")) == sorted(losses)


@pytest.mark.parametrize("separator", ["\r", "\n"])
def test_bars_separated_by_newlines_give_the_same_values(separator: str) -> None:
    data, losses = samples.whole_run(steps=120, separator=separator)
    parser, update = parse_log(data)
    assert series(update, "loss") == losses
    assert parser.progress.step == 120


@pytest.mark.parametrize("line", [*samples.OTHER_BARS, "100% of files", "a|b|c 50%| x"])
def test_other_bars_are_no_job_progress(line: str) -> None:
    parser, update = parse_log(line.encode())
    assert parser.progress.step is None
    assert update.metrics == []


def test_text_after_a_bar_without_newline_is_read() -> None:
    bar = samples.TRAINING_BARS[2]
    text = f"{bar}{samples.STAGE_LINES[-1]}\n{samples.OTHER_BARS[-1]}{samples.NOTIFICATIONS[8]}\n"
    text += (
        f"{samples.OTHER_BARS[-1]}Traceback (most recent call last):\n  File x\nValueError: no\n"
    )
    parser, update = parse_log(text.encode())
    assert parser.progress.step == 100
    assert [stage.label for stage in update.stages][-1] == "Resume Checkpoint"
    assert [(notice.level, notice.title) for notice in update.notices] == [
        ("event", "log.message"),
        ("error", "ValueError"),
    ]


# -- stages ----------------------------------------------------------------------------------


def test_stages_of_a_whole_run_have_a_beginning_and_an_end() -> None:
    data, _ = samples.whole_run(steps=100)
    parser, update = parse_log(data)
    stages = {stage.number: stage for stage in update.stages}
    labels = [stage.label for stage in stages.values()]
    assert labels == [
        "Loading base model",
        "Configuring data backends",
        "Loading text embedding cache",
        "Extracting captions",
        "VAE Cache initialising",
        "Preparing model components",
        "Benchmarking base model",
        "Resume Checkpoint",
        "Training",
        "Saving Checkpoint",
        "Running Validation",
        "Saving Checkpoint",
        "Running Validation",
        "Running Final Validations",
        "Saving Final Model",
        "Training Complete",
    ]
    assert list(stages) == list(range(len(stages)))
    for stage in stages.values():
        assert stage.status == "completed"
        assert stage.finished_offset is not None
        assert stage.started_offset <= stage.finished_offset
        assert (
            stage.label == "Training" or stage.label in data[stage.started_offset :].decode()[:900]
        )
    training = stages[8]
    assert training.key == "training"
    assert stages[9].started_offset > training.started_offset
    assert training.finished_offset is not None
    assert training.finished_offset > (stages[12].finished_offset or 0) - 1
    assert parser.outcome == "completed"
    assert parser.progress.stage == "Training Complete"


def test_offsets_point_at_the_lines() -> None:
    text = (
        "\x1b[32mhello\x1b[0m\n\r\n[STAGE] ⏳ Loading base model: x\nübung\n"
        + samples.STAGE_LINES[1]
    )
    _, update = parse_log(text.encode())
    started, ended = update.stages
    data = text.encode()
    assert data[started.started_offset :].decode().startswith("[STAGE] ⏳ Loading")
    assert data[ended.finished_offset :].decode().startswith("[STAGE] ✓ Loading")


def test_stage_counts_give_a_percentage() -> None:
    parser = LogParser()
    parser.feed((samples.STAGE_LINES[8] + "\n").encode())
    assert parser.progress.stage_percent == pytest.approx(100 * 64 / 210)
    parser.feed((samples.STAGE_LINES[3] + "\n").encode())
    assert parser.progress.stage_percent == pytest.approx(33.3)


@pytest.mark.parametrize(
    ("icon", "message", "status"),
    [
        ("⏳", "", "running"),
        ("✓", "", "completed"),
        ("✗", "", "failed"),
        ("•", "Validation was skipped.", "skipped"),
    ],
)
def test_stage_states(icon: str, message: str, status: str) -> None:
    _, update = parse_log(f"[STAGE] {icon} Running Validation: {message}\n".encode())
    assert update.stages[-1].status == status


def test_a_stage_without_a_label_is_shown_by_its_number() -> None:
    log = (
        "[STAGE] ⏳ None (0.0%)\n[STAGE] ⏳ None (42.0%)\n"
        "[STAGE] ⏳ VAE Caching (bucket 1.0) (40.0%)\n[STAGE] ⏳ None (5.0%)\n"
    )
    parser, update = parse_log(log.encode())
    running = [stage for stage in update.stages if stage.status == "running"]
    assert [(stage.label, stage.percent) for stage in running] == [
        ("Stage 1", 0.0), ("Stage 1", 42.0), ("VAE Caching (bucket 1.0)", 40.0), ("Stage 3", 5.0),
    ]  # fmt: skip
    assert parser.progress.stage == "Stage 3"


def test_a_failed_stage_ends_its_nested_stages() -> None:
    lines = [samples.STAGE_LINES[2], samples.STAGE_LINES[7]]
    lines.append("[STAGE] ✗ Configuring data backends: Failed to load data backends: No images")
    _, update = parse_log("\n".join(lines).encode())
    last = {stage.label: stage.status for stage in update.stages}
    assert last == {"Configuring data backends": "failed", "VAE Cache initialising": "failed"}


def test_times_are_those_of_the_feed() -> None:
    parser = LogParser()
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    begun = parser.feed((samples.STAGE_LINES[0] + "\n").encode(), first)
    ended = parser.feed((samples.STAGE_LINES[1] + "\n").encode(), second)
    assert begun.stages[-1].started_at == first
    assert (ended.stages[-1].started_at, ended.stages[-1].finished_at) == (first, second)


# -- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "level", "title", "message"),
    [
        (2, "info", "", "Training job has started, configuration has begun."),
        (
            4,
            "info",
            "Collected the following data backends",
            "['dreambooth-1024', 'alt-embed-cache']",
        ),
        (6, "warning", "Failed to pin EMA to CPU", "some reason"),
        (7, "error", "Fatal Error", "Failed to run training: HuggingFace token is invalid"),
        (8, "event", "log.message", "Using bf16 precision for training"),
        (11, "error", "gpu.fault", "GPU fault detected"),
        (12, "error", "", "Could not load dataset: token required"),
    ],
)
def test_notices(line: int, level: str, title: str, message: str) -> None:
    _, update = parse_log(samples.NOTIFICATIONS[line].encode())
    assert [(n.level, n.title, n.message) for n in update.notices] == [(level, title, message)]


def test_a_traceback_is_one_error() -> None:
    lines = [*samples.OOM_TRACEBACK, "after it"]
    _, update = parse_log("\n".join(lines).encode())
    (notice,) = update.notices
    assert (notice.level, notice.title) == ("error", "OutOfMemoryError")
    assert notice.message.startswith("CUDA out of memory. Tried to allocate 2.25 GiB.")


def test_a_bar_inside_a_traceback_does_not_end_it() -> None:
    lines = [*samples.OOM_TRACEBACK[:3], samples.OTHER_BARS[0], *samples.OOM_TRACEBACK[3:]]
    _, update = parse_log("\n".join(lines).encode())
    assert [notice.title for notice in update.notices] == ["OutOfMemoryError"]


def test_a_failed_status_is_an_error() -> None:
    _, update = parse_log("\n".join(samples.TRAINING_LINES[-2:]).encode())
    assert [notice.level for notice in update.notices] == ["error", "error"]
    assert update.notices[1].message == "CUDA out of memory. Tried to allocate 2.25 GiB"


def test_result_lines() -> None:
    text = "Model published to: https://huggingface.co/me/my-lora\n"
    parser, update = parse_log(text.encode())
    assert update.published == ["https://huggingface.co/me/my-lora"]
    assert parser.published == ("https://huggingface.co/me/my-lora",)


# -- steps told by other lines ---------------------------------------------------------------


def test_the_start_banner_gives_the_totals() -> None:
    text = samples.BANNER_LINES.format(epochs=25, total=1000, done=500, left=500)
    parser, update = parse_log(text.encode())
    progress = parser.progress
    assert (progress.step, progress.total_steps) == (500, 1000)
    assert (progress.epoch, progress.epochs) == (1, 25)
    assert not update.notices


def test_status_lines_with_steps_of_other_images() -> None:
    parser, update = parse_log("\n".join(samples.TRAINING_LINES[:3]).encode())
    assert update.metrics == [MetricPoint("loss", 250, 0.0831)]
    assert parser.progress.step == 1000
    assert parser.progress.percent == 100


def test_a_summary_adds_values_that_the_bar_lacks() -> None:
    summary = samples.SUMMARY.format(
        step=100, total=1000, loss=0.0873, epoch=1, epochs=5, train_loss=0.0912
    )
    bar = samples.training_bar(100, 1000, 5, "0.0999")
    text = f"{bar}\r[INFO] Checkpoint: `{summary}`: Checkpoint: `{summary}`\n"
    _, update = parse_log(text.encode())
    assert series(update, "loss") == {100: 0.0999}
    assert series(update, "train_loss") == {100: 0.0912}
    assert "ema_decay_value" not in {point.name for point in update.metrics}


def test_summaries_alone_are_enough() -> None:
    lines = [
        samples.DEBUG_LINE
        + samples.SUMMARY.format(
            step=step, total=50, loss=step / 100, epoch=2, epochs=5, train_loss=0.5
        )
        for step in range(1, 6)
    ]
    parser, update = parse_log("\n".join(lines).encode())
    assert series(update, "loss") == {step: step / 100 for step in range(1, 6)}
    progress = parser.progress
    assert (progress.step, progress.total_steps, progress.epoch) == (5, 50, 2)


def test_the_debug_tail_only_adds_the_result() -> None:
    data, losses = samples.whole_run(steps=60)
    before, after = data.split(b"=== debug.log tail ===\n")
    parser = LogParser()
    parser.feed(before)
    known = parser.progress
    late = parser.feed(b"=== debug.log tail ===\n" + after)
    late.extend(parser.finish())
    assert {point for point in late.metrics if point.step != 60} == set()
    assert not late.stages
    assert not late.notices
    assert late.published == ["https://huggingface.co/me/my-lora"]
    assert parser.progress.step == known.step == 60
    assert parser.progress.loss == losses[60]


def test_checkpoints_are_reported_once() -> None:
    data, _ = samples.whole_run(steps=200, checkpoint_every=50)
    _, update = parse_log(data)
    assert [checkpoint.step for checkpoint in update.checkpoints] == [50, 100, 150, 200]
    assert update.checkpoints[0].path == "output/cog/cog-0a1b2c3d4e/checkpoint-50"


@pytest.mark.parametrize(
    ("line", "step"), list(zip(samples.CHECKPOINT_LINES, [7, 100, 100, 1000], strict=True))
)
def test_checkpoint_lines(line: str, step: int) -> None:
    _, update = parse_log(f"{samples.training_bar(7, 100, 1, '0.1')}\n{line}\n".encode())
    assert [checkpoint.step for checkpoint in update.checkpoints] == [step]


# -- any cutting of the bytes ----------------------------------------------------------------

RUN = samples.whole_run(steps=12, checkpoint_every=5)[0]
HOSTILE = (
    b"\x1b[31m" + samples.training_bar(3, 20, 2, "0.5").encode() + b"\x1b[0m\r"
    b"\xff\xfe broken \xe2\x96 utf\x00 8\r\n"
    b"\x1b]0;title\x07[STAGE] \xe2\x8f\xb3 Loading \xff model\n"
    + b"x" * (LINE_LIMIT + 5000)
    + samples.training_bar(4, 20, 2, "0.6").encode()
    + b"\nEpoch 1/2, Steps: 99999999999999999999%|| 88888888888888888888/1 [,, a=1]\n"
    + samples.training_bar(5, 20, 2, "0.7").encode()
)
PIECES = st.sampled_from(
    [
        *(line.encode() for line in samples.STAGE_LINES + samples.NOTIFICATIONS),
        *(line.encode() for line in samples.TRAINING_BARS + samples.OTHER_BARS),
        *(line.encode() for line in samples.TRAINING_LINES + samples.CHECKPOINT_LINES),
        *(line.encode() for line in samples.OOM_TRACEBACK + samples.AFTER_STEPS),
        b"=== debug.log tail ===",
        b"[TRAINING] ",
        b"\x1b[1m",
        b"\x00",
        b"\xe2\x96",
        b"\n",
        b"\r",
        b"\r\n",
        b" ",
    ]
)


@pytest.mark.parametrize("data", [RUN, HOSTILE], ids=["run", "hostile"])
def test_byte_by_byte_is_the_same_as_at_once(data: bytes) -> None:
    data = data[-9000:] if data is HOSTILE else data
    whole, at_once = parse_log(data)
    parser, update = feed_in(data, list(range(len(data))))
    assert same(update, at_once)
    assert parser.dump() == whole.dump()


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=40), st.data())
def test_any_cutting_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    log = b"".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(log)), max_size=12))
    whole, at_once = parse_log(log)
    parser, update = feed_in(log, cuts)
    assert same(update, at_once)
    assert parser.dump() == whole.dump()
    assert repr(parser.progress) == repr(whole.progress)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_restored_parser_gives_the_same_values(data: st.DataObject) -> None:
    log = data.draw(st.sampled_from([RUN, HOSTILE]))
    cut = data.draw(st.integers(0, len(log)))
    first = LogParser()
    update = first.feed(log[:cut])
    second = LogParser.restore(json.loads(json.dumps(first.dump())))
    assert second.dump() == first.dump()
    assert repr(second.progress) == repr(first.progress)
    update.extend(second.feed(log[second.offset :]))
    update.extend(second.finish())
    assert same(update, parse_log(log)[1])


@pytest.mark.parametrize(
    "state", [{}, {"version": 99}, {"version": 1}, {"version": 1, "offset": 3}]
)
def test_an_unknown_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="parser state"):
        LogParser.restore(state)


def test_the_state_stays_small() -> None:
    parser = LogParser()
    parser.feed(samples.mixed_lines(20_000))
    assert len(json.dumps(parser.dump())) < 8_000


# -- hostile input ---------------------------------------------------------------------------


def test_lines_with_colours_and_control_bytes_are_parsed() -> None:
    text = "\x1b[32m[STAGE]\x1b[0m ✓ \x1b]8;;x\x07Loading base model\x00 (100.0%)\n"
    text += samples.training_bar(3, 20, 2, "0.5").replace("step_", "\x1b[1mstep_")
    _, update = parse_log(text.encode())
    assert update.stages[0].label == "Loading base model"
    assert series(update, "loss") == {3: 0.5}


def test_a_line_of_ten_megabytes_needs_little_memory() -> None:
    parser = LogParser()
    piece = b"[INFO] " + b"x" * 65_536
    tracemalloc.start()
    try:
        for _ in range(160):
            parser.feed(piece)
        update = parser.feed(b"\n" + samples.TRAINING_BARS[1].encode() + b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert len(update.notices) == 1
    assert len(update.notices[0].message) < 5_000
    assert parser.progress.step == 1
    assert parser.offset == 160 * len(piece) + 2 + len(samples.TRAINING_BARS[1].encode())


@pytest.mark.parametrize(
    "line",
    [
        b"%|" * 16_000,
        b"Epoch " * 5_000,
        b"Epoch 1/1 Steps: 1%|" + b" " * 30_000,
        b"checkpoint-" * 3_000,
        b"[CHECKPOINT] " + b"a/" * 15_000 + b"checkpoint-x",
        b"A" * 30_000 + b"Error",
        b"a." * 15_000 + b"Error: x",
        b"[INFO] " + b": " * 16_000,
        b"[STAGE] \xe2\x8f\xb3 " + b" (" * 16_000,
        b"Step 1 of 2: " + b"loss 1, " * 4_000,
        b"[TRAINING] Step 1/2 (1.0%) " + b"loss_" * 6_000,
        b"\x1b]" * 16_000,
        b"1" * 30_000 + b"%|| 1/1 [",
        b"[RANK 0] " + b"1-" * 15_000,
        b"Total optimization steps = " + b"9" * 30_000,
    ],
)
def test_no_line_takes_more_than_linear_time(line: bytes) -> None:
    # Quadratic behaviour at this length takes seconds; the limit leaves room for a busy machine.
    start = datetime.now(UTC)
    for _ in range(3):
        parse_log(line)
    assert (datetime.now(UTC) - start).total_seconds() < 1.5


def test_the_last_line_is_safe_for_the_screen() -> None:
    parser, _ = parse_log("one\ttwo\u202e\x9b31m three\n\n*****\n   \n".encode())
    assert parser.progress.last_line == "one    two three"
    parser, _ = parse_log((samples.OTHER_BARS[9] + "\r").encode())
    assert parser.progress.last_line == "model.safetensors: 45% 10.7G/23.8G"
