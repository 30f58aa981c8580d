"""Judges whether a job's results arrived, from its schedule, the files found and the job's log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tui.base.formatting import plural
from tui.destinations.common.shards import missing_shards
from tui.destinations.delivered import Arrival
from tui.engine.delivery.expected import FINAL, ExpectedDelivery, checkpoint_name
from tui.simpletuner.log.delivery import UploadFacts, weights_by_step

_ADVICE: Final = "The job's log says why; what did not arrive is lost with the trainer's container."
_CUT: Final = (
    "Replicate has removed the job's data before its log was read to the end, so the log does not "
    "tell which uploads failed."
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a job's delivery besides the files found.

    Attributes:
        log: uploads that the job's log reports.
        steps: training steps done; None when the log does not say.
        refused: reasons of our receiver's refusals, by the name of the file as the destination has
            it.
        expected: what the job's schedule promised; None for jobs without one.
        log_cut: Replicate removed the job's data before the log was read to its end.
    """

    log: UploadFacts
    steps: int | None
    refused: Mapping[str, str]
    expected: ExpectedDelivery | None = None
    log_cut: bool = False

    @property
    def last_step(self) -> int | None:
        """The last training step: of the log, or else of the schedule."""
        scheduled = self.expected.steps if self.expected is not None else None
        return self.steps if self.steps is not None else scheduled


def judge(arrival: Arrival, evidence: Evidence) -> Arrival:
    """Judge a delivery.

    Args:
        arrival: the files found; `names` holds those of this run only.
        evidence: what else is known.

    Returns:
        State `yes` only if all that was promised is there, the job's last weights are, and no
        upload failed; `partly` or `no` with the names of what is missing; `unverified` if nobody
        may look and the log, read to its end, reports no failure; `unknown` if the evidence does
        not decide it.
    """
    log, names = evidence.log, arrival.names
    failed = [name for name in log.failures if not _arrived(name, names)]
    refused = [name for name in evidence.refused if not _arrived(name, names)]
    lost_uploads = _unique([*map(_short, refused), *map(_failure, failed)])
    if arrival.state in ("unknown", "unverified"):
        lost_uploads = _unique([*lost_uploads, *(f"the upload of {it}" for it in log.hub_failures)])
        if not failed and not log.hub_failures:
            told = log.known and not evidence.log_cut
            return arrival if told else replace(arrival, state="unknown")
        message = f"an upload failed ({', '.join(lost_uploads)}), and {arrival.words}"
        return replace(arrival, state="partly", words=message, missing=tuple(lost_uploads))
    found = _Found.of(arrival, evidence)
    arrival = replace(
        arrival,
        files=sum(map(len, found.weights.values())),
        arrived=found.names(),
        expected=evidence.expected.names() if evidence.expected is not None else (),
    )
    missing_weights, sure = _missing_weights(found, evidence)
    missing = tuple(_unique([*missing_weights, *found.missing_shards, *lost_uploads]))
    advice = _advice(evidence, refused)
    if not found.weights:
        message = (
            f"no complete weights among the {plural(len(names), 'file')} {arrival.words}"
            if found.missing_shards
            else f"no weights among the {plural(len(names), 'file')} {arrival.words}"
            if names
            else arrival.words
        )
        return replace(
            arrival, state="no", words=message, advice=advice or arrival.advice,
            missing=missing or ("weights",),
        )  # fmt: skip
    count = arrival.files
    weights_text = plural(count, "weights file")
    if missing:
        message = f"{weights_text} {arrival.words}, but not {', '.join(missing)}"
        return replace(arrival, state="partly", words=message, advice=advice, missing=missing)
    if not sure:
        message = (
            f"{weights_text} {arrival.words}; the log does not tell whether they are the last ones"
        )
        cut = f"{_CUT} " if evidence.log_cut else ""
        return replace(
            arrival, state="unknown", words=message, advice=f"{cut}Look at them yourself."
        )
    return replace(arrival, state="yes", words=f"{weights_text} {arrival.words}")


