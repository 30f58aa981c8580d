"""The sandbox's two small models: one tests a webhook address, one greets."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from tui.base.hosts import is_loopback
from tui.sandbox.trust import trusted
from tui.sandbox.worker import RunContext


def check_webhook(run: RunContext) -> dict[str, Any]:
    """Send one POST to an address and report the result."""
    url = str(run.inputs["webhook_url"])
    limit = float(str(run.inputs.get("timeout_seconds", 10)))
    run.line(f"Sending a test event to {httpx.URL(url).copy_with(query=None)}")
    begin = time.monotonic()
    report: dict[str, Any] = {
        "success": False,
        "latency_ms": 0.0,
        "status_code": None,
        "error": None,
        "details": {},
    }
    try:
        answer = httpx.post(
            url,
            content=json.dumps({"type": "webhook.check", "prediction": run.task.id}),
            headers={"content-type": "application/json"},
            timeout=limit,
            trust_env=not is_loopback(url),
            verify=trusted(run.config.ca_bundle),
        )
        report |= {"success": answer.is_success, "status_code": answer.status_code}
        report["details"] = {"content_type": answer.headers.get("content-type", "")}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        report["error"] = f"{type(error).__name__}: {error}"
    report["latency_ms"] = round((time.monotonic() - begin) * 1000, 1)
    run.line(json.dumps(report))
    return report


def greet(run: RunContext) -> list[str]:
    """Greet a text word by word, as output for streams."""
    text = f"hello {run.inputs['text']}"
    words = (text.upper() if run.inputs.get("tone") == "loud" else text).split(" ")
    greeting: list[str] = []
    for word in words:
        run.pause(0.05)
        greeting.append(word if not greeting else f" {word}")
        run.output(list(greeting))
        run.line(f"said {len(greeting)} of {len(words)}")
    return greeting
