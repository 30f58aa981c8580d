"""Every rule against realistic logs: log i is diagnosed as rule i and as no other."""

from __future__ import annotations

import re

import pytest

from tests.simpletuner.failures.trainer_logs import (
    CASES,
    ELASTIC,
    Case,
    four_processes,
    one_process,
)
from tests.simpletuner.log import samples
from tests.support import least_seconds
from tui.simpletuner.config.overrides import OVERRIDES
from tui.simpletuner.failures.diagnosis import diagnose
from tui.simpletuner.failures.rule import Advice, Failure, Rule, Tier
from tui.simpletuner.failures.rules import RULES, UNKNOWN

BY_ID = {rule.id: rule for rule in RULES}


def test_every_rule_has_an_id_of_its_own_and_a_log() -> None:
    assert len(BY_ID) == len(RULES) >= 110
    assert {case.rule for case in CASES} == set(BY_ID)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.cause[:40]}")
def test_a_log_is_diagnosed_as_its_rule(case: Case) -> None:
    log, error = one_process(case)
    assert len(log.splitlines()) >= 15
    diagnosis = diagnose(log, error)
    assert diagnosis.rule == case.rule, diagnosis.evidence
    assert diagnosis.again == BY_ID[case.rule].again


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.form == "raised"],
    ids=lambda case: f"{case.rule}: {case.cause[:40]}",
)
def test_the_cause_of_one_of_four_processes_is_found(case: Case) -> None:
    log, error = four_processes(case)
    assert diagnose(log, error).rule == case.rule


@pytest.mark.parametrize("case", [case for case in CASES if case.form == "raised"],
                         ids=lambda case: case.rule)  # fmt: skip
def test_the_error_text_alone_is_enough(case: Case) -> None:
    cause = case.cause.splitlines()[0]
    found = diagnose(b"", f"Training failed: {cause}").rule
    assert found == case.rule or BY_ID[case.rule].pattern.search(cause) is None  # type: ignore[union-attr]  # every raised cause has a pattern


def test_a_wrapper_is_no_cause_where_an_unknown_exception_stands_above_it() -> None:
    log = f"[rank0]: Traceback (most recent call last):\n[rank0]:   File x\n[rank0]: ZeroDivisionError: division by zero\n{ELASTIC}\n"  # noqa: E501
    diagnosis = diagnose(log, "Accelerate launch exited with status 1")
    assert "ZeroDivisionError" in "".join(line.text for line in diagnosis.evidence)
    assert "ChildFailed" not in "".join(line.text for line in diagnosis.evidence)


_RERUN = re.compile(
    r"run it again|run the job again|same run (?:can|may)|again later|once", re.IGNORECASE
)


@pytest.mark.parametrize("rule", [*RULES, UNKNOWN], ids=lambda rule: rule.id)
def test_running_again_is_advised_only_where_it_can_help(rule: Rule) -> None:
    texts = [item.text if isinstance(item, Advice) else item for item in rule.advice]
    assert texts
    if any(_RERUN.search(text) for text in texts):
        assert rule.again != "no"
    if rule.again == "yes":
        assert any(_RERUN.search(text) for text in texts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_advice_changes_can_be_changed_in_the_form(rule: Rule) -> None:
    failure = Failure(
        {"model_type": "full", "learning_rate": 1e-4, "gradient_checkpointing": False},
        re.match(r"(\d)", "4"),
        "Minimum repeats required: 4",
    )
    for item in rule.advice:
        if isinstance(item, Advice):
            assert set(item.changes(failure)) <= {*OVERRIDES, "data"}


def test_a_log_of_fifty_megabytes_is_read_fast() -> None:
    log, _ = one_process(next(case for case in CASES if case.rule == "out-of-memory"))
    plain = "".join(f"a line that says nothing of interest, number {n}\n" for n in range(3000))
    big = (samples.realistic_lines(5000) * 60 + plain.encode() + log.encode())[-50_000_000:]
    big = b"x" * (50_000_000 - len(big)) + big

    def read() -> None:
        assert diagnose(big).rule == "out-of-memory"

    assert least_seconds(read) < 1.0


def test_a_tail_of_unlike_lines_is_read_in_linear_time() -> None:
    def seconds(size: int, tries: int) -> float:
        line = "[ERROR] x{} " + "must need either " * 100
        log = "\n".join(line.format(number) for number in range(size))
        return least_seconds(lambda: diagnose(log), tries)

    most = max(seconds(40, 3), 0.01) * 4 * 2.5
    assert any(seconds(160, 1) < most for _ in range(3))


def test_notices_never_win_over_a_cause() -> None:
    for case in CASES:
        if BY_ID[case.rule].tier is Tier.NOTICE:
            log, _ = one_process(case)
            log += "\n".join(samples.OOM_TRACEBACK)
            assert diagnose(log).rule == "out-of-memory", case
