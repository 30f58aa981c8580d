"""The mutants of a module: small faults by cosmic-ray, and a sample of them that stays as it is.

cosmic-ray itself writes each mutant into a file of the tree and runs one command for all modules.
Only its operators are used here; `runner` tries a mutant without touching a file.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutation.mutant import Mutant

# Left out: `is` for `==` and its like, which Python may answer either way for small values; more
# than one other operator for each arithmetic one; removed decorators, which stop the import.
_USED: Final = re.compile(
    r"core/(?:AddNot|ReplaceTrueWithFalse|ReplaceFalseWithTrue|ReplaceAndWithOr|ReplaceOrWithAnd"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ExceptionReplacer|NumberReplacer"
    r"|ZeroIterationForLoop|ReplaceUnaryOperator_(?:Delete_Not|USub_UAdd)"
    r"|ReplaceComparisonOperator_(?!\w*Is)\w+|ReplaceComparisonOperator_(?:Is_IsNot|IsNot_Is)"
    r"|ReplaceBinaryOperator_(?:Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Mul|Pow_Mul"
    r"|BitOr_BitAnd|BitAnd_BitOr|BitXor_BitOr|LShift_RShift|RShift_LShift))"
)


@dataclass(frozen=True, slots=True)
class _Place:
    operator: str
    occurrence: int
    where: str
    line: int
    column: int
    text: str


def mutants(path: str, source: str, most: int | None, seed: str = "") -> Iterator[Mutant]:
    """Yield the mutants of a module, or a sample of them.

    The sample takes one mutant of each of `most` places. Places and mutants are ordered by a digest
    of their own line, so that an edit elsewhere in the module leaves the rest of the sample as it
    was.

    Args:
        path: the module, from the root of the tree.
        source: its source.
        most: the size of the sample; None yields all mutants.
        seed: any text; another one takes another sample.
    """
    groups: dict[tuple[int, int], list[_Place]] = {}
    for place in sorted(_places(source), key=lambda place: _digest(seed, place)):
        groups.setdefault((place.line, place.column), []).append(place)
    whole = _meaning(source)
    seen: set[str] = set()
    found = 0
    for group in groups.values():
        for place in group:
            if found == most:
                return
            changed = _changed(source, place)
            if changed is None or changed in seen or _meaning(changed) in ("", whole):
                continue
            seen.add(changed)
            found += 1
            yield Mutant(path, changed, place.where, *_difference(source, changed))
            if most is not None:
                break


def _changed(source: str, place: _Place) -> str | None:
    with suppress(AttributeError):  # cosmic-ray cannot replace an exception with a dotted name
        return mutate_code(source, get_operator(place.operator)(), place.occurrence)
    return None


def _places(source: str) -> Iterator[_Place]:
    lines = source.splitlines()
    nodes = list(ast_nodes(get_ast(source)))
    for name in filter(_USED.fullmatch, operator_names()):
        operator = get_operator(name)()
        positions = ((node, at) for node in nodes for at, _ in operator.mutation_positions(node))
        for occurrence, (node, (line, column)) in enumerate(positions):
            where = ASTQuery(node).get_definition_name() or ""
            if not where:  # a figure at the top of a module is a choice, and no test may copy it
                continue
            yield _Place(name, occurrence, where, line, column, lines[line - 1].strip())


def _digest(seed: str, place: _Place) -> bytes:
    text = f"{seed} {place.where} {place.text} {place.column} {place.operator}"
    return hashlib.sha256(text.encode()).digest()


class _Unannotated(ast.NodeTransformer):
    """Removes what has no effect on a run: annotations, and whether arguments are named."""

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults = [*node.defaults, *(one for one in node.kw_defaults if one is not None)]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Constant(None))
        return super().generic_visit(node)


def _meaning(source: str) -> str:
    """A text that is the same for two sources that do the same; "" for one that is no Python."""
    try:
        tree: Any = ast.parse(source)
    except SyntaxError:
        return ""
    return ast.dump(_Unannotated().visit(tree))


def _difference(before: str, after: str) -> tuple[str, str]:
    changes = difflib.ndiff(before.splitlines(), after.splitlines())
    lines = [line for line in changes if line[:2] in ("- ", "+ ")]
    sides = ([line[2:].strip() for line in lines if line[0] == sign] for sign in "-+")
    old, new = (" ".join(side) for side in sides)
    return old, new
