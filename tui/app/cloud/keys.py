"""The card of keys for other programs: what each may do, how long, when it was used; revoking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tui.app.cloud.card import Card, ChangeResult, Item, Question
from tui.app.cloud.text import Words, cut, problem, wrapped
from tui.base import formatting

if TYPE_CHECKING:
    from tui.api.scopes import Scope
    from tui.client.client import ControlClient

_SCOPES: Final[tuple[tuple[Scope, str, str], ...]] = (
    ("read", "read", "looks at jobs, logs, results and figures"),
    ("submit", "submit", "starts, moves and cancels jobs as well: it spends money"),
    ("admin", "admin", "everything: deletes, changes settings, tokens and the cost limit"),
)
_MADE: Final = "new"
_REVOKE: Final = "revoke "
_REVOKE_PAIR: Final = "revoke-pair "


class KeysCard(Card):
    """Lists the keys for the HTTP API and the user's own S3 keys; makes and revokes them."""

    NAME: ClassVar = "keys"
    TITLE: ClassVar = "API keys"
    READS: ClassVar = ("keys",)
    COLUMN: ClassVar = 1

    def _rows(self, name: str) -> list[Mapping[str, Any]]:
        rows = self.data.get("keys").get(name) or ()
        return [row for row in rows if isinstance(row, dict)]

    def state(self) -> tuple[str, str]:
        """Returns how many keys there are."""
        if "keys" not in self.data.known:
            return "", "dim"
        number = len(self._rows("keys")) + len(self._rows("pairs"))
        return (formatting.plural(number, "key"), "base") if number else ("none", "dim")

    def lines(self, width: int) -> list[Words]:
        """Returns a line for each key: scope, name, last use, end."""
        error = self.data.failed.get("keys")
        if error is not None:
            return problem(error.message, error.advice, width)
        if "keys" not in self.data.known:
            return [(("◌ the engine is asked", "dim"),)]
        lines: list[Words] = []
        for key in self._rows("keys"):
            tone = "bad" if key["expired"] else {"admin": "warn"}.get(key["scope"], "good")
            words: Words = ((f"{key['scope']:7}", tone), (_name(key), "base"),
                            (f"  {self._times(key)}", "dim"))  # fmt: skip
            lines.append(cut(words, width))
        for pair in self._rows("pairs"):
            words = (("S3     ", "good"), (pair["access_key"], "base"),
                     (f"  {self._times(pair)}", "dim"))  # fmt: skip
            lines.append(cut(words, width))
        if not lines:
            text = "No other program may call this one. A new key is shown once: e."
            return wrapped(text, "dim", width)
        return lines

    def _times(self, key: Mapping[str, Any]) -> str:
        used, ends = _moment(key["last_used_at"]), _moment(key["expires_at"])
        words = f"used {formatting.ago(used, self.data.context.clock())}"
        if key.get("expired"):
            return f"{words}, expired"
        return f"{words}, until {formatting.stamp(ends)}" if ends else words

    # -- changing -----------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns a new key, and the revocation of each."""
        note = "for a program; shown once"
        items = [Item(_MADE, "New key", "choice", "", note, _SCOPES)]
        for key in self._rows("keys"):
            what = f"{key['scope']}, {self._times(key)}"
            items.append(Item(f"{_REVOKE}{key['id']}", "Revoke", "do", _name(key), what))
        for pair in self._rows("pairs"):
            what = f"S3, {self._times(pair)}"
            items.append(
                Item(
                    f"{_REVOKE_PAIR}{pair['access_key']}", "Revoke", "do", pair["access_key"], what
                )
            )
        return items

    def question(self, key: str, value: str) -> Question | None:
        """Asks before a key that spends money or changes settings, and before a revocation."""
        details: tuple[str, ...]
        if key == _MADE and value != "read":
            words = next(words for name, _, words in _SCOPES if name == value)
            details = (f"Whoever holds it: {words}.", "The cost limit counts for it, too.")
            return Question(f"Make a key with the scope {value}?", details, "Make it")
        if key.startswith((_REVOKE, _REVOKE_PAIR)):
            details = ("The program that uses it is refused from now on.",)
            return Question("Revoke this key?", details, "Revoke it")
        return None

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """Makes a key, which is shown this once, or revokes one."""
        scope: Scope | None = next((name for name, _, _ in _SCOPES if name == value), None)
        if key == _MADE and scope is not None:
            made = await control.make_api_key("", scope)
            page: tuple[Words, ...] = (
                (("It is shown this once; only its hash is kept.", "base"),), (("", "base"),),
                ((made["key"], "accent"),), (("", "base"),),
                (("Send it as Authorization: Bearer KEY or X-API-Key: KEY.", "dim"),),
                (("One with a name and an end: simpletuner-tui api-key create", "dim"),),
            )  # fmt: skip
            return ChangeResult(title=f"A key with the scope {scope}", page=page)
        if key.startswith(_REVOKE_PAIR):
            await control.revoke_storage_key(key.removeprefix(_REVOKE_PAIR))
        else:
            await control.revoke_api_key(key.removeprefix(_REVOKE))
        return ChangeResult("The key is good no longer.")

    def copies(self) -> str:
        """Returns the command that lists the same."""
        return "simpletuner-tui api-key list"


def _name(key: Mapping[str, Any]) -> str:
    return str(key["name"] or key["id"])


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