@dataclass(frozen=True, slots=True)
class _Found:
    """The complete weights among the files found.

    Attributes:
        weights: names of files by step; the key None holds the final weights.
        missing_shards: files without which other weights cannot be loaded.
    """

    weights: Mapping[int | None, list[str]]
    missing_shards: list[str]

    @classmethod
    def of(cls, arrival: Arrival, evidence: Evidence) -> _Found:
        weights = weights_by_step(arrival.names)
        shards = missing_shards(arrival.names, arrival.indexes)
        lost: dict[str, None] = {}
        for step, files in list(weights.items()):
            incomplete = [name for name in files if name in shards]
            for name in incomplete:
                lost |= dict.fromkeys(shards[name])
            if incomplete:
                del weights[step]
        root_step, last = arrival.root_step, evidence.last_step
        if None in weights and root_step is not None and last is not None and root_step < last:
            # The root holds the files of a pushed checkpoint: the final ones were not written.
            weights.setdefault(root_step, []).extend(weights.pop(None))
        return cls(weights, list(lost))

    @property
    def newest(self) -> int:
        """The highest step of a checkpoint; 0 without any."""
        return max((step for step in self.weights if step is not None), default=0)

    def names(self) -> tuple[str, ...]:
        """The weights by name: `checkpoint-500`, `the final weights`."""
        steps = sorted(step for step in self.weights if step is not None)
        return (*map(checkpoint_name, steps), *([FINAL] if None in self.weights else []))


def _missing_weights(found: _Found, evidence: Evidence) -> tuple[list[str], bool]:
    """Names of weights that are missing, and whether it is sure that there are no others."""
    log, expected, last = evidence.log, evidence.expected, evidence.last_step
    checkpoint = [checkpoint_name(log.checkpoint)] if log.checkpoint is not None else []
    missing = [name for name in _newest_first(expected) if name not in found.names()]
    if not found.weights:
        return _unique([*missing, *checkpoint]) or ["weights"], True
    if None in found.weights:  # the final weights stand for all, unless the schedule names others
        return missing, True
    if checkpoint and log.checkpoint not in found.weights:
        missing += checkpoint
    elif last is not None and found.newest < last:
        if not {checkpoint_name(last), FINAL} & set(missing):
            missing.append(f"the weights of step {last}")
    elif not checkpoint and (last is None or (expected is None and not log.known)):
        return missing, False
    return _unique(missing), True


def _newest_first(expected: ExpectedDelivery | None) -> list[str]:
    """The promised weights by name, the checkpoints of the highest steps first."""
    names = expected.names() if expected is not None else ()
    checkpoints = [name for name in names if name != FINAL]
    return [*reversed(checkpoints), *(name for name in names if name == FINAL)]


def _advice(evidence: Evidence, refused: Collection[str]) -> str:
    """Why something is missing, as far as it is known."""
    reasons = []
    if why := "; ".join(dict.fromkeys(evidence.refused[name] for name in refused)):
        reasons.append(f"It was refused here: {why}")
    if steps := evidence.log.failed_validations:
        listed = ", ".join(f"{step:,}" for step in steps)
        reasons.append(
            f"The validation failed at step {listed}, and files are uploaded after a validation "
            "only."
        )
    if uploads := evidence.log.hub_failures:
        reasons.append(f"The log reports failed uploads to the Hub: {', '.join(uploads)}.")
    expected = evidence.expected
    if expected is not None and expected.promise == "no":
        told = f"those of step {expected.last:,}" if expected.last is not None else "none at all"
        reasons.append(f"As was known before it started, the last weights that leave are {told}.")
    if evidence.log_cut:
        reasons.append(_CUT)
    return " ".join(reasons) or _ADVICE


def _arrived(name: str, names: Collection[str]) -> bool:
    """Whether a file arrived; the trainer's name is relative to its run folder."""
    return any(arrived_name == name or arrived_name.endswith(f"/{name}") for arrived_name in names)


def _unique(names: Collection[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _short(key: str) -> str:
    """A key without the folder that all files of the run share."""
    return key.split("/", 1)[-1] if key.count("/") > 1 else key


def _failure(name: str) -> str:
    """The name of a failed upload, as a missing thing in a sentence."""
    return "the last upload of the run folder" if name.startswith("via ") else name
