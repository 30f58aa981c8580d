"""`sandbox`: serves the stand-in for Replicate."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.base.errors import ApiError
from tui.cli import exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say

if TYPE_CHECKING:
    from tui.sandbox.config import SandboxConfig
    from tui.sandbox.server import RunningSandbox


def sandbox(options: argparse.Namespace) -> int:
    """Serve until interrupted; prints the addresses once it answers."""
    from tui.sandbox.cog_worker.worker import CogMissingError
    from tui.sandbox.config import SandboxConfig
    from tui.sandbox.faults import Fault

    try:
        config = SandboxConfig(
            port=options.port,
            speed=options.speed,
            work_dir=Path(options.work_dir).expanduser().absolute() if options.work_dir else None,
            worker=options.worker,
            faults=tuple(Fault.parse(text) for text in options.fault),
            **({"release": options.release} if options.release else {}),
        )
    except ValueError as error:
        advice = "simpletuner-tui sandbox --help tells what there is."
        raise wrong_usage(str(error), advice) from None
    if config.worker == "cog":
        # Each run is a Cog server of its own, with about 80 MB of memory.
        config = replace(config, slots_per_model=2)
    try:
        asyncio.run(_serve(config, options))
    except CogMissingError as error:
        raise ApiError(str(error), code="no_cog") from None
    except (OSError, OverflowError) as error:
        what = getattr(error, "filename", None) or f"port {options.port}"
        why = getattr(error, "strerror", None) or error
        raise ApiError(f"{what} cannot be used: {why}", "Choose another.", code="file") from None
    return exit_codes.FINE


async def _serve(config: SandboxConfig, options: argparse.Namespace) -> None:
    from tui.sandbox.hub import HUB_TOKEN
    from tui.sandbox.server import run_forever

    def announce(running: RunningSandbox) -> None:
        if options.json:
            addresses = {
                "api_base": running.base_url,
                "token": running.token,
                "hf_endpoint": running.hub_url,
                "hf_token": HUB_TOKEN,
            }
            say(json.dumps(addresses))
        else:
            say("The sandbox answers. Nothing leaves this machine, nothing is paid. To use it:")
            say(f"  export SIMPLETUNER_TUI_API_BASE={running.base_url}")
            say(f"  export REPLICATE_API_TOKEN={running.token}")
            if running.hub_url:
                say(f"  export HF_ENDPOINT={running.hub_url}")
                others = "hf_read, hf_expired, hf_fine rehearse others"
                say(f"  export HF_TOKEN={HUB_TOKEN}    # {others}")
        sys.stdout.flush()

    loop = asyncio.get_running_loop()
    server = asyncio.ensure_future(run_forever(config, announce))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.cancel)
    watcher = asyncio.create_task(_end_with_input(server)) if options.until_eof else None
    with contextlib.suppress(asyncio.CancelledError):
        await server
    if watcher is not None:
        watcher.cancel()


async def _end_with_input(server: asyncio.Future[None]) -> None:
    """End the server when standard input closes: its owner has ended."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.read(1024):
        continue
    server.cancel()
