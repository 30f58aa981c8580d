"""The network card: each host the program talks to, the proxy, and Replicate's status page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.hardware import STATES
from tui.app.cloud.text import LABEL, Words, problem, row, wrapped
from tui.app.terminal.text_lines import fit
from tui.base import formatting
from tui.base.firewall import HTTPS, WEBHOOK_RANGES, rules

if TYPE_CHECKING:
    from tui.api.network import NetworkChange
    from tui.client.client import ControlClient

_NAME: Final = 24
_PAGE: Final = {
    "operational": ("●", "good", "all systems operational"), "degraded": ("!", "warn", "degraded"),
    "outage": ("✗", "bad", "outage"), "maintenance": ("◌", "warn", "maintenance"),
    "unknown": ("?", "dim", "unknown; jobs work without it"),
}  # fmt: skip


class NetworkCard(Card):
    """Shows the endpoints and the status page; changes proxy and certificates."""

    NAME: ClassVar = "network"
    TITLE: ClassVar = "Network"
    READS: ClassVar = ("network", "status_page")
    CHECKS: ClassVar = ("network_check",)
    COLUMN: ClassVar = 1

    def checks(self) -> tuple[str, ...]:
        """Returns the checks of the endpoints and of the status page."""
        return (*self.CHECKS, "status_page:fresh")

    def state(self) -> tuple[str, str]:
        """Returns whether every needed endpoint answers."""
        known = self.data.get("network_check")
        if not known:
            return ("checking…" if "network_check" in self.data.busy else "not checked"), "dim"
        wrong = sum(not endpoint.get("ok") for endpoint in _dicts(known.get("endpoints")))
        if known.get("tls_verified") is False:
            return "TLS not verified", "bad"
        if not known.get("ok"):
            return f"{wrong} not reached", "bad"
        return (f"connected, {wrong} missing", "warn") if wrong else ("connected", "good")

    # -- what it says -------------------------------------------------------------------------

    def lines(self, width: int) -> list[Words]:
        """Returns lines about endpoints, proxy and status page."""
        known = self.data.get("network_check")
        lines: list[Words] = []
        error = self.data.failed.get("network_check")
        if error is not None:
            lines += problem(error.message, error.advice, width)
        said = ""  # without a network all fail alike: the fix is said once
        for place in _dicts(known.get("endpoints")):
            advice = str((place.get("error") or {}).get("advice") or "")
            lines += self._place(place, width, "" if advice == said else advice)
            said = advice
        if known.get("_at"):
            ago = formatting.ago(known["_at"], self.data.context.clock())
            lines.append(((f"Checked {ago}; t checks again.", "dim"),))
        return [*lines, *self._ways(width), *self._page(width)]

    def _place(self, place: Mapping[str, Any], width: int, advice: str) -> list[Words]:
        name = fit(str(place.get("name") or ""), max(_NAME, width - 14))
        if place.get("ok"):
            slow = bool(place.get("slow"))
            total = f"{float(place.get('milliseconds') or 0):.0f} ms"
            sign = ("! ", "warn") if slow else ("● ", "good")
            first: Words = (sign, (name, "base"), (f" {total:>9}", "base"))
            return [first, *wrapped(_phases(place), "dim", width, indent=2)]
        error = place.get("error") or {}
        needed = bool(place.get("required"))
        mark, tone = ("✗ ", "bad") if needed else ("! ", "warn")
        phase = str(error.get("phase") or "").upper()
        lines: list[Words] = [
            ((mark, tone), (name.rstrip(), "base"), (f"  {phase} failed", tone)),
        ]
        if not needed:
            lines.append((("  not needed for jobs", "dim"),))
        lines += wrapped(str(error.get("message") or ""), tone, width, indent=2)
        return lines + wrapped(advice, "base", width, indent=2)

    def _ways(self, width: int) -> list[Words]:
        known = self.data.get("network") or self.data.get("network_check")
        if not known:
            return []
        ways = known.get("ways") or known
        proxy, ca = ways.get("proxy") or {}, ways.get("ca") or {}
        if not isinstance(proxy, dict):
            proxy = {}
        said = str(proxy.get("address") or "none, direct")
        where = f"  from {proxy.get('from')}" if proxy.get("from") else ""
        lines = [row("proxy", said, "base", (where, "dim")), *_password(proxy, width)]
        if ways.get("tls_verified") is False:
            text = "✗ NOT VERIFIED: whoever sits between can read the token. e: on again."
            lines += wrapped(text, "bad", width, label="TLS")
        else:
            where = f"  from {ca.get('from')}" if ca.get("from") else ""
            bundle = str(ca.get("bundle") or ca.get("usual") or "certifi")
            lines.append(row("CA", bundle, "base", (where, "dim")))
        if known.get("timeout"):
            lines.append(row("time limit", f"{float(known['timeout']):g} s"))
        for words in self.data.get("network_check").get("warnings") or ():
            lines += wrapped(f"! {words}", "warn", width)
        return lines

    def _page(self, width: int) -> list[Words]:
        page = self.data.get("status_page:fresh") or self.data.get("status_page")
        if not page:
            return []
        glyph, tone, words = _PAGE.get(str(page.get("state")), _PAGE["unknown"])
        if page.get("error"):
            words = f"unknown ({page['error']}); jobs work without it"
        lines = wrapped(f"{glyph} {words}", tone, width, label="status page")
        odd = [one for one in _dicts(page.get("components")) if one.get("state") != "operational"]
        for one in odd:
            mark, colour, short = STATES.get(str(one.get("state")), ("?", "dim", "unknown"))
            lines.append(row("", f"{mark} {one.get('name')}", colour, (f"  {short}", "dim")))
        for kind in ("incidents", "maintenances"):
            for one in _dicts(page.get(kind)):
                lines += wrapped(_event(one), "warn", width, indent=LABEL)
        return lines

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the items of the proxy and of the certificates."""
        known = self.data.get("network")
        proxy = known.get("proxy") if isinstance(known.get("proxy"), str) else ""
        verify = "off" if known.get("ssl_verify") is False else "on"
        names = ", ".join(str(one) for one in known.get("no_proxy") or ())
        bundle, limit = str(known.get("ca_bundle") or ""), f"{float(known.get('timeout') or 30):g}"
        masked = "***" in str(proxy)
        password = []
        if "@" in str(proxy):
            password = [Item("proxy_password", "  its password", "secret", "set" if masked else "—",
                             "kept in the keyring")]  # fmt: skip
        return [
            Item("proxy", "Proxy", "text", str(proxy) or "none", "http://, https:// or socks5://",
                 current="" if masked else str(proxy)),
            *password,
            Item("no_proxy", "Not through it", "text", names or "—", "host names", current=names),
            Item("ca_bundle", "CA bundle", "text", bundle or "the usual one", "a PEM file",
                 current=bundle),
            Item("ssl_verify", "Verify TLS", "switch", verify, "", current=verify),
            Item("timeout", "Time limit", "text", f"{limit} s", "seconds, 1 to 600", current=limit),
            Item("components", "Status page", "do", "", "every component, incident, maintenance"),
            Item("egress", "For a firewall", "do", "", "what to let in and out"),
        ]  # fmt: skip

    def question(self, key: str, value: str) -> Question | None:
        """Asks before TLS verification is switched off."""
        if key != "ssl_verify" or value != "off":
            return None
        details = (
            "Whoever sits between this machine and Replicate can then read the token,",
            "and everything that is sent.",
            "Behind a proxy with its own CA, name that in CA bundle instead.",
        )
        return Question("Stop verifying TLS certificates?", details, "Do not verify")

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Changes a setting, then checks everything again."""
        if key == "egress":
            return ChangeResult(title="What a firewall has to let in and out", page=self._egress())
        if key == "components":
            return ChangeResult(title="Replicate's status page", page=self._components())
        if key == "proxy_password":
            if not value:
                return ChangeResult("Nothing was typed; the password stays as it was.")
            key, value = "proxy", _with_word(str(self.data.get("network").get("proxy")), value)
        self.data.known["network"] = await control.cloud.set_network(**_change(key, value))
        self.data.load(self.checks())
        self.data.try_again()
        return ChangeResult("In force for every connection; they are being checked.")

    def _egress(self) -> tuple[Words, ...]:
        egress = self.data.get("network_check").get("egress") or {}
        names, ranges = egress.get("names") or (), egress.get("ranges") or ()
        if not names:
            return ((("Check the network first.", "base"),),)
        listener = self.data.get("listener") or self.data.get("engine").get("listener") or {}
        allowed = tuple(str(one) for one in listener.get("allowed_ips") or ())
        port = _port(str(listener.get("public_url") or ""))
        lines: list[Words] = [((f"In, to port {port} of the public URL:", "base"),)]
        lines += [
            ((f"    {rule.peer:<18}", "accent"), (rule.purpose, "dim"))
            for rule in rules(port, allowed or WEBHOOK_RANGES)
            if rule.direction == "in"
        ]
        lines.append((("Out by name, port 443 (the simpler way):", "base"),))
        lines += [((f"    {one}", "accent"),) for one in names]
        lines.append((("Out by address, port 443:", "base"),))
        lines += [((f"    {one}", "accent"),) for one in ranges]
        lines.append((("simpletuner-tui proxy firewall prints the same.", "dim"),))
        return tuple(lines)

    def _components(self) -> tuple[Words, ...]:
        page = self.data.get("status_page:fresh") or self.data.get("status_page")
        lines: list[Words] = [((str(page.get("page_url") or ""), "dim"),)]
        for one in _dicts(page.get("components")):
            mark, tone, short = STATES.get(str(one.get("state")), ("?", "dim", "unknown"))
            lines.append(((f"{mark} ", tone), (fit(str(one.get("name")), 32), "base"),
                          (short, "dim")))  # fmt: skip
        for kind in ("incidents", "maintenances"):
            events = _dicts(page.get(kind))
            lines.append(((f"{kind}: {'none' if not events else ''}", "strong"),))
            lines += [((f"  {_event(one)}", "warn"),) for one in events]
        if page.get("error"):
            lines.append(((f"The page cannot be read: {page['error']}.", "warn"),))
        return tuple(lines)

    def copies(self) -> str:
        """Returns the proxy in use; empty for none."""
        proxy = (self.data.get("network").get("ways") or {}).get("proxy") or {}
        return str(proxy.get("address") or "")


def _change(key: str, value: str) -> NetworkChange:
    if key == "ssl_verify":
        return {"ssl_verify": value == "on", "confirm": value == "off"}
    return cast("NetworkChange", {key: value})  # the form's other items take text


def _port(public_url: str) -> int:
    """Returns the port that the world connects to."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(public_url).port or HTTPS
    except ValueError:
        return HTTPS


