"""Webhook listener: where Replicate finds this machine, who may knock, and what came in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui import formatting
from tui.app.cards.card import Card, Item, Question, Said
from tui.app.cards.words import LABEL, Words, row, wrapped

if TYPE_CHECKING:
    from tui.engine.control_client import ControlClient

PRESET: Final = ("34.82.0.0/16", "35.185.0.0/16")
"""Networks that Replicate sends webhooks from, as SimpleTuner's documentation names them."""
_REASONS: Final = {
    "signature": "wrong signature", "address": "address not allowed", "method": "no POST",
    "too_large": "too large", "rate": "too many", "key": "unknown key", "body": "no JSON",
}  # fmt: skip


class ListenerCard(Card):
    """Address, public URL, signature, allowlist, what came in."""

    NAME: ClassVar = "listener"
    TITLE: ClassVar = "Webhook listener"
    READS: ClassVar = ("engine",)
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
        return lines

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
        words = " · ".join(f"{count} {_REASONS.get(one, one)}" for one, count in counts)
        lines += wrapped(f"{turned}: {words}", "warn", width, label="rejected")
        last_one = stats.get("last_rejection")
        if isinstance(last_one, dict):
            at = formatting.ago(datetime.fromisoformat(str(last_one.get("at"))), now)
            text = f"{at} from {last_one.get('address')}: {last_one.get('message')}"
            lines += wrapped(text, "dim", width, indent=LABEL)
        return lines

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Addresses, guards, tests."""
        known = self.known
        public = str(known.get("public_url") or "")
        on = "off" if known.get("verify_signatures") is False else "on"
        allowed = tuple(str(one) for one in known.get("allowed_ips") or ())
        trusted = tuple(str(one) for one in known.get("trusted_proxies") or ())
        found = [
            Item("webhook_url", "Public URL", "text", public or "none", "https, without a path",
                 current=public),
            Item("webhook_require_signature", "Signatures", "switch", on, "", current=on),
            Item("allow", "Allow address", "text", f"{len(allowed)} on the list",
                 "add an address or a network"),
        ]  # fmt: skip
        if not set(PRESET) <= set(allowed):
            found.append(Item("preset", "  preset", "do", " ".join(PRESET), "Replicate's networks"))
        if allowed:
            found.append(Item("disallow", "  remove", "choice", "", "", _as_choices(allowed)))
        found.append(Item("trust", "Trust proxy", "text", ", ".join(trusted) or "none",
                          "your own reverse proxy's address"))  # fmt: skip
        if trusted:
            found.append(Item("distrust", "  remove", "choice", "", "", _as_choices(trusted)))
        found += [
            Item("test", "Test from here", "do", "", "a signed event through the public URL"),
            Item("outside", "Test from outside", "do", "", "Replicate calls; about $0.0001"),
            Item("how", "How to", "do", "", "tunnels and reverse proxies, with commands"),
        ]
        return found

    def question(self, key: str, value: str) -> Question | None:
        """What costs, and what opens a door, is asked about."""
        if key == "outside":
            details = (
                "Runs the model simpletuner/webhook-check on Replicate for a second of CPU.",
                "It costs about $0.0001.",
            )
            return Question("Let Replicate call the public URL?", details, "Run it")
        if key == "webhook_require_signature" and value == "off":
            details = (
                "Anybody who finds the address can then pretend to be Replicate:",
                "tell this program that a job has ended, or give it false results.",
            )
            return Question("Take webhooks without a signature?", details, "Do not verify")
        return None

    async def apply(self, control: ControlClient, key: str, value: str) -> Said:
        """Change one setting, or test."""
        cloud = control.cloud
        if key == "test":
            return _tested(await cloud.test_webhook())
        if key == "outside":
            return _tested(await cloud.test_webhook_from_outside())
        if key == "how":
            return Said(title="How Replicate reaches this machine", page=self.how_to())
        known = self.known
        allowed = [str(one) for one in known.get("allowed_ips") or ()]
        trusted = [str(one) for one in known.get("trusted_proxies") or ()]
        changes: dict[str, Callable[[], dict[str, Any]]] = {
            "webhook_url": lambda: {"webhook_url": value},
            "webhook_require_signature": lambda: {key: value == "on"},
            "allow": lambda: {"webhook_allowed_ips": _with(allowed, value)},
            "preset": lambda: {"webhook_allowed_ips": _with(allowed, *PRESET)},
            "disallow": lambda: {"webhook_allowed_ips": [one for one in allowed if one != value]},
            "trust": lambda: {"webhook_trusted_proxies": _with(trusted, value)},
            "distrust": lambda: {
                "webhook_trusted_proxies": [one for one in trusted if one != value]
            },
        }
        await cloud.change_provider(**changes[key]())
        self.data.known["listener"] = (await control.info()).get("listener") or {}
        return Said("Changed; it is in force.")

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


def _as_choices(values: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one, one, "") for one in values)


def _with(values: list[str], *more: str) -> list[str]:
    typed = [part for text in more for part in text.replace(",", " ").split()] or [""]
    return [*values, *(one for one in typed if one not in values)]
