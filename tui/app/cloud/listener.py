"""Webhook listener: where Replicate finds this machine, who may knock, and what came in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui.app.cloud import listener_form
from tui.app.cloud.card import Card, Item, Question, Said
from tui.app.cloud.text import LABEL, Words, cut, row, wrapped
from tui.base import formatting
from tui.listener.reasons import WORDS
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.client.client import ControlClient

_MARKS: Final = {"accepted": ("✓", "good"), "duplicate": ("=", "dim")}
_LAST: Final = 3
"""Events on the card; the page has all that are remembered."""


class ListenerCard(Card):
    """Address, public URL, signature, allowlist, what came in."""

    NAME: ClassVar = "listener"
    TITLE: ClassVar = "Webhook listener"
    READS: ClassVar = ("engine", "webhooks")
    COLUMN: ClassVar = 1

    @property
    def known(self) -> dict[str, Any]:
        """The newest word about it: the fact follows every event."""
        return self.data.get("listener") or self.data.get("engine").get("listener") or {}

    def state(self) -> tuple[str, str]:
        """Whether it listens."""
        known = self.known
        if not known:
            return "", "dim"
        if known.get("state") != "listening":
            return "off", "bad" if known.get("problem") else "dim"
        if known.get("verify_signatures") is False:
            return "signatures off", "bad"
        return "listening", "good"

    def lines(self, width: int) -> list[Words]:
        """From the outside to what came in."""
        known = self.known
        if not known:
            return [(("◌ starts with the engine", "dim"),)]
        tls = "TLS" if known.get("tls") else "no TLS of its own"
        address = str(known.get("address") or "")
        lines = [
            row("address", f"● {address}" if address else "◌ off", "good" if address else "dim",
                (f"  {tls}" if address else "", "dim"))
        ]  # fmt: skip
        lines += wrapped(str(known.get("problem") or ""), "bad", width, indent=LABEL)
        lines += wrapped(str(known.get("warning") or ""), "warn", width, indent=LABEL)
        lines += self._public(known, width)
        lines += self._guards(known, width)
        lines += self._events(known.get("webhooks") or {}, width)
        return [*lines, *self._last(width)]

    def _public(self, known: dict[str, Any], width: int) -> list[Words]:
        public = str(known.get("public_url") or "")
        if public:
            return wrapped(str(known.get("webhook_url") or public), "base", width, label="public")
        if self.data.sandbox:
            return [row("public", "not needed: the sandbox is on this machine", "dim")]
        lines = [row("public", "none", "warn", ("  jobs are polled instead", "dim"))]
        text = "Replicate reaches this machine through a tunnel: e, then How to."
        return lines + wrapped(text, "base", width, indent=LABEL)

    def _guards(self, known: dict[str, Any], width: int) -> list[Words]:
        if known.get("verify_signatures") is False:
            text = "✗ OFF: anybody who finds the address can pretend to be Replicate. e: on again."
            lines = wrapped(text, "bad", width, label="signature")
        else:
            lines = [row("signature", "● verified", "good")]
        allowed = [str(one) for one in known.get("allowed_ips") or ()]
        if allowed:
            lines += wrapped(", ".join(allowed), "base", width, label="allowed")
        else:
            lines.append(row("allowed", "every address", "dim", ("  not filtered", "dim")))
        trusted = [str(one) for one in known.get("trusted_proxies") or ()]
        if trusted:
            lines += wrapped(", ".join(trusted), "base", width, label="proxies")
        return lines

    def _events(self, stats: dict[str, Any], width: int) -> list[Words]:
        taken, turned = int(stats.get("accepted") or 0), int(stats.get("rejected_total") or 0)
        again = int(stats.get("duplicates") or 0)
        now = self.data.app.clock()
        when = ""
        if stats.get("last_accepted_at"):
            last = datetime.fromisoformat(str(stats["last_accepted_at"]))
            when = f", the last {formatting.ago(last, now)}"
        twice = f" ({again} twice)" if again else ""
        lines = [row("accepted", f"{taken}{twice}{when}", "good" if taken else "dim")]
        if not turned:
            return [*lines, row("rejected", "0", "dim")]
        reasons = stats.get("rejected")
        counts = reasons.items() if isinstance(reasons, dict) else ()
        words = " · ".join(f"{count} {WORDS.get(one, one)}" for one, count in counts)
        lines += wrapped(f"{turned}: {words}", "warn", width, label="rejected")
        return lines

    def _last(self, width: int) -> list[Words]:
        """The newest events, one line each."""
        events = self.data.get("webhooks").get("events")
        rows = [one for one in events if isinstance(one, dict)] if isinstance(events, list) else []
        lines = [
            cut((*row("last" if not number else "", "", "base"), *self.seen(one)), width)
            for number, one in enumerate(rows[:_LAST])
        ]
        if len(rows) > _LAST:
            lines.append(row("", f"e, then Last events: {len(rows)} of them", "dim"))
        return lines

    def seen(self, one: dict[str, Any], *, full: bool = False) -> Words:
        """What came, when, about which job, from where, and why it was turned away."""
        at = datetime.fromisoformat(str(one.get("at")))
        when = formatting.stamp(at) if full else formatting.ago(at, self.data.app.clock())
        outcome, reason = str(one.get("outcome")), str(one.get("reason") or "")
        mark, tone = _MARKS.get(outcome, ("✗", "warn"))
        what = {
            "accepted": str(one.get("event") or "event"), "duplicate": "came again",
        }.get(outcome, WORDS.get(reason, reason))  # fmt: skip
        job, address = self._job(str(one.get("job") or "")), str(one.get("address") or "")
        about = f"  {job}" if job else ""
        whence = f"  from {address}" if address else ""
        return ((f"{mark} ", tone), (f"{when}  ", "dim"), (what, "base" if mark == "✓" else tone),
                (about, "base"), (whence, "dim"))  # fmt: skip

    def _job(self, job_id: str) -> str:
        """A job by its name; a test by what it is; another's by its id."""
        if job_id.startswith("test-"):
            return "a test"
        try:
            job = self.data.app.reader.job(job_id) if job_id else None
        except StoreError:
            job = None
        return job.name if job is not None else job_id

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Addresses, guards, events, tests."""
        return listener_form.items(self.known)

    def question(self, key: str, value: str) -> Question | None:
        """What costs, and what opens a door, is asked about."""
        return listener_form.question(key, value)

    async def apply(self, control: ControlClient, key: str, value: str) -> Said:
        """Change one setting, test, or show a page."""
        cloud = control.cloud
        if key == "test":
            return _tested(await cloud.test_webhook())
        if key == "outside":
            return _tested(await cloud.test_webhook_from_outside())
        if key == "how":
            return Said(title="How Replicate reaches this machine", page=self.how_to())
        if key == "events":
            self.data.known["webhooks"] = await cloud.webhooks()
            return Said(title="Last webhooks", page=self.events_page())
        values = listener_form.changes(key, value, self.known)
        await cloud.change_settings(values, confirm=True)  # `question` has asked
        self.data.known["listener"] = (await control.info()).get("listener") or {}
        return Said("Changed; it is in force.")

    def events_page(self) -> tuple[Words, ...]:
        """All that are remembered, newest first, with the reasons in full."""
        lines: list[Words] = []
        for one in self.data.get("webhooks").get("events") or ():
            lines.append(self.seen(one, full=True))
            if one.get("message"):
                lines.append(((f"    {one['message']}", "dim"),))
        nothing: Words = (("Nothing has come since the engine started.", "base"),)
        return tuple(lines) or (nothing,)

    # -- how to get there ---------------------------------------------------------------------

    def port(self) -> str:
        """The port it listens on."""
        return str(self.known.get("address") or "127.0.0.1:8080").rpartition(":")[2]

    def copies(self) -> str:
        """The address for Replicate, or the command for a tunnel while there is none."""
        return str(self.known.get("webhook_url") or f"cloudflared tunnel --url {self._here()}")

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.port()}"

    def how_to(self) -> tuple[Words, ...]:
        """Ways to a public https address; `y` on the page copies all of it."""
        lines: list[Words] = []
        ways = (
            ("A tunnel, nothing to set up", f"cloudflared tunnel --url {self._here()}"),
            ("ngrok", f"ngrok http {self.port()}"),
            ("Tailscale", f"tailscale funnel {self.port()}"),
            ("A server of yours, by ssh (with a web server before it)",
             f"ssh -N -R 127.0.0.1:{self.port()}:127.0.0.1:{self.port()} you@server"),
            ("Caddy on it", f"caddy reverse-proxy --from hooks.example.org --to :{self.port()}"),
        )  # fmt: skip
        for title, command in ways:
            lines += [((title, "base"),), (("    ", "base"), (command, "accent")), (("", "base"),)]
        lines.append(
            (("Then set the https address as Public URL, and test it from here.", "base"),)
        )
        lines.append((("A proxy before it must keep path, Host and body as they are.", "dim"),))
        return tuple(lines)


def _tested(report: dict[str, Any]) -> Said:
    words = str(report.get("message") or "No answer.")
    return Said(words, level="info" if report.get("success") else "error")
