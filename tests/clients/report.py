"""Runs the scenarios of a script and prints one JSON line for each. Used in other environments."""

from __future__ import annotations

import json
import os
import threading
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TypeVar

E = TypeVar("E", bound=Exception)

ROOT = os.environ["SANDBOX"]
HELLO = "replicate/hello-world"
TRAINER = "simpletuner/advanced-trainer-l40s"
CONFIG = json.dumps({"--model_family": "flux", "--max_train_steps": 6, "--lora_rank": 4})
HOSTED = '[{"id": "hosted", "type": "huggingface"}]'
RUN = {"config_json": CONFIG, "dataloader_json": HOSTED}
LONG = RUN | {"max_train_steps": 10**6}


def report(scenarios: list[Callable[[], None]]) -> None:
    wanted = os.environ["SCENARIOS"].split()
    for scenario in scenarios:
        if wanted and scenario.__name__ not in wanted:
            continue
        problem = ""
        try:
            scenario()
        except Exception:
            problem = traceback.format_exc()
        print(json.dumps([scenario.__name__, problem]), flush=True)


def refused(kind: type[E], call: Callable[[], object]) -> E:
    """The error of a call that must fail."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def fault(text: str) -> None:
    """Activate a fault of the sandbox."""
    request = urllib.request.Request(
        f"{ROOT}/_sandbox/faults",
        data=json.dumps(text).encode(),
        headers={"Authorization": f"Bearer {os.environ['REPLICATE_API_TOKEN']}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[dict[str, str], str]], threading.Event]]:
    """An address, the webhooks received there, and an event that is set by the first."""
    got: list[tuple[dict[str, str], str]] = []
    came = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            came.set()

        def log_message(self, *_: object) -> None:
            """Log nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, came
    server.shutdown()
    server.server_close()
