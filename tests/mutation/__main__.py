"""Prints module · mutants · killed · survived · equivalent, and a score."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.mutation.mutant import Mutant
from tests.mutation.runner import HANGS, ROOT, Outcome, run

HERE: Final = Path(__file__).parent
EACH: Final = 12
"""Mutants of each module in a sample."""
LEAST_SCORE: Final = 0.85
_SCORES_HEAD: Final = """\
# What the tests noticed of samples of mutants that nobody had seen when the tests were written.
# Written by `python -m tests release mutants --seed WORD --record`.
"""


@dataclass(slots=True)
class Row:
    """What became of the mutants of one module."""

    path: str
    killed: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    equivalent: int = 0

    @property
    def all(self) -> int:
        """The mutants that were tried, or need not be."""
        return self.killed + len(self.survivors) + self.equivalent


def modules() -> dict[str, list[str]]:
    """The tests beside each module."""
    return tomllib.loads((HERE / "modules.toml").read_text())


def equivalents() -> dict[tuple[str, str, str], str]:
    """The reasons of the mutants that are no fault, by module and changed lines."""
    listed = tomllib.loads((HERE / "equivalent.toml").read_text()).get("mutant", [])
    return {(one["module"], one["before"], one["after"]): one["reason"] for one in listed}


def score(rows: Sequence[Row]) -> float:
    """The share of the killed mutants among those that are faults."""
    killed, survived = sum(row.killed for row in rows), sum(len(row.survivors) for row in rows)
    return killed / max(1, killed + survived)


def survived(mutant: Mutant, word: str = "survived") -> str:
    """A mutant that no test noticed, or that no test failed with."""
    return f"\n{word}: {mutant.path} {mutant.where}\n  - {mutant.before}\n  + {mutant.after}"


def text(rows: Sequence[Row]) -> str:
    """The table, and the survivors under it."""
    width = max(len(row.path) for row in rows)
    lines = [f"{'module':{width}}  mutants  killed  survived  equivalent"]
    lines += [
        f"{row.path:{width}}  {row.all:7}  {row.killed:6}  {len(row.survivors):8}  "
        f"{row.equivalent:10}"
        for row in rows
    ]
    lines += [survived(mutant) for row in rows for mutant in row.survivors]
    return "\n".join([*lines, f"\nscore: {score(rows):.1%}"])


def sample(
    chosen: Iterable[str], most: int | None, seed: str
) -> tuple[dict[str, list[Mutant]], dict[str, Row]]:
    """The mutants to try, and rows in which those that are no fault are counted already."""
    from tests.mutation.mutants import mutants  # cosmic-ray, which only this command needs

    no_faults = equivalents()
    faults: dict[str, list[Mutant]] = {}
    rows = {path: Row(path) for path in chosen}
    for path, row in rows.items():
        taken = list(mutants(path, (ROOT / path).read_text(), most, seed))
        faults[path] = [one for one in taken if (path, one.before, one.after) not in no_faults]
        row.equivalent = len(taken) - len(faults[path])
    return faults, rows


def guards(words: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, list[Mutant]]]:
    """The guards of `guards.toml`, each removed: the tests of their modules, and the mutants."""
    tests: dict[str, list[str]] = {}
    faults: dict[str, list[Mutant]] = {}
    for guard in tomllib.loads((HERE / "guards.toml").read_text())["guard"]:
        path = guard["module"]
        if words and not any(word in path for word in words):
            continue
        source = (ROOT / path).read_text()
        for before, after in guard["changes"]:
            if source.count(before) != 1:
                raise LookupError(f"{path} has this not once: {before}")
            source = source.replace(before, after)
        beside = guard.get("tests") or modules()[path]
        tests[path] = list(dict.fromkeys([*tests.get(path, []), *beside]))
        removed = Mutant(
            path,
            source,
            guard["says"],
            *(" … ".join(x) for x in zip(*guard["changes"], strict=True)),
        )
        faults.setdefault(path, []).append(removed)
    return tests, faults


def try_all(
    tests: dict[str, list[str]], faults: dict[str, list[Mutant]], rows: dict[str, Row], jobs: int
) -> list[Row]:
    """Run the tests beside each module without a fault, then with each mutant."""

    def note(outcome: Outcome) -> None:
        if outcome.by:
            rows[outcome.mutant.path].killed += 1
        else:
            rows[outcome.mutant.path].survivors.append(outcome.mutant)
        if outcome.by in ("", HANGS):
            # At once: a run of hours that is broken off has not been for nothing.
            print(survived(outcome.mutant, outcome.by or "survived"), file=sys.stderr)
        print("x" if outcome.by else "s", end="", file=sys.stderr, flush=True)

    if broken := run(tests, faults, note, jobs):
        raise SystemExit(f"the tests beside these fail without any fault: {', '.join(broken)}")
    print(file=sys.stderr)
    return list(rows.values())


def record(rows: Sequence[Row], seed: str) -> None:
    """Write the rows into `scores.toml`, in the place of earlier ones of their modules."""
    file = HERE / "scores.toml"
    known = tomllib.loads(file.read_text()) if file.exists() else {}
    today = datetime.now(UTC).date()
    for row in rows:
        known[row.path] = {
            "date": today, "seed": seed, "sampled": row.all, "killed": row.killed,
            "survived": len(row.survivors), "equivalent": row.equivalent,
            "percent": round(100 * score([row])),
        }  # fmt: skip
    lines = [_SCORES_HEAD]
    for path in modules():
        if path in known:
            values = known[path].items()
            lines.append(f'["{path}"]')
            lines += [
                f'{name} = "{one}"' if isinstance(one, str) else f"{name} = {one}"
                for name, one in values
            ]
            lines.append("")
    file.write_text("\n".join(lines))


def main(arguments: Sequence[str]) -> int:
    """Test the mutants; the exit status is 1 when too many survive."""
    parser = argparse.ArgumentParser(prog="python -m tests release mutants")
    parser.add_argument("words", nargs="*", metavar="MODULE", help="part of a module's path")
    parser.add_argument("--each", type=int, default=EACH, help="mutants of each module")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--seed", default="", help="any word: another one takes another sample")
    parser.add_argument("--guards", action="store_true", help="remove the guards of guards.toml")
    parser.add_argument("--record", action="store_true", help="keep the figures in scores.toml")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    options = parser.parse_args(arguments)
    if options.guards:
        tests, faults = guards(options.words)
        rows = {path: Row(path) for path in tests}
    else:
        tests = {
            path: beside
            for path, beside in modules().items()
            if not options.words or any(word in path for word in options.words)
        }
        faults, rows = sample(tests, None if options.all else options.each, options.seed)
    if not tests:
        parser.error("no such module in tests/mutation/modules.toml")
    done = try_all(tests, faults, rows, options.jobs)
    print(text(done))
    if options.record and not options.guards:
        record(done, options.seed)
    return 0 if score(done) >= (1.0 if options.guards else LEAST_SCORE) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
