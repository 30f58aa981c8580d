"""The listener card: the public address, who may call it, and the last webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.text import LABEL, Words, cut, row, wrapped
from tui.base import formatting
from tui.base.firewall import WEBHOOK_RANGES
from tui.listener.reasons import WORDS
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.settings import SettingValue
    from tui.api.webhooks import WebhookTestReport
    from tui.client.client import ControlClient

_MARKS: Final = {"accepted": ("✓", "good"), "duplicate": ("=", "dim")}
_LAST: Final = 3
"""Events on the card; the page has all that are remembered."""
PRESET: Final = WEBHOOK_RANGES
ALLOWED: Final = "listener.allowed_ips"
TRUSTED: Final = "listener.trusted_proxies"
_SWITCHES: Final = ("listener.verify_signatures", "listener.allow_public_bind")


class ListenerCard(Card):
    """Shows and changes address, public URL, signatures and allowlist; lists webhooks."""

    NAME: ClassVar = "listener"
    TITLE: ClassVar = "Webhook listener"
    READS: ClassVar = ("engine", "webhooks")
    COLUMN: ClassVar = 1

    @property
    def known(self) -> Mapping[str, Any]:
        """What is known of the listener; the fact is newer than the engine's answer."""
        return self.data.get("listener") or self.data.get("engine").get("listener") or {}

    def state(self) -> tuple[str, str]:
        """Returns whether it listens."""
        known = self.known
        if not known:
            return "", "dim"
        if known.get("state") != "listening":
            return "off", "bad" if known.get("problem") else "dim"
        if known.get("verify_signatures") is False:
            return "signatures off", "bad"
        return "listening", "good"

    def lines(self, width: int) -> list[Words]:
        """Returns lines from the public URL to the last webhooks."""
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

    def _public(self, known: Mapping[str, Any], width: int) -> list[Words]:
        public = str(known.get("public_url") or "")
        if public:
            return wrapped(str(known.get("webhook_url") or public), "base", width, label="public")
        if self.data.sandbox:
            return [row("public", "not needed: the sandbox is on this machine", "dim")]
        lines = [row("public", "none", "warn", ("  jobs are polled instead", "dim"))]
        text = "Replicate reaches this machine through a tunnel: e, then How to."
        return lines + wrapped(text, "base", width, indent=LABEL)

    def _guards(self, known: Mapping[str, Any], width: int) -> list[Words]:
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

    def _events(self, stats: Mapping[str, Any], width: int) -> list[Words]:
        taken, turned = int(stats.get("accepted") or 0), int(stats.get("rejected_total") or 0)
        again = int(stats.get("duplicates") or 0)
        now = self.data.context.clock()
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
        """Returns a line for each of the newest webhooks."""
        events = self.data.get("webhooks").get("events")
        listed = events if isinstance(events, list) else []
        rows = [event for event in listed if isinstance(event, dict)]
        lines = [
            cut((*row("last" if not number else "", "", "base"), *self.seen(event)), width)
            for number, event in enumerate(rows[:_LAST])
        ]
        if len(rows) > _LAST:
            lines.append(row("", f"e, then Last events: {len(rows)} of them", "dim"))
        return lines

    def seen(self, event: Mapping[str, Any], *, full: bool = False) -> Words:
        """Returns time, kind, job, sender and, if it was rejected, the reason of a webhook."""
        at = datetime.fromisoformat(str(event.get("at")))
        when = formatting.stamp(at) if full else formatting.ago(at, self.data.context.clock())
        outcome, reason = str(event.get("outcome")), str(event.get("reason") or "")
        mark, tone = _MARKS.get(outcome, ("✗", "warn"))
        what = {
            "accepted": str(event.get("event") or "event"), "duplicate": "came again",
        }.get(outcome, WORDS.get(reason, reason))  # fmt: skip
        job, address = self._job(str(event.get("job") or "")), str(event.get("address") or "")
        about = f"  {job}" if job else ""
        whence = f"  from {address}" if address else ""
        return ((f"{mark} ", tone), (f"{when}  ", "dim"), (what, "base" if mark == "✓" else tone),
                (about, "base"), (whence, "dim"))  # fmt: skip

    def _job(self, job_id: str) -> str:
        """Returns a job's name, the kind of a test, or the id of a foreign prediction."""
        if job_id.startswith("test-"):
            return "a test"
        try:
            job = self.data.context.reader.job(job_id) if job_id else None
        except StoreError:
            job = None
        return job.name if job is not None else job_id

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the items of the form."""
        return form_items(self.known)

    def question(self, key: str, value: str) -> Question | None:
        """Asks before a change that costs money or lowers a guard."""
        return form_question(key, value)

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes a setting, runs a test, or shows a page."""
        cloud = control.cloud
        if key == "test":
            return _tested(await cloud.test_webhook())
        if key == "outside":
            return _tested(await cloud.test_webhook_from_outside())
        if key == "how":
            return ChangeResult(title="How Replicate reaches this machine", page=self.how_to())
        if key == "events":
            self.data.known["webhooks"] = await cloud.webhooks()
            return ChangeResult(title="Last webhooks", page=self.events_page())
        values = changed_settings(key, value, self.known)
        await cloud.change_settings(values, confirm=True)  # `question` has asked
        self.data.known["listener"] = (await control.info())["listener"]
        return ChangeResult("Changed; it is in force.")

    def events_page(self) -> tuple[Words, ...]:
        """Returns all remembered webhooks, the newest first, with their reasons in full."""
        lines: list[Words] = []
        for event in self.data.get("webhooks").get("events") or ():
            lines.append(self.seen(event, full=True))
            if event.get("message"):
                lines.append(((f"    {event['message']}", "dim"),))
        nothing: Words = (("Nothing has come since the engine started.", "base"),)
        return tuple(lines) or (nothing,)

    # -- how to get there ---------------------------------------------------------------------

    def port(self) -> str:
        """The port that it listens on."""
        return str(self.known.get("address") or "127.0.0.1:8080").rpartition(":")[2]

    def copies(self) -> str:
        """Returns the public address, or the command for a tunnel where there is none."""
        return str(self.known.get("webhook_url") or f"cloudflared tunnel --url {self._here()}")

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.port()}"

    def how_to(self) -> tuple[Words, ...]:
        """Returns a page about ways to a public https address."""
        lines: list[Words] = []
        ways = (
            ("A tunnel, nothing to set up", f"cloudflared tunnel --url {self._here()}"),
            ("ngrok", f"ngrok http {self.port()}"),
            ("Tailscale", f"tailscale funnel {self.port()}"),
            ("A server of yours, by ssh (with a web server before it)",
             f"ssh -N -R 127.0.0.1:{self.port()}:127.0.0.1:{self.port()} you@server"),
            ("nginx, Caddy or Traefik: a configuration for your host and ranges",
             "simpletuner-tui proxy nginx --host hooks.example.org"),
            ("What a firewall has to let in and out", "simpletuner-tui proxy firewall"),
        )  # fmt: skip
        for title, command in ways:
            lines += [((title, "base"),), (("    ", "base"), (command, "accent")), (("", "base"),)]
        lines.append(
            (("Then set the https address as Public URL, and test it from here.", "base"),)
        )
        lines.append((("A proxy before it must keep path, Host and body as they are.", "dim"),))
        return tuple(lines)


