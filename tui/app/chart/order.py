"""The user's own order of the charts: names of series, kept for all runs together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def in_order(names: Iterable[str], chosen: Sequence[str]) -> list[str]:
    """Returns the names of a run's series: first those of the user's order, then the others.

    Args:
        names: in the usual order.
        chosen: the user's order, which may name series of other runs.
    """
    place = {name: at for at, name in enumerate(chosen)}
    return sorted(names, key=lambda name: place.get(name, len(place)))


def moved(
    names: Iterable[str], chosen: Sequence[str], name: str, neighbour: str, *, later: bool
) -> tuple[str, ...]:
    """Returns the user's order after one series was moved past another one.

    What other runs have keeps its place.

    Args:
        names: the series of the run, in the usual order.
        chosen: the order so far.
        name: the series that is moved, and
        neighbour: the one beside it.
        later: whether it comes after that one now.
    """
    order = list(dict.fromkeys((*chosen, *in_order(names, chosen))))
    order.remove(name)
    order.insert(order.index(neighbour) + later, name)
    return tuple(order)
