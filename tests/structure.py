"""The structure of `tui/` as figures: `python -m tests.structure` prints them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
TUI = ROOT / "tui"
MOST_FLAT_MODULES = 12
"""Modules that may lie directly in `tui/engine` and in `tui/app`."""
UNTYPED = r"dict\[str, Any\]"
"""An object of which nothing is told. Ours have a `TypedDict` or a dataclass, those of others are a
`JsonObject`, whose values are tested before their use."""
MOST_UNTYPED = 84
"""How many of them the program has at most: lower it with each that goes, never raise it."""
_API_PATH = re.compile(r"""["']/api/(?!v\d/)""")
"""A path of our API; `/api/v2/` is that of status pages."""
_TEST_IMPORT = re.compile(r"^(?:from|import) (tests(?:\.\w+)*\.test_\w+)", re.MULTILINE)
_API_PLACES = (
    "client", "engine/http_api", "listener", "api", "sandbox", "engine/listener",
    "base/listener_address.py",  # the two paths that are cut off and put behind a public address
)  # fmt: skip


def import_graph() -> grimp.ImportGraph:
    """Every import between modules of `tui`, those for type checkers alone included."""
    return grimp.build_graph("tui", exclude_type_checking_imports=False, cache_dir=None)


def imports_between_tests(folder: Path = ROOT / "tests") -> dict[str, set[str]]:
    """The test modules from which another module takes something, and those that do so.

    What several tests need belongs into a module that is no test: importing a test module runs it
    twice, and binds two tests together.
    """
    imports: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        own = f"tests.{name.removesuffix('.py').replace('/', '.')}"  # in the text of a script
        for imported in _TEST_IMPORT.findall(path.read_text("utf-8")):
            if imported != own:
                imports.setdefault(imported, set()).add(name)
    return imports


def import_cycles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Groups of modules that reach each other by imports, the largest first (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    cycles: list[list[str]] = []

    def successors(module: str) -> Iterator[str]:
        return iter(sorted(graph.find_modules_directly_imported_by(module)))

    for root in sorted(graph.modules):
        if root in index:
            continue
        work = [(root, successors(root))]
        index[root] = low[root] = len(index)
        open_.append(root)
        while work:
            module, rest = work[-1]
            for target in rest:
                if target not in index:
                    index[target] = low[target] = len(index)
                    open_.append(target)
                    work.append((target, successors(target)))
                    break
                if target in open_:
                    low[module] = min(low[module], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[module])
                if low[module] == index[module]:
                    at = open_.index(module)
                    group = sorted(open_[at:])
                    del open_[at:]
                    if len(group) > 1:
                        cycles.append(group)
    return sorted(cycles, key=len, reverse=True)


def flat_modules(folder: str) -> list[str]:
    """Names of the modules that lie directly in a folder of `tui/`, packages left out."""
    return sorted(path.stem for path in (TUI / folder).glob("*.py") if path.name != "__init__.py")


def sources() -> Iterable[Path]:
    """All Python files of the program."""
    return sorted(TUI.rglob("*.py"))


def count(pattern: str | re.Pattern[str]) -> int:
    """How often a pattern stands in the program's files."""
    return sum(len(re.findall(pattern, path.read_text("utf-8"))) for path in sources())


def stray_api_paths() -> list[str]:
    """Lines outside the API's own folders that spell one of its paths."""
    found = []
    for path in sources():
        place = path.relative_to(TUI).as_posix()
        if place.startswith(_API_PLACES):
            continue
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            if _API_PATH.search(line):
                found.append(f"{place}:{number}")
    return found


def _seconds(command: list[str], runs: int = 7) -> float:
    """Processor time of a whole process, the least of several runs, in seconds."""
    import resource

    best = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def main() -> None:
    """Print the measures."""
    graph = import_graph()
    cycles = import_cycles(graph)
    files = list(sources())
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    floor = _seconds([sys.executable, "-c", "pass"])
    get = _seconds([sys.executable, "-m", "tui", "settings", "get", "ui.theme"])
    rows = [
        ("import cycles, type-only imports included", [len(group) for group in cycles] or 0),
        ("flat modules in engine/", len(flat_modules("engine"))),
        ("flat modules in app/", len(flat_modules("app"))),
        ("modules", len(files)),
        ("lines in tui/", lines),
        ("dict[str, Any] in tui/", count(UNTYPED)),
        ("/api/ strings outside the API's folders", len(stray_api_paths())),
        ("settings get ui.theme / python -c pass", f"{get / floor:.1f}"),
    ]
    for name, value in rows:
        print(f"{name:<48} {value}")


if __name__ == "__main__":
    main()
