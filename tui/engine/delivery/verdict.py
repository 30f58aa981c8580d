"""Whether a job's results are where they were to go, from what is there and what its log says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tui.destinations.delivered import Arrival, State
from tui.simpletuner.log.delivery import UploadFacts, weights_by_step

_ADVICE: Final = "The job's log says why; what did not arrive is lost with the trainer's container."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a job's delivery besides the place itself.

    Attributes:
        log: what its log says.
        steps: steps it did, None where the log does not tell.
        refused: what our own receiver refused, as reasons by key.
    """

    log: UploadFacts
    steps: int | None
    refused: Mapping[str, str]


def judge(found: Arrival, evidence: Evidence) -> Arrival:
    """The verdict about a bucket or this machine.

    Args:
        found: what is there; its `names` are of this run alone.
        evidence: what else is known.

    Returns:
        `yes` only where the last weights that the job made are there and nothing failed after them;
        `partly` or `no` with the names of what is missing; `unknown` where nobody can tell.
    """
    log, names = evidence.log, found.names
    failed = [one for one in log.failures if not _arrived(one, names)]
    refused = [one for one in evidence.refused if not _arrived(one, names)]
    lost = list(dict.fromkeys([*(_short(one) for one in refused), *map(_failure, failed)]))
    if found.state == "unknown":
        if not failed:
            return found
        words = f"an upload failed ({', '.join(lost)}), and {found.words}"
        return replace(found, state="partly", words=words, missing=tuple(lost))
    weights = weights_by_step(names)
    last = [f"checkpoint-{log.checkpoint}"] if log.checkpoint is not None else []
    reasons = "; ".join(dict.fromkeys(evidence.refused[one] for one in refused))
    advice = f"It was refused here: {reasons}" if reasons else _ADVICE
    if not weights:
        words = f"no weights among the {len(names)} files {found.words}" if names else found.words
        missing = tuple(dict.fromkeys([*(last or ["weights"]), *lost]))
        return replace(found, state="no", words=words, advice=advice, missing=missing)
    count = sum(map(len, weights.values()))
    arrived = f"{count} weights file{'' if count == 1 else 's'}"
    missing_weights: list[str] = []
    state: State = "yes"
    if None not in weights:  # those of the end would be the last ones
        newest = max(step for step in weights if step is not None)
        if last and log.checkpoint not in weights:
            missing_weights = last
        elif evidence.steps is not None and newest < evidence.steps:
            missing_weights = [f"the weights of step {evidence.steps}"]
        elif not last and (not log.known or evidence.steps is None):
            state = "unknown"
    gone = tuple(dict.fromkeys([*missing_weights, *lost]))
    if gone:
        words = f"{arrived} {found.words}, but not {', '.join(gone)}"
        return replace(found, state="partly", words=words, advice=advice, missing=gone, files=count)
    if state == "unknown":
        words = f"{arrived} {found.words}; the log does not tell whether they are the last ones"
        return replace(found, state=state, words=words, advice="Look at them yourself.")
    return replace(found, state="yes", words=f"{arrived} {found.words}", files=count)


def _arrived(name: str, names: Collection[str]) -> bool:
    """Whether a file of that name is there; the trainer names it from its run folder on."""
    return any(one == name or one.endswith(f"/{name}") for one in names)


def _short(key: str) -> str:
    """A key without the folders that every file of the run shares."""
    return key.split("/", 1)[-1] if key.count("/") > 1 else key


def _failure(name: str) -> str:
    """What a line of the log says failed, as the name of something that is missing."""
    return f"the upload {name}" if name.startswith("via ") else name