def _with_word(proxy: str, word: str) -> str:
    """Returns the proxy's address with another password, quoted."""
    from urllib.parse import quote

    from tui.replicate.secret import Secret
    from tui.settings.proxy_password import split_password, with_password

    return with_password(split_password(proxy)[0], Secret(quote(word, safe="")))


def _password(proxy: Mapping[str, Any], width: int) -> list[Words]:
    """Returns a line about the proxy's password, if it is not in the keyring."""
    if proxy.get("password") == "file":
        words = "! its password stands in settings.toml; set it here and it goes into the keyring"
        return wrapped(words, "warn", width, indent=LABEL)
    why = str(proxy.get("problem") or "")
    if proxy.get("password") == "session":
        words = "password for this session only" + (f": {why}" if why else "")
        return wrapped(words, "dim", width, indent=LABEL)
    if why:
        return wrapped(f"! password unknown: {why}", "warn", width, indent=LABEL)
    return []


def _phases(place: Mapping[str, Any]) -> str:
    phases = place.get("phases")
    if not isinstance(phases, dict):
        return ""
    parts = [f"{name} {float(spent):.0f}" for name, spent in phases.items()]
    return " · ".join([*(parts if len(parts) > 1 else ()), str(place.get("purpose") or "")])


def _event(event: Mapping[str, Any]) -> str:
    when = str(event.get("starts_at") or event.get("started_at") or "")[:16].replace("T", " ")
    words = f"{event.get('name')} ({event.get('status') or event.get('impact') or 'open'})"
    return f"{words} {when} {event.get('message') or ''}".strip()


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
