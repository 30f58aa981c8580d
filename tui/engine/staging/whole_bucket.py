"""Why a trainer that lists whole buckets gets none.

SimpleTuner 4.8.0 lists the whole bucket of an `aws` dataset, whatever prefix its entry names. A
bucket of staged data holds the content of all jobs beside each job's own folder, so such a trainer
would read the same pictures twice and those of other jobs, even where it holds nothing else.
"""

from __future__ import annotations


def whole_bucket(*, prefix_respected: bool | None) -> tuple[str, str]:
    """Return message and advice of the refusal; empty texts when the trainer reads its folder.

    Args:
        prefix_respected: whether the trainer reads one folder of a bucket only, and not all of it;
            None when its release is not known.
    """
    if prefix_respected:
        return "", ""
    reads = "SimpleTuner 4.8.0 reads" if prefix_respected is None else "this trainer reads"
    message = f"{reads} the whole bucket, other jobs' data as well, whatever folder is named"
    advice = "Stage to the Hub or to this machine."
    if prefix_respected is None:
        advice += (
            " If the trainer holds SimpleTuner 4.10.1, say so: --trainer-release 4.10.1, or the "
            "setting cloud.trainer_release."
        )
    return message, advice
