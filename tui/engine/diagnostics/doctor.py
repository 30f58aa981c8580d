"""The `doctor` report: one line for each thing the program depends on, with a fix."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tui.base.formatting import plural, size
from tui.base.hosts import is_loopback
from tui.engine.credentials.token_service import TokenService
from tui.engine.delivery.check import DeliveryCheck
from tui.engine.delivery.room import receivable, space_of
from tui.engine.diagnostics.network_check import NetworkCheck
from tui.engine.listener.service import ListenerService
from tui.secrets.keyring import MAKE_COLLECTION, NO_COLLECTION, for_this_shell
from tui.settings import Home

if TYPE_CHECKING:
    from tui.api import credentials, diagnostics, network
    from tui.api.engine import ListenerState
    from tui.api.staging import StagedData
    from tui.api.webhooks import WebhookTestReport

LOG = logging.getLogger(__name__)

FoundT = TypeVar("FoundT")

_LITTLE_SPACE: Final = 2 * 1024**3  # bytes, less than a checkpoint
_TUNNEL_SECONDS: Final = 8.0
_NO_SPACE: Final = 100 * 1024**2


@dataclass(frozen=True, slots=True)
class DoctorLine:
    """One line of the report.

    Attributes:
        id: `terminal`, `keyring`, `token`, `network`, `proxy`, `listener`, `delivery`, `disk` or
            `staged`.
        level: `ok`, `warn` or `error`.
        message: the state.
        advice: the fix; "" when nothing is wrong.
    """

    id: str
    level: str
    message: str
    advice: str = ""


async def examine(
    api_base: str,
    home: Home,
    *,
    listening: ListenerService,
    network: NetworkCheck,
    tokens: TokenService,
    deliveries: DeliveryCheck,
    staged: Callable[[], Sequence[StagedData]],
    through_public_url: Callable[[], Awaitable[WebhookTestReport]],
) -> list[DoctorLine]:
    """Check everything but the terminal, which the caller checks. Never raises."""

    async def tunnel() -> WebhookTestReport | None:
        """What became of an event through the public URL: a webhook of old proves nothing now."""
        if not listening.public_url:
            return None
        async with asyncio.timeout(_TUNNEL_SECONDS):
            return await through_public_url()

    states, network_report, delivery, came_in = await asyncio.gather(
        tokens.states(api_base),
        network.run(api_base),
        deliveries.run(api_base, {}),
        tunnel(),
        return_exceptions=True,
    )

    def listener() -> list[DoctorLine]:
        proved = is_loopback(api_base) or listening.sightings.last("webhook") is not None
        wrong = ""
        if isinstance(came_in, TimeoutError):
            wrong = f"An event did not come in through it within {_TUNNEL_SECONDS:g} s."
        elif (report := _found(came_in)) is not None:
            wrong = report["error"] or ""
        return [listener_line(listening.state(), proved=proved, wrong=wrong)]

    return [
        *_lines("keyring", lambda: [keyring_line(_found(states)["replicate"])]),
        *_lines("token", lambda: [token_line(_found(states)["replicate"])]),
        *_lines("hub-token", lambda: hub_token_lines(_found(states)["huggingface"])),
        *_lines("network", lambda: network_lines(_found(network_report))),
        *_lines("proxy", lambda: [proxy_line(_found(network_report))]),
        *_lines("listener", listener),
        *_lines(
            "delivery",
            lambda: [delivery_line(_found(delivery), has_public_url=bool(listening.public_url))],
        ),
        *_lines("disk", lambda: [disk_line(home, listening.outputs)]),
        *_lines("store", lambda: kept_lines(home)),
        *_lines("staged", lambda: staged_lines(staged())),
    ]


def _found(result: FoundT | BaseException) -> FoundT:
    """Return what a probe found; raises what it raised."""
    if isinstance(result, BaseException):
        raise result
    return result


def _lines(name: str, probe: Callable[[], list[DoctorLine]]) -> list[DoctorLine]:
    """Return the lines of a probe; one error line when it raises, so that the others are shown."""
    try:
        return probe()
    except Exception as error:
        LOG.exception("doctor: %s could not be examined", name)
        message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        advice = getattr(error, "advice", "") or "The engine's log has the details."
        return [DoctorLine(name, "error", f"could not be examined: {message}", advice)]


def keyring_line(state: credentials.TokenState) -> DoctorLine:
    """Whether the keyring can store a token."""
    if state["problem"]:
        advice = (
            "Start a keyring (gnome-keyring, KWallet) and unlock it, or "
            f"{for_this_shell('replicate')}"
        )
        if state["problem"] == NO_COLLECTION:
            advice = MAKE_COLLECTION
        return DoctorLine("keyring", "warn", state["problem"], advice)
    return DoctorLine("keyring", "ok", state["backend"] or "there")


def token_line(state: credentials.TokenState) -> DoctorLine:
    """Whether there is a token."""
    if problem := state.get("environment_problem"):
        advice = "Correct REPLICATE_API_TOKEN, or unset it."
        return DoctorLine("token", "error", problem.rstrip("."), advice)
    if state["in_use"] is None:
        return DoctorLine("token", "error", "there is no Replicate token",
                    "simpletuner-tui token set, or set REPLICATE_API_TOKEN.")  # fmt: skip
    shadow = ", which hides the stored one" if state["shadowed"] else ""
    return DoctorLine("token", "ok", f"from the {state['in_use']}{shadow}")


def hub_token_lines(state: credentials.TokenState) -> list[DoctorLine]:
    """A line for a Hub token that cannot be used; it is needed for some jobs only."""
    if problem := state.get("environment_problem"):
        advice = "Correct HF_TOKEN, or unset it."
        return [DoctorLine("hub-token", "warn", problem.rstrip("."), advice)]
    return []


def staged_lines(rows: Sequence[StagedData]) -> list[DoctorLine]:
    """A line for each staged copy whose record could not be read."""
    return [
        DoctorLine(
            "staged",
            "warn",
            f"the staged copy {row['key']}: {row['damage'].rstrip('.')}",
            f"`simpletuner-tui staged remove {row['key']}` removes it once no job reads it.",
        )
        for row in rows
        if row["damage"]
    ]


def network_lines(network_report: network.NetworkReport) -> list[DoctorLine]:
    """One line for each address that cannot be reached, or one line when all can."""
    lines = [
        DoctorLine(
            "network",
            "error" if row["required"] else "warn",
            f"{row['name']}: {row['error']['message']}",
            row["error"]["advice"],
        )
        for row in network_report["endpoints"]
        if row["error"]
    ]
    if lines:
        return lines
    slowest = max((row["milliseconds"] for row in network_report["endpoints"]), default=0.0)
    count = len(network_report["endpoints"])
    return [
        DoctorLine(
            "network",
            "ok",
            f"{plural(count, 'address', 'addresses')} checked, the slowest answers in "
            f"{slowest:.0f} ms",
        )
    ]


def proxy_line(network_report: network.NetworkReport) -> DoctorLine:
    """The proxy, the certificate authorities, and whether certificates are checked."""
    proxy, ca = network_report["proxy"], network_report["ca"]
    message = f"{proxy['address']} ({proxy['from']})" if proxy["address"] else "none, direct"
    if ca["bundle"]:
        message += f"; CA {ca['bundle']}"
    if not network_report["tls_verified"]:
        advice = "Set network.ssl_verify = true, and name your proxy's CA in network.ca_bundle."
        return DoctorLine("proxy", "warn", f"{message}; certificates are not checked", advice)
    return DoctorLine("proxy", "ok", message)


def listener_line(state: ListenerState, *, proved: bool = True, wrong: str = "") -> DoctorLine:
    """Whether results and webhooks can be received.

    Args:
        state: the listener's state.
        proved: whether a webhook came from outside through the public URL, or none has to.
        wrong: why an event does not come in through the public URL now.
    """
    if not state["address"]:
        why = state.get("problem") or "it is off"
        return DoctorLine("listener", "error", f"does not listen: {why}",
                    "Free the port, or set listener.listen to another one.")  # fmt: skip
    trouble = state.get("problem") or state.get("warning")
    if trouble:
        advice = "Set listener.listen to a free port, or stop the other program."
        return DoctorLine("listener", "warn", f"{state['address']}; {trouble}", advice)
    public = state.get("public_url")
    if public and wrong:
        message = f"{state['address']}, public {public}: {wrong.rstrip('.')}"
        advice = (
            f"Start the tunnel or proxy; it has to lead to {state['address']}. Or correct "
            "listener.public_url."
        )
        return DoctorLine("listener", "error", message, advice)
    if public and not proved:
        message = f"{state['address']}, public {public}: no webhook from outside was seen yet"
        advice = (
            "Test it from outside (Cloud screen, listener), or wait for a job's first webhook. "
            "Behind a proxy, set listener.trusted_proxies."
        )
        return DoctorLine("listener", "warn", message, advice)
    return DoctorLine(
        "listener", "ok", f"{state['address']}{f', public {public}' if public else ''}"
    )


def delivery_line(report: diagnostics.DeliveryReport, *, has_public_url: bool) -> DoctorLine:
    """Whether the delivery that new jobs use was proved, in the words of `check`.

    A machine without a public URL is not broken: another way can be chosen for each job.
    """
    if report["verdict"] == "works":
        return DoctorLine("delivery", "ok", report["summary"].rstrip("."))
    wanted = "error" if report["verdict"] == "fails" else "warn"
    step = next((step for step in report["steps"] if step["level"] == wanted), None)
    message, advice = (step["message"], step["advice"]) if step else (report["summary"], "")
    not_set_up = report["kind"] == "local" and not has_public_url
    level = "error" if wanted == "error" and not not_set_up else "warn"
    return DoctorLine("delivery", level, message, advice)


def kept_lines(home: Home) -> list[DoctorLine]:
    """A line for what was kept of a database that was taken away while it was open."""
    kept = sorted(path.name for path in home.root.glob(f"{home.database.name}*.kept-*"))
    if not kept:
        return []
    message = f"{', '.join(kept)} in {home.root} hold what an engine knew when its database went"
    advice = "Delete them when you miss nothing; with the engine stopped a state.db.kept-… can be "
    return [DoctorLine("store", "warn", message, f"{advice}moved back to state.db.")]


def disk_line(home: Home, outputs: Path) -> DoctorLine:
    """Free disk space, and whether the folders are writable.

    The room for deliveries is what the storage receiver takes, as in the checks of a job.
    """
    for folder in (home.root, outputs):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return DoctorLine(
                "disk", "error", f"{folder} cannot be written", "Correct its permissions."
            )
    if strange := next((path for path in home.logs.glob("*.log") if not path.is_file()), None):
        return DoctorLine(
            "disk", "error", f"{strange} is no file, so that nothing of its job can be recorded",
            "Move it away.",
        )  # fmt: skip
    try:
        free = min(space_of(home.root).free, receivable(space_of(outputs)))
    except OSError as error:
        return DoctorLine(
            "disk", "error", f"{outputs}: {error.strerror}", "Is the disk still there?"
        )
    message = f"{size(free)} free for {outputs}"
    if free < _NO_SPACE:
        return DoctorLine("disk", "error", message, "Make room: logs and results need it.")
    if free < _LITTLE_SPACE:
        return DoctorLine("disk", "warn", message, "A checkpoint may be larger; make room.")
    return DoctorLine("disk", "ok", message)
