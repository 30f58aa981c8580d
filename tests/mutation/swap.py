"""Puts a mutant into a module that is imported already, by exchanging the code of its functions.

So a run of tests with a fault needs no imports: it is a fork of a process that has collected them.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

_FUNCTION: Final = 0x1  # CO_OPTIMIZED: bodies of classes and of modules are without it


def swap(module: str, before: str, after: str) -> bool:
    """Let the functions of a module behave as another source of it says.

    Returns:
        False, with nothing changed, if the sources differ in what runs at import: defaults, bodies
        of classes.
    """
    changes = _changes(*_compiled(before, after))
    if not changes:
        return False
    done = set()
    gc.unfreeze()  # what was set aside is not among the objects
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__module__ == module:
            place = one.__code__.co_qualname, one.__code__.co_firstlineno
            if place in changes:
                one.__code__ = changes[place]
                done.add(place)
    return len(done) == len(changes)


def swaps(before: str, after: str) -> bool:
    """Whether `swap` can exchange a source for another."""
    return bool(_changes(*_compiled(before, after)))


def statement(source: str, line: int) -> range:
    """The lines of the statement at a line; of a compound one, those of its header."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            body: Sequence[ast.stmt] = getattr(node, "body", ())
            end = body[0].lineno - 1 if body else getattr(node, "end_lineno", first)
            lines = range(first, max(first, end) + 1)
            if line in lines:  # the walk goes from the outside to the inside
                found = lines
    return found


def first_difference(before: str, after: str) -> int:
    """The number of the first line that differs."""
    pairs = enumerate(zip(before.splitlines(), after.splitlines(), strict=False), 1)
    return next((number for number, (old, new) in pairs if old != new), 1)


def executed(path: Path) -> set[int]:
    """Note, from now on, the lines of a module that run in this process."""
    import threading

    lines: set[int] = set()
    name = str(path)

    def local(frame: object, event: str, _: object) -> object:
        lines.add(frame.f_lineno)  # type: ignore[attr-defined]  # a frame, by the contract of settrace
        return local

    def tracer(frame: object, event: str, _: object) -> object:
        return local if frame.f_code.co_filename == name else None  # type: ignore[attr-defined]  # as above

    threading.settrace(tracer)  # type: ignore[arg-type]  # typeshed wants its own name for it
    sys.settrace(tracer)  # type: ignore[arg-type]  # as above
    return lines


def _compiled(before: str, after: str) -> tuple[CodeType, CodeType]:
    return (
        compile(before, "<module>", "exec", dont_inherit=True),
        compile(after, "<module>", "exec", dont_inherit=True),
    )


def _changes(old: CodeType, new: CodeType) -> dict[tuple[str, int], CodeType]:
    """The outermost functions that differ; none if anything outside of functions does."""
    if not _alike(old, new):
        return {}
    changes = {}
    for one, other in zip(_nested(old), _nested(new), strict=True):
        if _whole(one) == _whole(other):
            continue
        if one.co_flags & _FUNCTION:
            changes[one.co_qualname, one.co_firstlineno] = other
        elif inner := _changes(one, other):
            changes |= inner
        else:
            return {}
    return changes


def _nested(code: CodeType) -> Iterator[CodeType]:
    return (one for one in code.co_consts if isinstance(one, CodeType))


def _own(code: CodeType) -> tuple[object, ...]:
    # repr: 1, 1.0 and True are equal.
    plain = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, plain, names, code.co_exceptiontable


def _alike(old: CodeType, new: CodeType) -> bool:
    return _own(old) == _own(new) and len([*_nested(old)]) == len([*_nested(new)])


def _whole(code: CodeType) -> tuple[object, ...]:
    return _own(code), [_whole(one) for one in _nested(code)]
