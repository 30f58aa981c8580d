"""Run the benchmarks and print one table."""

from __future__ import annotations

import importlib
import pkgutil
import sys

from tests import benchmarks


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all of them."""
    available = sorted(
        module.name.removeprefix("bench_")
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name.startswith("bench_")
    )
    unknown = set(names) - set(available)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(available)}")
        return 2
    header = ("what", "ours", "peer in the same run", "ratio", "goal")
    table = [header]
    for name in names or available:
        module = importlib.import_module(f"tests.benchmarks.bench_{name}")
        for row in module.run():
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            table.append((row.what, row.ours, row.peer, ratio, row.goal))
            print(f"  {row.what}: {row.ours} | {row.peer} | {ratio}", file=sys.stderr, flush=True)
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    for number, line in enumerate(table):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
        if number == 0:
            print("  ".join("-" * width for width in widths))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
