"""Prints module · mutants · killed · survived · equivalent, and a score."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.mutation.mutant import Mutant
from tests.mutation.trial import ROOT, Trial, run

HERE: Final = Path(__file__).parent
EACH: Final = 12
"""Mutants of each module in a sample."""
LEAST_SCORE: Final = 0.85


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


def survived(mutant: Mutant) -> str:
    """A mutant that no test noticed."""
    return f"\nsurvived: {mutant.path} {mutant.where}\n  - {mutant.before}\n  + {mutant.after}"


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


def try_all(chosen: dict[str, list[str]], most: int | None, jobs: int) -> list[Row]:
    """Run the tests beside each module without a fault, then with each mutant."""
    from tests.mutation.mutants import mutants  # cosmic-ray, which only this command needs

    sources = {path: (ROOT / path).read_text() for path in chosen}
    whole = [Trial(path, sources[path], tests) for path, tests in chosen.items()]
    run(whole, jobs, lambda _: None)
    if broken := [trial.path for trial in whole if trial.status]:
        raise SystemExit(f"the tests beside these fail without any fault: {', '.join(broken)}")
    seconds = {trial.path: trial.limit for trial in whole}
    rows = {path: Row(path) for path in chosen}
    no_faults = equivalents()
    trials: dict[int, Mutant] = {}
    waiting = []
    for path, tests in chosen.items():
        for mutant in mutants(path, sources[path], most):
            if (path, mutant.before, mutant.after) in no_faults:
                rows[path].equivalent += 1
                continue
            waiting.append(trial := Trial(path, mutant.source, tests, seconds[path]))
            trials[id(trial)] = mutant

    def note(trial: Trial) -> None:
        if trial.killed:
            rows[trial.path].killed += 1
        else:
            rows[trial.path].survivors.append(trials[id(trial)])
            # At once: a run of hours that is broken off has not been for nothing.
            print(survived(trials[id(trial)]), file=sys.stderr)
        print("x" if trial.killed else "s", end="", file=sys.stderr, flush=True)

    run(waiting, jobs, note)
    print(file=sys.stderr)
    return list(rows.values())


def main(arguments: Sequence[str]) -> int:
    """Test the mutants; the exit status is 1 when too many survive."""
    parser = argparse.ArgumentParser(prog="python -m tests release mutants")
    parser.add_argument("words", nargs="*", metavar="MODULE", help="part of a module's path")
    parser.add_argument("--each", type=int, default=EACH, help="mutants of each module")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    options = parser.parse_args(arguments)
    chosen = {
        path: tests
        for path, tests in modules().items()
        if not options.words or any(word in path for word in options.words)
    }
    if not chosen:
        parser.error("no such module in tests/mutation/modules.toml")
    rows = try_all(chosen, None if options.all else options.each, options.jobs)
    print(text(rows))
    return 0 if score(rows) >= LEAST_SCORE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
