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


def judge(arrival: Arrival, evidence: Evidence) -> Arrival:
    """Judge the delivery to a bucket or to this machine.

    Args:
        arrival: the files found; `names` holds those of this run only.
        evidence: what else is known.

    Returns:
        State `yes` only if the job's last weights are there and no upload failed; `partly` or `no`
        with the names of what is missing; `unknown` if the evidence does not decide it.
    """
    log, names = evidence.log, arrival.names
    failed = [name for name in log.failures if not _arrived(name, names)]
    refused = [name for name in evidence.refused if not _arrived(name, names)]
    missing_uploads = list(
        dict.fromkeys([*(_short(name) for name in refused), *map(_failure, failed)])
    )
    if arrival.state == "unknown":
        if not failed:
            return arrival
        message = f"an upload failed ({', '.join(missing_uploads)}), and {arrival.words}"
        return replace(arrival, state="partly", words=message, missing=tuple(missing_uploads))
    weights = weights_by_step(names)
    last_checkpoint = [f"checkpoint-{log.checkpoint}"] if log.checkpoint is not None else []
    reasons = "; ".join(dict.fromkeys(evidence.refused[name] for name in refused))
    advice = f"It was refused here: {reasons}" if reasons else _ADVICE
    if not weights:
        message = (
            f"no weights among the {len(names)} files {arrival.words}" if names else arrival.words
        )
        missing = tuple(dict.fromkeys([*(last_checkpoint or ["weights"]), *missing_uploads]))
        return replace(arrival, state="no", words=message, advice=advice, missing=missing)
    count = sum(map(len, weights.values()))
    weights_text = f"{count} weights file{'' if count == 1 else 's'}"
    missing_weights: list[str] = []
    state: State = "yes"
    if None not in weights:  # no final weights (without a step), so compare the checkpoints
        newest = max(step for step in weights if step is not None)
        if last_checkpoint and log.checkpoint not in weights:
            missing_weights = last_checkpoint
        elif evidence.steps is not None and newest < evidence.steps:
            missing_weights = [f"the weights of step {evidence.steps}"]
        elif not last_checkpoint and (not log.known or evidence.steps is None):
            state = "unknown"
    missing = tuple(dict.fromkeys([*missing_weights, *missing_uploads]))
    if missing:
        message = f"{weights_text} {arrival.words}, but not {', '.join(missing)}"
        return replace(
            arrival, state="partly", words=message, advice=advice, missing=missing, files=count
        )
    if state == "unknown":
        message = (
            f"{weights_text} {arrival.words}; the log does not tell whether they are the last ones"
        )
        return replace(arrival, state=state, words=message, advice="Look at them yourself.")
    return replace(arrival, state="yes", words=f"{weights_text} {arrival.words}", files=count)


def _arrived(name: str, names: Collection[str]) -> bool:
    """Whether a file arrived; the trainer's name is relative to its run folder."""
    return any(arrived_name == name or arrived_name.endswith(f"/{name}") for arrived_name in names)


def _short(key: str) -> str:
    """A key without the folder that all files of the run share."""
    return key.split("/", 1)[-1] if key.count("/") > 1 else key


def _failure(name: str) -> str:
    """The name of a failed upload, as a missing thing in a sentence."""
    return f"the upload {name}" if name.startswith("via ") else name
