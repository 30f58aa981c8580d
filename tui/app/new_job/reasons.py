"""Why the form cannot do something now, and where its check stands, in words."""

from __future__ import annotations

from tui.app.new_job.flow import NewJobFlow

_STARTING = "The engine is starting."


def why_not(name: str, flow: NewJobFlow, *, engine: bool, own: bool, forbidden: bool) -> str:
    """Why an action of the form cannot be done; empty when it can.

    Args:
        name: the action.
        flow: the draft and its newest check.
        engine: whether an engine is there.
        own: whether the cursor's field says something that was chosen here.
        forbidden: whether the settings forbid submitting.
    """
    if name == "stop":
        return "" if flow.job_id else "Nothing is being uploaded."
    busy = flow.submitting or bool(flow.job_id)
    if busy and name in ("submit", "edit", "starter", "clear", "dry_run", "recommend"):
        return "The job is being started."
    if name == "submit":
        return _no_submit(flow, forbidden=forbidden)
    if name == "request" and flow.answer is None:
        return "There is no check yet."
    if name in ("dry_run", "recommend") and not (flow.draft.get("config") and engine):
        return "Choose a config first." if engine else _STARTING
    if name == "clear" and not own:
        return "This field says what the config says."
    return ""


def _no_submit(flow: NewJobFlow, *, forbidden: bool) -> str:
    if not flow.draft.get("config") and not flow.checking:
        return "Choose a config first."
    if forbidden and flow.answer and flow.asks:
        return "Your settings forbid submitting (cloud.consent = never)."
    if flow.checking:
        return ""
    if flow.answer is None:
        return flow.problem.message if flow.problem else "There is no check yet."
    if not flow.answer.get("ok") and not flow.acceptable:
        errors = [c for c in flow.answer.get("checks") or () if c.get("level") == "error"]
        return f"Correct this first: {errors[0].get('message')}" if errors else "Not ready."
    return ""


def state_words(flow: NewJobFlow, *, engine: bool) -> tuple[str, ...]:
    """Where the check stands, for the title of its pane."""
    if flow.wanted:
        return ("checking… then it starts",)
    if flow.checking:
        return ("checking…" if engine else "checking… (the engine is starting)",)
    if flow.answer is None:
        return ()
    levels = [check.get("level") for check in flow.answer.get("checks") or ()]
    errors, warnings = levels.count("error"), levels.count("warn")
    if errors:
        return (f"{errors} to correct",)
    return (f"ready · {warnings} to know" if warnings else "ready",)
