"""What the Cloud screen says, as lines of facts read from the store and the settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tui import formatting
from tui.app.status import username
from tui.app.widgets.sheet import Fact, fact, heading
from tui.simpletuner.hardware import PROFILES, HardwareProfile
from tui.store.reader import is_loopback
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.app.app import SimpleTunerApp


def cloud_facts(app: SimpleTunerApp) -> Iterator[Fact]:
    """All lines of the screen."""
    try:
        yield from _account(app)
        yield from _hardware(app)
        yield from _delivery(app)
        yield from _files(app)
    except StoreError as error:
        yield from heading("The job database cannot be read")
        yield fact("", error.message, "bad")
        yield fact("", error.advice)


def trainer_models() -> list[str]:
    """Models that have versions to read, each once."""
    return [profile.model for profile in PROFILES.values() if profile.model and profile.gpus == 1]


def _known(app: SimpleTunerApp, name: str) -> tuple[dict[str, Any], datetime | None]:
    found = app.reader.fact(name)
    if found is None or not isinstance(found.value, dict):
        return {}, None
    return found.value, found.at


def _account(app: SimpleTunerApp) -> Iterator[Fact]:
    known, at = _known(app, "account")
    yield from heading("Account")
    base = str(known.get("api_base") or app.settings.cloud.api_base)
    sandbox = (("  SANDBOX: nothing leaves this machine", "sandbox"),) if is_loopback(base) else ()
    yield fact("API", base, "base", *sandbox)
    engine = app.engine
    if engine.state == "starting":
        yield fact("engine", "◌ starting…", "dim")
    elif engine.state == "gone":
        yield fact("engine", f"✗ {engine.message}", "bad", (f"  {engine.advice}", "dim"))
    else:
        yield fact("engine", "● running", "good", ("  jobs go on when this window closes", "dim"))
    if not known:
        yield fact("token", "not checked yet", "dim", ("  v checks it", "dim"))
        return
    source = known.get("token_source")
    checked = f"  checked {formatting.ago(at, app.clock())}"
    if known.get("valid"):
        yield fact("signed in as", f"@{username(known)}", "strong", (checked, "dim"))
        yield fact("token", f"● valid, from {_source(source)}", "good")
    elif not source:
        yield fact("token", "✗ none", "bad", (checked, "dim"))
    else:
        state = "? not checked" if known.get("unreachable") else "✗ refused"
        yield fact("token", f"{state}, from {_source(source)}", "bad", (checked, "dim"))
    if known.get("error"):
        yield fact("", str(known["error"]), "bad")
        yield fact("", str(known.get("advice") or "Set REPLICATE_API_TOKEN and start again."))


def _source(source: object) -> str:
    return {"environment": "the environment", "keyring": "the keyring"}.get(
        str(source), str(source or "somewhere")
    )


def _hardware(app: SimpleTunerApp) -> Iterator[Fact]:
    read_on = max(profile.read_on for profile in PROFILES.values())
    yield from heading("Hardware")
    yield fact("", f"{'':10} {'VRAM':>8}  {'PRICE':>9}   NEWEST VERSION", "dim")
    for profile in PROFILES.values():
        if profile.model is not None:
            yield _profile(app, profile)
    yield fact("", f"Prices as published on {read_on:%Y-%m-%d}; [rates_micros] in the settings "
               "file replaces them.", "dim")  # fmt: skip


def _profile(app: SimpleTunerApp, profile: HardwareProfile) -> Fact:
    rate = app.settings.rates_micros.get(profile.id, profile.micros_per_second)
    memory = f"{profile.vram_gb * profile.gpus} GB"
    default = profile.id == app.settings.cloud.hardware
    text = f"{profile.label:10} {memory:>8}  {formatting.rate(rate):>9}   "
    return fact(
        "default" if default else "", text, "base", _version(app, profile), (_note(profile), "dim")
    )


def _note(profile: HardwareProfile) -> str:
    return f"  {profile.best_for}" if profile.gpus == 1 else ""


def _version(app: SimpleTunerApp, profile: HardwareProfile) -> tuple[str, str]:
    pinned = app.settings.cloud.pinned_versions.get(profile.model or "")
    if pinned:
        return f"{pinned[:12]} pinned    ", "warn"
    known, _ = _known(app, f"versions:{profile.model}")
    versions = known.get("versions") or []
    if not versions:
        return f"{'—':<23}", "dim"
    newest = versions[0]
    return f"{str(newest.get('id', ''))[:12]} {str(newest.get('created_at', ''))[:10]}", "base"


def _delivery(app: SimpleTunerApp) -> Iterator[Fact]:
    known, _ = _known(app, "listener")
    yield from heading("Delivery and listener")
    yield fact("results go to", str(known.get("outputs") or app.home.outputs))
    if not known:
        yield fact("listener", "starts with the first job that needs it", "dim")
        return
    if known.get("state") == "listening":
        yield fact("listener", f"● {known.get('address')}", "good")
    else:
        yield fact("listener", "◌ off", "dim")
    if known.get("problem") or known.get("error"):
        yield fact("", str(known.get("problem") or known.get("error")), "warn")
    public = str(known.get("public_url") or "")
    if public:
        yield fact("public URL", public)
    elif not (app.sandbox or is_loopback(app.settings.cloud.api_base)):
        yield fact("public URL", "none", "warn",
                   ("  Replicate cannot deliver files here without one: set [listener] public_url",
                    "dim"))  # fmt: skip


def _files(app: SimpleTunerApp) -> Iterator[Fact]:
    yield from heading("Files")
    settings = app.home.settings_file
    there = settings.exists()
    yield fact(
        "settings", str(settings), "base", ("" if there else "  not there yet: defaults", "dim")
    )
    yield fact("state", str(app.home.root))
    yield fact("engine log", str(app.home.engine_log))