def _tested(report: WebhookTestReport) -> ChangeResult:
    words = report["message"] or "No answer."
    return ChangeResult(words, level="info" if report["success"] else "error")


def form_items(known: Mapping[str, Any]) -> list[Item]:
    """Returns the items of the form; a key is the name of the setting, if there is one."""
    public, listen = str(known.get("public_url") or ""), str(known.get("listen") or "")
    cert, key = str(known.get("tls_cert") or ""), str(known.get("tls_key") or "")
    verify = "off" if known.get("verify_signatures") is False else "on"
    others = "on" if known.get("allow_public_bind") else "off"
    return [
        Item("listener.public_url", "Public URL", "text", public or "none",
             "https, without our path", current=public),
        Item("listener.listen", "Listen on", "text", listen, "host:port", current=listen),
        Item("listener.allow_public_bind", "Other machines", "switch", others,
             "may reach that address themselves", current=others),
        Item("listener.tls_cert", "TLS certificate", "text", cert or "none",
             "PEM file; its key behind a comma", current=cert),
        Item("listener.tls_key", "TLS key", "text", key or ("in the same file" if cert else "none"),
             "PEM file", current=key),
        Item("listener.verify_signatures", "Signatures", "switch", verify, "", current=verify),
        *_lists(known),
        Item("events", "Last events", "do", "", "accepted and rejected, with reasons"),
        Item("test", "Test from here", "do", "", "a signed event through the public URL"),
        Item("outside", "Test from outside", "do", "", "Replicate calls; about $0.0001"),
        Item("how", "How to", "do", "", "tunnels and reverse proxies, with commands"),
    ]  # fmt: skip


