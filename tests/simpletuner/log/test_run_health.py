"""What the points of a run say about it: smoothed loss, best, warnings."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.log.model import MetricPoint, Progress
from tui.simpletuner.log.run_health import RunHealth, StepTimes, Thresholds
from tui.simpletuner.log.smoothing import Smoothed, lowest, smoothed

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FINITE = st.floats(-1e6, 1e6)


def fed(losses: list[float], total: int | None = None, warmup: int = 0) -> RunHealth:
    health = RunHealth(warmup)
    health.add(
        [MetricPoint("loss", step, loss) for step, loss in enumerate(losses, 1)],
        len(losses) if total is None else total,
    )
    return health


def kinds(health: RunHealth, at: datetime = NOW) -> list[str]:
    return [warning.kind for warning in health.warnings(at)]


def noisy(length: int, noise: float, seed: int, worse_from: int | None = None) -> list[float]:
    """Losses that fall from 0.4 to 0.15 with gamma noise, three times as high from a step on."""
    chance = random.Random(seed)
    shape = 1 / noise**2
    return [
        (0.15 + 0.25 * math.exp(-5 * step / length))
        * chance.gammavariate(shape, 1 / shape)
        * (3 if worse_from is not None and step >= worse_from else 1)
        for step in range(length)
    ]


# -- smoothing ------------------------------------------------------------------------------------


def test_a_constant_is_its_own_mean_from_the_first_value_on() -> None:
    assert smoothed([0.25] * 50) == pytest.approx([0.25] * 50)


def test_a_mean_weighs_the_past_as_its_weight_says() -> None:
    # Two values with weight 0.5: (0.25 * 1 + 0.5 * 4) / 0.75.
    assert smoothed([1.0, 4.0], 0.5) == pytest.approx([1.0, 3.0])


@given(st.lists(FINITE, min_size=1), st.floats(0, 0.99))
def test_a_mean_stays_between_the_lowest_and_the_highest_value(
    values: list[float], weight: float
) -> None:
    slack = 1e-6 * max(1.0, *map(abs, values))
    assert all(
        min(values) - slack <= mean <= max(values) + slack for mean in smoothed(values, weight)
    )


def test_a_curve_breaks_where_a_value_is_not_finite_and_goes_on_after_it() -> None:
    means = smoothed([1.0, math.nan, math.inf, 1.0], 0.9)
    assert [math.isnan(mean) for mean in means] == [False, True, True, False]
    assert means[3] == pytest.approx(1.0)


@given(st.lists(FINITE, max_size=60), st.integers(0, 60))
def test_a_mean_goes_on_from_its_stored_state(values: list[float], cut: int) -> None:
    whole, half = Smoothed(), Smoothed()
    for value in values:
        whole.add(value)
    for value in values[:cut]:
        half.add(value)
    rest = Smoothed.restore(json.loads(json.dumps(half.dump())))
    for value in values[cut:]:
        rest.add(value)
    assert rest.value == whole.value


# -- best -----------------------------------------------------------------------------------------


def test_the_best_is_the_lowest_smoothed_loss_and_where_it_was() -> None:
    losses = [1.0] * 100 + [0.5] * 100 + [2.0] * 50
    means = smoothed(losses)
    health = fed(losses)
    assert health.loss == pytest.approx(means[-1])
    assert health.best == pytest.approx(min(means))
    assert health.best_step == 200


def test_a_lucky_first_batch_is_not_the_best_of_a_run() -> None:
    health = fed([0.01] + [1.0] * 200)
    assert health.best is not None
    assert health.best > 0.9


def test_a_run_of_a_few_steps_has_a_best_too() -> None:
    assert fed([3.0, 2.0]).best_step == 2


def test_other_series_do_not_count_as_the_loss() -> None:
    health = RunHealth()
    health.add([MetricPoint("grad_norm", 1, math.nan), MetricPoint("lr", 1, 5.0)], 10)
    assert health.loss is None
    assert kinds(health) == []


# -- not finite -----------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_is_reported_from_its_first_step_on() -> None:
    health = fed([0.2, math.nan, 0.2, math.inf])
    (warning,) = health.warnings(NOW)
    assert (warning.kind, warning.step) == ("not_finite", 2)
    assert not health.is_broken


@pytest.mark.parametrize(("bad", "broken"), [(2, False), (3, True)])
def test_three_in_a_row_are_broken(bad: int, broken: bool) -> None:
    health = fed([0.2] + [math.nan] * bad + [0.2])
    assert health.is_broken is broken


# -- diverging ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.4, 0.8, 1.2])
@pytest.mark.parametrize("length", [300, 2000])
def test_noise_alone_is_no_divergence(noise: float, length: int) -> None:
    for seed in range(8):
        health, seen = RunHealth(), []
        for step, loss in enumerate(noisy(length, noise, seed)):
            health.add([MetricPoint("loss", step, loss)], length)
            seen += kinds(health)
        assert seen == [], seed


@pytest.mark.parametrize("noise", [0.4, 0.8])
def test_a_loss_that_triples_is_seen_within_a_tenth_of_the_run(noise: float) -> None:
    for seed in range(8):
        health, first = RunHealth(), None
        for step, loss in enumerate(noisy(2000, noise, seed, worse_from=1000)):
            health.add([MetricPoint("loss", step, loss)], 2000)
            if first is None and kinds(health):
                first = step
        assert first is not None
        assert 1000 < first < 1200
        (warning,) = health.warnings(NOW)
        assert warning.kind == "diverging"
        assert warning.ratio is not None
        assert warning.ratio > 1.75


def test_a_rise_while_the_learning_rate_warms_up_is_no_divergence() -> None:
    rise = [0.1] * 150 + [0.1 * 1.02**step for step in range(200)]
    assert "diverging" in kinds(fed(rise, total=2000))
    assert kinds(fed(rise, total=2000, warmup=400)) == []


def test_the_first_twentieth_of_a_run_is_quiet() -> None:
    losses = [0.1] * 120 + [0.9] * 250
    assert "diverging" in kinds(fed(losses, total=2000))
    assert kinds(fed(losses, total=8000)) == []


@pytest.mark.parametrize(("total", "steps"), [(500, 20), (5000, 100)])
def test_a_short_rise_is_no_divergence_and_one_that_lasts_is(total: int, steps: int) -> None:
    health = fed([0.1] * 300, total=total)
    for step in range(301, 700):
        assert kinds(health) == []
        health.add([MetricPoint("loss", step, 9.0)], total)
        if found := health.warnings(NOW):
            assert found[0].step is not None
            assert step - found[0].step == steps
            return
    raise AssertionError("never reported")


def test_a_run_that_goes_back_to_a_checkpoint_begins_anew() -> None:
    health = fed([0.1] * 150 + [9.0] * 60, total=300)
    assert "diverging" in kinds(health)
    health.add([MetricPoint("loss", 100, 9.0)], 300)
    assert kinds(health) == []


def test_a_loss_below_zero_has_no_ratio() -> None:
    assert kinds(fed([-0.1] * 200 + [3.0] * 200)) == []


# -- stalled and slower ---------------------------------------------------------------------------


def moved(
    health: RunHealth, step: int, at: datetime, pace: float = 1.0, key: str = "training"
) -> None:
    health.moved(Progress(step=step, seconds_per_step=pace, stage_key=key), at)


def test_a_run_without_a_step_for_a_minute_stands_still() -> None:
    health = RunHealth()
    moved(health, 5, NOW)
    moved(health, 5, NOW + timedelta(seconds=59))
    assert kinds(health, NOW + timedelta(seconds=60)) == []
    (warning,) = health.warnings(NOW + timedelta(seconds=61))
    assert (warning.kind, warning.step, warning.since) == ("stalled", 5, NOW)
    moved(health, 6, NOW + timedelta(seconds=62))
    assert kinds(health, NOW + timedelta(seconds=62)) == []


def test_a_slow_run_gets_twenty_of_its_steps() -> None:
    health = RunHealth()
    for step in range(10):
        moved(health, step, NOW, pace=30.0)
    assert kinds(health, NOW + timedelta(seconds=560)) == []
    assert kinds(health, NOW + timedelta(seconds=640)) == ["stalled"]


def test_only_optimisation_steps_can_stand_still() -> None:
    health = RunHealth()
    moved(health, 5, NOW)
    moved(health, 5, NOW + timedelta(seconds=10), key="validation")
    assert kinds(health, NOW + timedelta(hours=1)) == []


def test_a_run_that_was_not_heard_of_is_not_said_to_stand_still() -> None:
    health = RunHealth()
    moved(health, 5, NOW)
    assert health.warnings(NOW + timedelta(hours=1), heard=False) == []


@pytest.mark.parametrize(("steps", "warned"), [(19, False), (20, True)])
def test_twenty_steps_at_half_the_speed_are_slower(steps: int, warned: bool) -> None:
    health = RunHealth()
    for step in range(100):
        moved(health, step, NOW, pace=1.0)
    for step in range(100, 101 + steps):
        moved(health, step, NOW, pace=2.5)
    assert ("slower" in kinds(health)) is warned
    if warned:
        assert health.warnings(NOW)[0].ratio == pytest.approx(2.5, rel=0.06)
    moved(health, 200, NOW, pace=1.0)
    assert kinds(health) == []


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=50))
def test_the_median_of_step_times_is_right_within_a_bucket(values: list[float]) -> None:
    times = StepTimes()
    for value in values:
        times.add(value)
    middle = sorted(values)[(len(values) - 1) // 2]
    assert times.median == pytest.approx(middle, rel=0.05)


def test_impossible_step_times_are_left_out() -> None:
    times = StepTimes()
    for value in (math.nan, math.inf, 0.0, -1.0):
        times.add(value)
    assert times.median is None


# -- state ----------------------------------------------------------------------------------------


@given(
    st.lists(st.one_of(FINITE, st.just(math.nan), st.just(math.inf)), max_size=120),
    st.integers(0, 120),
)
def test_a_run_goes_on_from_its_stored_state(losses: list[float], cut: int) -> None:
    def feed(health: RunHealth, part: range) -> None:
        for step in part:
            health.add([MetricPoint("loss", step, losses[step])], 100)
            moved(health, step, NOW + timedelta(seconds=step), pace=1.0 + step % 7)

    whole, half = RunHealth(3), RunHealth(3)
    cut = min(cut, len(losses))
    feed(whole, range(len(losses)))
    feed(half, range(cut))
    rest = RunHealth.restore(json.loads(json.dumps(half.dump(), allow_nan=False)))
    feed(rest, range(cut, len(losses)))
    assert rest.dump() == whole.dump()
    later = NOW + timedelta(hours=1)
    assert rest.warnings(later) == whole.warnings(later)


@pytest.mark.parametrize("state", [{}, {"warmup": "x"}, {**RunHealth().dump(), "smoothed": [1]}])
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        RunHealth.restore(state)


def test_thresholds_can_be_changed() -> None:
    health = RunHealth(thresholds=Thresholds(stalled_seconds=5.0, stalled_steps=1.0))
    moved(health, 1, NOW)
    assert kinds(health, NOW + timedelta(seconds=6)) == ["stalled"]


@given(st.lists(st.floats(0.01, 10) | st.sampled_from([math.nan, math.inf]), max_size=80))
def test_the_lowest_of_a_curve_is_the_best_of_the_run(values: list[float]) -> None:
    health = RunHealth()
    health.add([MetricPoint("loss", step, value) for step, value in enumerate(values)], None)
    best = lowest(smoothed(values))
    assert best == (None if health.best is None else (health.best, health.best_step))
