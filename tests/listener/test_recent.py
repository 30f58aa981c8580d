"""The last webhooks: what is remembered of them, and what is not."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from tests.listener.hooks import NATIVE, OTHER, Hooks, serve_hooks
from tui.listener import webhooks
from tui.listener.client_address import parse_networks
from tui.listener.reasons import ALL, WORDS
from tui.listener.stats import MOST_KEPT
from tui.listener.webhooks import WebhookSettings


def reasons_in_the_code() -> set[str]:
    """The second argument of every refusal in the package that refuses."""
    found: set[str] = set()
    for path in Path(webhooks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused":
                reason = node.args[1]
                assert isinstance(reason, ast.Constant), ast.unparse(node)
                found.add(str(reason.value))
    return found


def test_every_reason_has_a_text_and_no_other() -> None:
    assert reasons_in_the_code() == set(ALL) == set(WORDS)
    assert len(set(WORDS.values())) == len(WORDS)
    assert all(0 < len(words) <= 24 for words in WORDS.values())


async def test_recent_webhooks_have_their_job_and_sender(hooks: Hooks) -> None:
    await hooks.send(NATIVE, "?key=key-1", message_id="msg_same")
    await hooks.send(NATIVE, "?key=key-1", message_id="msg_same")
    await hooks.send(NATIVE)
    await hooks.send(NATIVE, "?key=key-1", secret=OTHER)
    await hooks.send(NATIVE, "?key=key-of-nobody")
    seen = hooks.receiver.stats.recent()
    assert [(one.outcome, one.job, one.event, one.reason) for one in seen] == [
        ("rejected", "", "", "job_key"),
        ("rejected", "job-1", "", "signature"),
        ("accepted", NATIVE["id"], "logs", ""),
        ("duplicate", "job-1", "", ""),
        ("accepted", "job-1", "logs", ""),
    ]
    assert {one.address for one in seen} == {"127.0.0.1"}
    assert seen[0].message
    assert seen == sorted(seen, key=lambda one: one.at, reverse=True)
    kept = repr(seen)
    assert "key-1" not in kept
    assert "key-of-nobody" not in kept
    assert "Epoch" not in kept  # nothing of a body
    assert "msg_same" not in kept


async def test_a_flood_of_rejected_webhooks_displaces_no_others() -> None:
    async with serve_hooks(WebhookSettings(trusted_proxies=parse_networks(["127.0.0.1"]))) as busy:
        await busy.send(NATIVE, "?key=key-1")
        for number in range(MOST_KEPT + 20):
            await busy.post(NATIVE, {"x-forwarded-for": f"203.0.113.{number}"})
        seen = busy.receiver.stats.recent()
        assert len(seen) == MOST_KEPT + 1
        assert (seen[-1].outcome, seen[-1].job) == ("accepted", "job-1")
        assert seen[0].address == f"203.0.113.{MOST_KEPT + 19}"
        assert busy.receiver.stats.rejected == {"unsigned": MOST_KEPT + 20}
        changes: list[int] = []
        busy.receiver.stats.on_change = lambda: changes.append(1)
        await busy.post(json.dumps(NATIVE).encode())
        assert changes == [1]