def _lists(known: Mapping[str, Any]) -> list[Item]:
    allowed, trusted = _texts(known, "allowed_ips"), _texts(known, "trusted_proxies")
    items = [
        Item(ALLOWED, "Allow address", "text", f"{len(allowed)} on the list",
             "adds addresses or networks")
    ]  # fmt: skip
    if not set(PRESET) <= set(allowed):
        items.append(Item("preset", "  preset", "do", " ".join(PRESET), "Replicate's networks"))
    if allowed:
        items.append(Item("disallow", "  remove", "choice", "", "", _as_choices(allowed)))
    items.append(
        Item(TRUSTED, "Trust proxy", "text", ", ".join(trusted) or "none",
             "adds your own reverse proxy's address")
    )  # fmt: skip
    if trusted:
        items.append(Item("distrust", "  remove", "choice", "", "", _as_choices(trusted)))
    return items


def form_question(key: str, value: str) -> Question | None:
    """Asks before a change that costs money or lowers a guard."""
    details: tuple[str, ...]
    if key == "outside":
        details = (
            "Runs the model simpletuner/webhook-check on Replicate for a second of CPU.",
            "It costs about $0.0001.",
        )
        return Question("Let Replicate call the public URL?", details, "Run it")
    if key == "listener.verify_signatures" and value == "off":
        details = (
            "Anybody who finds the address can then pretend to be Replicate:",
            "tell this program that a job has ended, or give it false results.",
        )
        return Question("Take webhooks without a signature?", details, "Do not verify")
    if key == "listener.allow_public_bind" and value == "on":
        details = (
            "An address such as 0.0.0.0:8080 can then be listened on.",
            "Webhooks need a signature there, deliveries a job's keys, the rest an API key.",
            "A tunnel or a reverse proxy on this machine does not need it.",
        )
        return Question("Let other machines reach the listener?", details, "Allow it")
    return None


def changed_settings(
    key: str, value: str, known: Mapping[str, Any]
) -> dict[str, SettingValue | None]:
    """Returns the settings that an item changes, by name."""
    allowed, trusted = _texts(known, "allowed_ips"), _texts(known, "trusted_proxies")
    if key == "preset":
        return {ALLOWED: [*allowed, *(text for text in PRESET if text not in allowed)]}
    if key == "disallow":
        return {ALLOWED: [text for text in allowed if text != value]}
    if key == "distrust":
        return {TRUSTED: [text for text in trusted if text != value]}
    if key in (ALLOWED, TRUSTED):
        typed = value.replace(",", " ").split() or [""]
        return {key: [*(allowed if key == ALLOWED else trusted), *typed]}
    if key == "listener.tls_cert":
        return _certificate(value)
    return {key: value == "on" if key in _SWITCHES else value}


def _certificate(typed: str) -> dict[str, SettingValue | None]:
    """Returns the settings of a certificate and, behind a comma, its key."""
    cert, comma, key = typed.rpartition(",")
    if not comma:
        cert = typed
    if not cert.strip():
        return {"listener.tls_cert": "", "listener.tls_key": ""}
    values: dict[str, SettingValue | None] = {"listener.tls_cert": cert.strip()}
    if comma:
        values["listener.tls_key"] = key.strip()
    return values


def _texts(known: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(text) for text in known.get(name) or ())


def _as_choices(values: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((value, value, "") for value in values)
