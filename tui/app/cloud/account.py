"""The account card: who is signed in, and the tokens of Replicate and the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.text import LABEL, Words, problem, row, wrapped
from tui.app.shell.status import username
from tui.base import formatting

if TYPE_CHECKING:
    from tui.api.credentials import TokenKind, TokenValidation
    from tui.client.client import ControlClient, ControlError

_KINDS: Final = {"replicate": "Replicate", "huggingface": "Hugging Face"}
_VARIABLES: Final = {"replicate": "REPLICATE_API_TOKEN", "huggingface": "HF_TOKEN"}
_SOURCES: Final = {
    "environment": "the environment", "keyring": "the keyring", "session": "this session's memory",
}  # fmt: skip
_STATES: Final = {
    "none": ("✗", "bad", "none"),
    "rejected": ("✗", "bad", "refused: mistyped, revoked or of another service"),
    "unencrypted": ("✗", "bad", "not sent: the address is not encrypted"),
    "forbidden": ("✗", "bad", "refused: it may not do this"),
    "rate_limited": ("?", "warn", "not checked: asked too often"),
    "unreachable": ("?", "warn", "not checked: nobody answers"),
}


class AccountCard(Card):
    """Shows, sets, validates and deletes the tokens of Replicate and of the Hub."""

    NAME: ClassVar = "account"
    TITLE: ClassVar = "Account & token"
    READS: ClassVar = ("tokens",)
    CHECKS: ClassVar = ("account", "hub")

    def state(self) -> tuple[str, str]:
        """Returns the account's name, or what is missing."""
        known = self.data.get("account")
        if known.get("valid"):
            return f"@{username(known)}", "good"
        if "account" in self.data.busy:
            return "checking…", "dim"
        if not known:
            return "not checked", "dim"
        return (_reason(known), "warn") if known.get("unreachable") else (_reason(known), "bad")

    def lines(self, width: int) -> list[Words]:
        """Returns lines about the API base, the engine, both tokens and the keyring."""
        data = self.data
        sandbox = (("  SANDBOX", "sandbox"),) if data.sandbox else ()
        # The engine's answer has the port that a sandbox was given; the window's setting has none.
        base = str(data.get("account").get("api_base") or data.base)
        lines = [row("API", base, "base", *sandbox)]
        if data.context.settings.network.send_secrets_unencrypted:
            text = ("✗ NOT ENCRYPTED: tokens and keys go to http:// addresses of other machines, "
                    "as network.send_secrets_unencrypted says.")  # fmt: skip
            lines += wrapped(text, "bad", width, indent=LABEL)
        lines += self._engine(width)
        lines += self._token("replicate", data.get("account"), width)
        lines += self._token("huggingface", data.get("hub"), width)
        lines += self._keyring(width)
        return lines

    def _engine(self, width: int) -> list[Words]:
        engine = self.data.context.engine
        if engine.state == "ready":
            return []
        if engine.state == "starting":
            return [row("engine", "◌ starting…", "dim")]
        lines = wrapped(f"✗ {engine.message}", "bad", width, label="engine")
        return lines + wrapped(engine.advice, "dim", width, indent=LABEL)

    def _token(self, kind: str, known: Mapping[str, Any], width: int) -> list[Words]:
        state = self.data.get("tokens").get(kind) or {}
        source = str(known.get("token_source") or state.get("in_use") or "")
        place = f", from {_SOURCES.get(source, source)}" if source else ""
        label = _KINDS[kind].split()[0] if kind == "replicate" else "Hub"
        name = known.get("username") or username(known)
        at = known.get("_at")
        checked = f"  checked {formatting.ago(at, self.data.context.clock())}" if at else ""
        if known.get("valid"):
            said = f" valid{place}"
            room = width - LABEL - len(f"● @{name}{said}{checked}")
            more = ((checked, "dim"),) if room >= 0 else ()
            words = row(label, f"● @{name}", "good", (said, "base"), *more)
            return [words, *self._shadow(kind, state, width)]
        if not known:
            said = f"◌ not checked yet{place}" if source else "– none"
            hint = "  t checks it" if source else "  e sets it"
            return [row(label, said, "dim", (hint, "dim")), *self._shadow(kind, state, width)]
        glyph, tone, words_ = _STATES.get(_reason_id(known), ("✗", "bad", "not valid"))
        if _reason_id(known) == "none" and kind == "huggingface":
            return [row(label, "– none", "dim", ("  needed for the Hub only", "dim"))]
        lines = [row(label, f"{glyph} {words_}", tone, (place, "base"))]
        if _reason_id(known) == "none":
            return [*lines, *wrapped("e sets it; it works at once.", "base", width, indent=LABEL)]
        lines += problem(known.get("error"), known.get("advice"), width, indent=LABEL)
        return [*lines, *self._shadow(kind, state, width)]

    def _shadow(self, kind: str, state: Mapping[str, Any], width: int) -> list[Words]:
        if not state.get("shadowed"):
            return []
        text = f"! {_VARIABLES[kind]} of the environment is used instead of the stored one."
        return wrapped(text, "warn", width, indent=LABEL)

    def _keyring(self, width: int) -> list[Words]:
        state = self.data.get("tokens").get("replicate") or {}
        if not state:
            error = self.data.failed.get("tokens")
            return problem(error.message, error.advice, width) if error else []
        if state.get("problem"):
            lines = wrapped(f"✗ {state['problem']}", "warn", width, label="keyring")
            text = "A token can be kept for this session only (e); never in a file."
            return lines + wrapped(text, "base", width, indent=LABEL)
        where = str(state.get("backend") or "the system's").removeprefix("keyring.backends.")
        return [row("keyring", where, "dim", (f"  as {state.get('user', '')}", "dim"))]

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns items that set, validate and delete each token."""
        items: list[Item] = []
        for kind, name in _KINDS.items():
            state = self.data.get("tokens").get(kind) or {}
            source = str(state.get("in_use") or "")
            value = f"set, from {_SOURCES.get(source, source)}" if source else "none"
            stored = state.get("keyring") or state.get("session")
            label = "Hub token" if kind == "huggingface" else f"{name} token"
            items.append(Item(kind, label, "secret", value,
                              "enter replaces it" if stored else "enter sets it"))  # fmt: skip
            if state.get("problem"):
                items.append(Item(f"session {kind}", "  this session", "secret", "",
                                  "kept in memory only"))  # fmt: skip
            if source:
                items.append(Item(f"check {kind}", "  validate", "do", "ask whose it is"))
            if stored:
                items.append(Item(f"delete {kind}", "  delete", "do", "forget the stored token"))
        return items

    def question(self, key: str, value: str) -> Question | None:  # noqa: ARG002  deleting has no value
        """Asks before a token is deleted."""
        action, _, kind = key.partition(" ")
        if action != "delete":
            return None
        details = ("It is removed from the keyring and from memory.",
                   "Jobs that run go on; they cannot be watched without a token.")  # fmt: skip
        return Question(f"Delete the {_KINDS[kind]} token?", details, "Delete it")

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Stores, validates or deletes a token."""
        action, _, name = key.rpartition(" ")
        kind, cloud = cast("TokenKind", name), control.cloud
        if action == "check":
            return _validated(_KINDS[kind], self._keep(kind, await cloud.validate_token(kind)))
        if action == "delete":
            deleted = await cloud.delete_token(kind)
            self.data.known.pop("hub" if kind == "huggingface" else "account", None)
            self.data.load(self.CHECKS)
            return ChangeResult(
                "The token is forgotten." if deleted["deleted"] else "There was none."
            )
        answer = await cloud.set_token(kind, value, session_only=action == "session")
        checked = self._keep(kind, answer["validation"])
        if checked["valid"]:
            self.data.try_again()
        where = "for this session only" if action == "session" else "in the keyring"
        said = _validated(_KINDS[kind], checked, f"The token is kept {where}. ")
        odd = " ".join(answer["warnings"])
        return ChangeResult(f"{said.text} {odd}".strip(), level="warning" if odd else said.level)

    def _keep(self, kind: str, checked: TokenValidation) -> TokenValidation:
        if kind == "huggingface" and checked:
            self.data.known["hub"] = {**checked, "_at": self.data.context.clock()}
        return checked

    def other_way(self, key: str, error: ControlError) -> tuple[Question, str] | None:
        """Offers to keep a token in memory where there is no keyring."""
        if error.code != "keyring_unavailable" or key not in _KINDS:
            return None
        details = (
            error.message,
            "In memory it is gone when the engine ends, and has to be given again.",
            "It is never written to a file.",
        )
        return Question("Keep the token for this session only?", details, "Keep it in memory"), (
            f"session {key}"
        )


def _validated(name: str, checked: TokenValidation, before: str = "") -> ChangeResult:
    if checked["valid"]:
        return ChangeResult(f"{before}{name}: valid, @{checked['username']}.")
    words = f"{checked['error'] or 'It was not accepted.'} {checked['advice']}"
    level = "warning" if checked["reason"] in ("rate_limited", "unreachable") else "error"
    return ChangeResult(f"{before}{words}".strip(), level=level)


def _reason_id(known: Mapping[str, Any]) -> str:
    """Returns why a token is not valid; older engines wrote facts without a reason."""
    if known.get("reason"):
        return str(known["reason"])
    if not known.get("token_source"):
        return "none"
    return "unreachable" if known.get("unreachable") else "rejected"


def _reason(known: Mapping[str, Any]) -> str:
    return {
        "none": "no token", "rejected": "token refused", "forbidden": "token refused",
        "rate_limited": "asked too often", "unreachable": "not reachable",
    }.get(_reason_id(known), "not valid")  # fmt: skip
