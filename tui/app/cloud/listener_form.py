"""The form of the listener's card: its lines, what is asked first, what each of them changes."""

from __future__ import annotations

from typing import Any, Final

from tui.app.cloud.card import Item, Question

PRESET: Final = ("34.82.0.0/16", "35.185.0.0/16")
"""Networks that Replicate sends webhooks from, as SimpleTuner's documentation names them."""
ALLOWED: Final = "listener.allowed_ips"
TRUSTED: Final = "listener.trusted_proxies"
_SWITCHES: Final = ("listener.verify_signatures", "listener.allow_public_bind")


def items(known: dict[str, Any]) -> list[Item]:
    """The lines; a line's key is the name of its setting wherever it has one."""
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


def _lists(known: dict[str, Any]) -> list[Item]:
    allowed, trusted = _texts(known, "allowed_ips"), _texts(known, "trusted_proxies")
    found = [
        Item(ALLOWED, "Allow address", "text", f"{len(allowed)} on the list",
             "adds addresses or networks")
    ]  # fmt: skip
    if not set(PRESET) <= set(allowed):
        found.append(Item("preset", "  preset", "do", " ".join(PRESET), "Replicate's networks"))
    if allowed:
        found.append(Item("disallow", "  remove", "choice", "", "", _as_choices(allowed)))
    found.append(
        Item(TRUSTED, "Trust proxy", "text", ", ".join(trusted) or "none",
             "adds your own reverse proxy's address")
    )  # fmt: skip
    if trusted:
        found.append(Item("distrust", "  remove", "choice", "", "", _as_choices(trusted)))
    return found


def question(key: str, value: str) -> Question | None:
    """What costs, and what opens a door, is asked about."""
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


def changes(key: str, value: str, known: dict[str, Any]) -> dict[str, Any]:
    """The settings that a line changes, by name."""
    allowed, trusted = _texts(known, "allowed_ips"), _texts(known, "trusted_proxies")
    if key == "preset":
        return {ALLOWED: [*allowed, *(one for one in PRESET if one not in allowed)]}
    if key == "disallow":
        return {ALLOWED: [one for one in allowed if one != value]}
    if key == "distrust":
        return {TRUSTED: [one for one in trusted if one != value]}
    if key in (ALLOWED, TRUSTED):
        typed = value.replace(",", " ").split() or [""]
        return {key: [*(allowed if key == ALLOWED else trusted), *typed]}
    if key == "listener.tls_cert":
        return _certificate(value)
    return {key: value == "on" if key in _SWITCHES else value}


def _certificate(typed: str) -> dict[str, Any]:
    """A certificate, and its key when one is named as well: a new pair comes at once."""
    cert, comma, key = typed.rpartition(",")
    if not comma:
        cert = typed
    if not cert.strip():
        return {"listener.tls_cert": "", "listener.tls_key": ""}
    values = {"listener.tls_cert": cert.strip()}
    return values | ({"listener.tls_key": key.strip()} if comma else {})


def _texts(known: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(one) for one in known.get(name) or ())


def _as_choices(values: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((one, one, "") for one in values)
