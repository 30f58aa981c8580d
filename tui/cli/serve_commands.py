"""`serve` and the engine's own process: the engine for scripts, proxies and other programs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tui.base.collection import paused
from tui.base.json_types import JsonObject
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import encodable_json, harmless, say


def serve(options: argparse.Namespace) -> int:
    """Run engine and listener in the foreground; prints one line for each event."""
    from tui.base.listener_address import bind_for, public_base

    with paused():
        from tui.engine.process.serve import serve as run

    listener: dict[str, str] = {}
    if options.listen:
        if problem := bind_for(options.listen, allow_public=True).problem:
            raise wrong_usage(f"{problem.replace('listener.listen', '--listen')}.")
        listener["listen"] = options.listen
    if options.public_url is not None:
        listener["public_url"] = public_base(options.public_url)
    if options.systemd_unit:
        say(_unit(options))
        return exit_codes.FINE
    run(context.home(), os.environ, {"listener": listener}, _printer(as_json=options.json))
    return exit_codes.FINE


def _unit(options: argparse.Namespace) -> str:
    """A unit that runs this very installation, with the options and the state folder of now."""
    from tui.engine.process.service_manager import user_unit
    from tui.settings import HOME_VARIABLE

    command = [sys.executable, "-m", "tui", "serve"]
    for name in ("listen", "public_url"):
        if value := getattr(options, name):
            command += [f"--{name.replace('_', '-')}", value]
    kept = {HOME_VARIABLE: str(context.home().root)} if os.environ.get(HOME_VARIABLE) else {}
    return user_unit(command, kept).rstrip("\n")


def _printer(*, as_json: bool) -> Callable[[JsonObject], None]:
    def write(event: JsonObject) -> None:
        line = json.dumps(event, ensure_ascii=False) if as_json else _line(event)
        sys.stdout.write(f"{encodable_json(line) if as_json else harmless(line)}\n")
        sys.stdout.flush()

    return write


def _line(event: Mapping[str, Any]) -> str:
    kind = event["event"]
    if kind == "ready":
        scheme = "https" if event["tls"] else "http"
        parts = [f"Listening on {scheme}://{event['listen']}"]
        if event["webhook_url"]:
            parts.append(f"webhooks at {event['webhook_url']}")
        if event["warning"]:
            parts.append(event["warning"])
        return " · ".join(parts)
    if kind == "stopped":
        return "Stopped."
    moment = str(event.get("at", ""))[11:19]
    if kind == "rejected":
        return f"{moment} webhook rejected: {event['message']} (from {event['address'] or '?'})"
    who = " ".join(filter(None, (event.get("name"), event.get("job_id"), event.get("source"))))
    return " ".join(filter(None, (moment, who, kind, event.get("message"))))


def engine(options: argparse.Namespace) -> int:
    """Run the engine in this process."""
    from tui.store.writer import StoreBusyError, check_free

    try:
        check_free(context.home())  # before anything heavy is imported
    except StoreBusyError:
        say("busy")
        return exit_codes.FINE
    with paused():  # imports leave little garbage; looking for it takes a sixth of the start
        from tui.engine.process.main import run_engine

    return run_engine(context.home(), until_eof=options.until_eof, agent=options.agent)
