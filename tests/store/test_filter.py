"""The filter line of the Jobs list."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject
from tui.store.filter import filter_problem, parse_filter
from tui.store.reader import StoreReader
from tui.store.schema import MIGRATIONS
from tui.store.writer import StoreWriter


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    home = home_at(tmp_path_factory.mktemp("home"))
    writer = StoreWriter(home)
    for number, status in enumerate(list(JobStatus) * 3):
        writer.insert(job(number, status))
    writer.close()
    return StoreReader(home.database)


def found(store: StoreReader, line: str) -> list[str]:
    return [job.name for job in store.records(parse_filter(line))]


def states(store: StoreReader, line: str) -> set[str]:
    return {job.status.value for job in store.records(parse_filter(line))}


def test_words_search_names_and_models(store: StoreReader) -> None:
    everything = found(store, "")
    assert len(everything) == 21
    assert found(store, "FLUX") == [n for n in everything if "cat-lora" in n]
    assert found(store, "köder")
    assert found(store, "100%") == []  # no wildcard
    assert found(store, "cat_lora") == []


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("state:failed", {"failed"}),
        ("state:done", {"completed"}),
        ("state:don", {"completed"}),
        ("STATUS=canceled", {"cancelled"}),
        ("state:cancele", {"cancelled"}),
        ("state:r", {"running"}),
        ("state:active", {"pending", "uploading", "queued", "running"}),
        ("state:failed state:done", set()),
    ],
)
def test_states_by_word_and_prefix(store: StoreReader, line: str, wanted: set[str]) -> None:
    assert states(store, line) == wanted


@pytest.mark.parametrize(
    ("line", "accounts"),
    [
        ("account:alice", {"alice"}),
        ("account=@ALICE", {"alice"}),
        ("account:alice-lab", {"alice-lab"}),
        ("account:al", set()),
        ("account:", {"alice", "alice-lab", None}),
    ],
)
def test_an_account_is_that_one_alone(tmp_path: Path, line: str, accounts: set[str | None]) -> None:
    writer = StoreWriter(home_at(tmp_path))
    for number, account in enumerate(("alice", "alice-lab", None)):
        writer.insert(
            replace(job(number, JobStatus.RUNNING), submit={"account": account} if account else {})
        )
    writer.close()
    reader = StoreReader(home_at(tmp_path).database)
    found_jobs = reader.records(parse_filter(line))
    reader.close()
    assert {found_job.submit.get("account") for found_job in found_jobs} == accounts


NAMED: dict[str, JsonObject] = {
    "plain": {"--lora_rank": 32, "optimizer": "adamw_bf16", "--report_to": "none"},
    "dashed": {"--lora-rank": "64", "gradient_checkpointing": "false"},
    "default": {"--model_family": "flux", "save-total-limit": 3},
    "replaced": {"lora_rank": 4, "disable_bucket_pruning": True},
    "words": {"lora_rank": "auto", "learning_rate": "1e-4"},
    "unknown": {},
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    home = home_at(tmp_path_factory.mktemp("home"))
    writer = StoreWriter(home)
    for number, (name, config) in enumerate(NAMED.items()):
        status = JobStatus.FAILED if name == "plain" else JobStatus.COMPLETED
        inputs = {"lora_rank": 128, "hub_model_id": "x"} if name == "replaced" else {}
        made = replace(job(number, status), name=name, config=config, inputs=inputs)
        writer.insert(replace(made, loss=0.5 if name == "unknown" else None, loss_smoothed=None))
    writer.close()
    return StoreReader(home.database)


def test_rank_and_learning_rate_are_read_where_they_are_shown(configs: StoreReader) -> None:
    rows = configs.rows(configs.job_ids(), "rank", "lr")
    assert {row.name: (row.rank, row.learning_rate) for row in rows.values()} == {
        "plain": (32, 4e-7), "dashed": (64, 4e-7), "default": (16, 4e-7), "replaced": (128, 4e-7),
        "words": (None, 1e-4), "unknown": (None, None),
    }  # fmt: skip
    assert {row.rank for row in configs.rows(configs.job_ids()).values()} == {None}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("config.lora_rank>16", "dashed plain replaced"),
        ("config.lora-rank:64", "dashed"),
        ("config.lora_rank<=16", "default"),  # the trainer's default; no word is a number
        ("CONFIG.LORA_RANK=128", "replaced"),
        ("config.lora_rank<100 config.lora_rank>20", "dashed plain"),
        ("config.checkpoints_total_limit:3", "default"),  # by its earlier name in the config
        ("config.optimizer:BF16", "dashed default plain replaced words"),
        ("config.learning_rate:0.0001", "words"),
        ("config.disable_bucket_pruning:true", "replaced"),
        ("config.disable_bucket_pruning:no config.lora_rank>20", "dashed plain"),
        ("config.lora_rank: config.disable_bucket_pruning:tr", " ".join(sorted(NAMED))),
        ("plain OR dashed", "dashed plain"),
        ("state:done plain OR words OR dashed", "dashed words"),
        ("OR plain", "plain"), ("plain OR", "plain"), ("plain OR OR words", "plain words"),
        ("plain OR state:", "plain"), ("state: OR cost>", " ".join(sorted(NAMED))),
        ("-state:failed -config.lora_rank>20", "default unknown words"),
        ("-plain -words OR -dashed", "dashed default replaced unknown words"),
        ("-loss<1", "dashed default plain replaced words"),  # also those that have none
        ("-", " ".join(sorted(NAMED))), ("-state:", " ".join(sorted(NAMED))),
        ('"-plain"', ""),
    ],
)  # fmt: skip
def test_settings_alternatives_and_what_must_not_match(
    configs: StoreReader, line: str, names: str
) -> None:
    assert parse_filter(line).problem == ""
    assert " ".join(sorted(found(configs, line))) == names


def test_numbers_compare(store: StoreReader) -> None:
    every = store.records()
    cheap = {job.name for job in every if (job.cost_micros or 0) < 500_000}
    assert set(found(store, "cost<0.5")) == cheap
    assert set(found(store, "cost<$0.5")) == cheap
    assert set(found(store, "step>=1")) == {job.name for job in every if (job.step or 0) >= 1}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("stat:failed", "no field “stat”"),
        ("flux cots>2 state:x", "no field “cots”"),
        ("state:finished", "no state “finished”"),
        ("cost>cheap", "cost takes a number"),
        ("age<2", "age takes a time: 30m, 2h, 7d"),
        ("since:monday", "since takes a time: 30m, 2h, 7d"),
        ("model<flux", "model takes : and a word"),
        ("loss<>2", "loss takes : and a word"),
        ("has:nothing", "no “has:nothing”; there is has:note, has:tag, has:pin, has:warning"),
        ("flux OR -stat:failed", "no field “stat”"),
        ("config.lora_rnk>2", "no option “config.lora_rnk”"),
        ("config.>2", "no option “config.”"),
        ("config.lora_rank:big", "config.lora_rank takes a number"),
        ("config.optimizer>2", "config.optimizer takes : and a word"),
        ("config.disable_bucket_pruning:2", "config.disable_bucket_pruning takes true or false"),
        ("config.lora_rank<>2", "config.lora_rank takes : and a word"),
    ],
)
def test_what_means_nothing_is_said_and_narrows_nothing(
    store: StoreReader, line: str, problem: str
) -> None:
    where = parse_filter(line)
    assert where.problem == problem
    known = [word for word in line.split() if not parse_filter(word).problem]
    assert found(store, line) == found(store, " ".join(known))


def test_a_word_in_quotes_is_text(store: StoreReader) -> None:
    where = parse_filter('"cat-lora" "OR" "a:b"')
    assert (where.problem, where.parameters[0], where.parameters[-1]) == (
        "", "%cat-lora%", "%a:b%"
    )  # fmt: skip
    assert "%OR%" in where.parameters
    assert len(store.records(parse_filter('"cat-lora"'))) == 3


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("age<2h", ["new"]), ("age>2h", ["old"]), ("since:3d", ["new", "old"]),
        ("since:90m", ["new"]), ("age>1w", []),
    ],
)  # fmt: skip
def test_ages_compare(tmp_path: Path, line: str, names: list[str]) -> None:
    writer = StoreWriter(home_at(tmp_path))
    now = datetime.now(UTC)
    for number, (name, age) in enumerate((("new", 1), ("old", 50))):
        made = now - timedelta(hours=age)
        writer.insert(replace(job(number, JobStatus.RUNNING), name=name, created_at=made))
    writer.close()
    reader = StoreReader(home_at(tmp_path).database)
    shown = found(reader, line)
    reader.close()
    assert shown == names


@pytest.mark.parametrize(
    "line",
    ["state:", "cost>", "cost>$", "model:", "loss<=", "name=", "has:", "has:wa", "state:act"],
)
def test_an_incomplete_term_matches_everything(store: StoreReader, line: str) -> None:
    assert len(found(store, line)) == 21


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["state:", "cost>", "loss<nan", "step>=1e999", "a:b", "'", '"', "%", "_", "\\", "\0", ":=",
     "OR", "-", "-cost>1", "config.lora_rank>nan", "config.optimizer:'", 'config."', "-config.x:"]
), max_size=6).map(" ".join))  # fmt: skip
def test_any_line_is_a_valid_sqlite_condition(line: str) -> None:
    database = sqlite3.connect(":memory:")
    database.executescript(";".join(MIGRATIONS))
    where = parse_filter(line)
    assert where.text == line
    database.execute(f"SELECT * FROM jobs WHERE {where.where}", where.parameters).fetchall()
    database.close()


def test_a_line_of_any_length(store: StoreReader) -> None:
    assert len(found(store, "a " * 5000)) == len(found(store, "a"))
    assert found(store, "\udcff") == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stat:failed", "The filter cannot be used: no field “stat”. Did you mean state?"),
        ("cost>abc", "The filter cannot be used: cost takes a number."),
        ("state:faild", "The filter cannot be used: no state “faild”. Did you mean failed?"),
        ("flux state:", "state: needs a value."),
        ("name>cat", "The filter cannot be used: name takes : and a word."),
        (
            "config.lora_rnk>2",
            "The filter cannot be used: no option “config.lora_rnk”. Did you mean lora_rank?",
        ),
        ("config.rank>2", "The filter cannot be used: no option “config.rank”. Did you mean"),
        ("has:warnings", "The filter cannot be used: no “has:warnings”; there is has:note,"),
        ("-cost>", "cost> needs a value."),
        ("config.lora_rank>", "config.lora_rank> needs a value."),
        ("flux -", "- needs a word behind it"),
        ("flux OR", "OR stands between two terms."),
        ("OR flux", "OR stands between two terms."),
    ],
)
def test_what_means_nothing_in_a_filter_is_told(line: str, told: str) -> None:
    problem = filter_problem(line)
    assert problem is not None
    assert " ".join(problem).startswith(told)
    assert line != "has:warnings" or problem[1] == "Did you mean has:warning?"


@pytest.mark.parametrize(
    "line", ["", "flux", "state:fail", "STATE:Failed cost>2 loss<=0.1", "https://x/y", "account:al",
             "cost>$2", "percent>50%", "state:ok", "state:active", "a OR b -c",
             "config.lora_rank>16 OR -config.optimizer:adam", "-https://x/y"],
)  # fmt: skip
def test_a_filter_that_means_something_is_not_refused(line: str) -> None:
    assert filter_problem(line) is None
