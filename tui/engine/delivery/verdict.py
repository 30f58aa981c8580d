"""Judges whether a job's results arrived, from the files found and the job's log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tui.destinations.delivered import Arrival, State
from tui.simpletuner.log.delivery import UploadFacts, weights_by_step

_ADVICE: Final = "The job's log says why; what did not arrive is lost with the trainer's container."


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a job's delivery besides the files found.

    Attributes:
        log: uploads that the job's log reports.
        steps: training steps done; None when the log does not say.
        refused: reasons of our receiver's refusals, by key.
    """

    log: UploadFacts
    steps: int | None
    refused: Mapping[str, str]


def judge(found: Arrival, evidence: Evidence) -> Arrival:
    """Judge the delivery to a bucket or to this machine.

    Args:
        found: the files found; `names` holds those of this run only.
        evidence: what else is known.

    Returns:
        State `yes` only if the job's last weights are there and no upload failed; `partly` or `no`
        with the names of what is missing; `unknown` if the evidence does not decide it.
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
    if None not in weights:  # no final weights (without a step), so compare the checkpoints
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
    """Whether a file arrived; the trainer's name is relative to its run folder."""
    return any(one == name or one.endswith(f"/{name}") for one in names)


def _short(key: str) -> str:
    """A key without the folder that all files of the run share."""
    return key.split("/", 1)[-1] if key.count("/") > 1 else key


def _failure(name: str) -> str:
    """The name of a failed upload, as a missing thing in a sentence."""
    return f"the upload {name}" if name.startswith("via ") else name
