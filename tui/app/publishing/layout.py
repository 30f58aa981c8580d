"""How the lines of a screen are shared among its panels. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def rooms(needs: Mapping[str, int], here: str, space: int, most: int) -> dict[str, int]:
    """Lines for each panel.

    The one with the keys comes first, the others have at least a few of theirs. What it does not
    need goes to the others, and what nobody needs stays with it.

    Args:
        needs: how many lines each could fill.
        here: the one with the keys.
        space: lines of all together.
        most: what the others have at the least, where they could fill it.
    """
    found = {name: min(need, most) for name, need in needs.items() if name != here}
    free = space - sum(found.values()) - needs[here]
    for name, least in tuple(found.items()):
        more = max(0, min(free, needs[name] - least))
        found[name] += more
        free -= more
    found[here] = space - sum(found.values())
    return found
