"""The form of a destination: the Hub, an S3 bucket or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from tui.app.cloud.card import ChangeResult, Item, Question
from tui.app.publishing.form import FormModel
from tui.app.publishing.text import PROVIDERS
from tui.destinations.s3.profile import PRESETS
from tui.replicate.secret import Secret
from tui.store.transfer_records import DestinationRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.api.destinations import DestinationChange, DestinationKind
    from tui.app.context import AppContext
    from tui.client.client import ControlClient, ControlError

_S3: Final = (
    "preset", "bucket", "endpoint", "account", "region", "prefix", "access_key", "secret_key",
    "addressing", "encryption", "kms_key", "storage_class", "acl", "public_base_url",
    "data_role",
)  # fmt: skip
_SECRET: Final = ("access_key", "secret_key")
_KEPT: Final = {
    "keyring": "kept; typing replaces it",
    "session": "kept until the engine ends; typing replaces it",
    "none": "gone; type it again",
}
"""What is said of a key by where it is."""
_LABELS: Final = {
    "preset": "Provider", "bucket": "Bucket", "endpoint": "Server", "account": "Account id",
    "region": "Region", "prefix": "Folder in it", "access_key": "Access key",
    "secret_key": "Secret key", "addressing": "Bucket named", "encryption": "Encryption",
    "kms_key": "KMS key", "storage_class": "Storage class", "acl": "ACL",
    "public_base_url": "Public address", "data_role": "Role for data",
}  # fmt: skip
_CHOICES: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "addressing": (
        ("auto", "as usual there", "in the host name at Amazon, in the path elsewhere"),
        ("path", "in the path", "https://server/bucket/file"),
        ("virtual", "in the host name", "https://bucket.server/file"),
    ),
    "encryption": (
        ("", "the bucket's own", ""),
        ("AES256", "AES256", "keys kept by the server"),
        ("aws:kms", "aws:kms", "a key of the key service"),
    ),
    "storage_class": (
        ("", "the bucket's own", ""),
        ("STANDARD", "STANDARD", ""),
        ("STANDARD_IA", "STANDARD_IA", "cheaper to keep, dearer to read"),
        ("ONEZONE_IA", "ONEZONE_IA", "in one place only"),
        ("INTELLIGENT_TIERING", "INTELLIGENT_TIERING", ""),
        ("GLACIER_IR", "GLACIER_IR", "archive, read at once"),
    ),
    "acl": (
        ("", "off", "the bucket decides who may read; right nearly always"),
        ("private", "private", ""),
        ("public-read", "public-read", "everybody may read the files"),
        ("bucket-owner-full-control", "bucket-owner-full-control", ""),
    ),
}


class DestinationFormModel(FormModel):
    """The fields of a destination.

    Args:
        context: settings and store.
        names: the names of all destinations.
        record: the destination to change; None makes a new one.
        after: called with the name when it is saved.
        keys: where its keys are: `keyring`, `session`, `none`; empty where it is not known.
        hub_token: returns a few words about the owner of the Hub's token.
    """

    TITLE = "Destination"
    SENDS = "save"

    def __init__(
        self,
        context: AppContext,
        names: list[str],
        record: DestinationRecord | None,
        after: Callable[[str], None],
        *,
        keys: str = "",
        hub_token: Callable[[], str] = str,
    ) -> None:
        super().__init__(context)
        self._names = names
        self._record = record
        self._after = after
        self._hub_token = hub_token
        self._kept = "never shown" if record is None else _KEPT.get(keys, _KEPT["keyring"])
        self.values = {"kind": "hub", "private": "on", "preset": "aws", "session": "off"}
        if record is not None:
            self.values |= {"kind": record.kind, "name": record.name}
            self.values |= {
                key: ("on" if value else "off") if isinstance(value, bool) else str(value or "")
                for key, value in record.options.items()
            }
        self._begin = dict(self.values)
        self._keys: dict[str, Secret] = {}

    @property
    def title(self) -> str:
        """The title; it has the name of a destination that exists."""
        return f"Destination {self._record.name}" if self._record is not None else self.TITLE

    @property
    def kind(self) -> str:
        """`hub`, `s3` or `folder`."""
        return self.values["kind"]

    @property
    def name(self) -> str:
        """The name as typed, else a free one made from the kind."""
        typed = self.values.get("name", "")
        if typed:
            return typed
        usual = self.values["preset"] if self.kind == "s3" else self.kind
        taken = set(self._names)
        return next(
            name for name in (usual, *(f"{usual}-{n}" for n in range(2, 999))) if name not in taken
        )

    # -- lines --------------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns the fields of the chosen kind."""
        items: list[Item] = []
        if self._record is None:
            kinds = (
                ("hub", "Hugging Face Hub", "a repository of yours"),
                ("s3", "S3", "a bucket at Amazon, MinIO, Backblaze, Cloudflare, Wasabi, another"),
                ("folder", "folder", "on this machine, or mounted"),
            )
            words = next(words for key, words, _ in kinds if key == self.kind)
            items.append(Item("kind", "Kind", "choice", words, "", kinds, self.kind))
            items.append(Item("name", "Name", "text", self.name,
                              "" if self.values.get("name") else "how you call it",
                              current=self.values.get("name", "")))  # fmt: skip
        if self.kind == "hub":
            items += self._hub_items()
        elif self.kind == "folder":
            items.append(self._text("path", "Folder", "a whole path; ~ is your home"))
        else:
            items += [self._s3_item(key) for key in _S3 if self._wanted(key)]
            if self._given_keys():
                session = self.values["session"]
                words = "until the engine ends" if session == "on" else "in the keyring"
                items.append(Item("session", "Keep keys", "switch", words, current=session))
        token = self._hub_token() if self.kind == "hub" else ""
        note = ", ".join(filter(None, ["writes, reads back, deletes", token]))
        return [*items, Item("save", "Save and test", "do", "", note)]

    def _hub_items(self) -> list[Item]:
        private = self.values.get("private", "on")
        words = "yes" if private == "on" else "no, everybody sees it"
        when = "counts when the repository is made"
        return [
            self._text("repo", "Repository", "owner/name; it is made if it is not there"),
            Item("private", "Private", "switch", words, when, current=private),
        ]

    def _text(self, key: str, label: str, note: str) -> Item:
        value = self.values.get(key, "")
        return Item(key, label, "text", value, "" if value else note, current=value)

    def _wanted(self, key: str) -> bool:
        preset = self.values["preset"]
        if key == "endpoint":
            return preset in ("minio", "custom") or bool(self.values.get("endpoint"))
        if key == "account":
            return preset == "r2" and not self.values.get("endpoint")
        if key == "kms_key":
            return self.values.get("encryption") == "aws:kms"
        return True

    def _s3_item(self, key: str) -> Item:
        label, value = _LABELS[key], self.values.get(key, "")
        preset = PRESETS[self.values["preset"]]
        if key == "preset":
            choices = tuple((name, PROVIDERS[name], PRESETS[name].note) for name in PRESETS)
            return Item(key, label, "choice", PROVIDERS[preset.id], "", choices, preset.id)
        if key in _SECRET:
            typed = bool(self._keys.get(key))
            note = "" if typed else self._kept
            return Item(key, label, "secret", "••••••••" if typed else "", note)
        if key in _CHOICES:
            choices = _CHOICES[key]
            words = next((words for name, words, _ in choices if name == value), value)
            return Item(key, label, "choice", words or choices[0][1], "", choices, value)
        notes = {
            "endpoint": (preset.endpoint or "https://…") if preset.id == "minio" else "https://…",
            "region": f"usually {preset.region}",
            "prefix": "the bucket's top",
            "public_base_url": "what links begin with, where the bucket can be read without keys",
            "kms_key": "the account's own",
            "data_role": "its ARN: a trainer of staged data gets temporary keys of this role",
        }
        return self._text(key, label, notes.get(key, ""))

    # -- sending ------------------------------------------------------------------------------

    def put(self, key: str, value: str) -> None:
        """Takes a value; another provider clears the address."""
        if key == "preset" and value != self.values["preset"]:
            for other in ("endpoint", "region", "addressing", "account"):
                self.values.pop(other, None)
        if key in _SECRET:
            self._keys[key] = Secret(value.strip())
        else:
            super().put(key, value)

    def wrong_now(self) -> dict[str, str]:
        """Returns what is missing, and a name that is taken."""
        needed = {
            "hub": {"repo": "write it as owner/name"},
            "folder": {"path": "write its whole path"},
        }
        wrong = {
            key: words
            for key, words in needed.get(self.kind, {"bucket": "it has no name yet"}).items()
            if not self.values.get(key)
        }
        if self._record is None and self.name in self._names:
            wrong["name"] = f"there is a destination {self.name} already"
        if self.kind == "s3" and (self._record is None or self._given_keys()):
            wrong |= {key: "must not be empty" for key in _SECRET if not self._keys.get(key)}
        elsewhere = self.kind == "s3" and self.values["preset"] == "custom"
        if elsewhere and not self.values.get("endpoint"):
            wrong["endpoint"] = "the server's address, like https://s3.example.org"
        return wrong

    def _given_keys(self) -> bool:
        return any(self._keys.values())

    def _body(self) -> DestinationChange:
        names = {"hub": ("repo", "private"), "folder": ("path",), "s3": _S3}[self.kind]
        body: dict[str, object] = {}
        for key in names:
            value = self.values.get(key, "")
            changed = value != self._begin.get(key, "")
            if value if self._record is None else changed:
                body[key] = value == "on" if key == "private" else value
        if self.kind == "s3":
            body |= {key: secret.reveal() for key, secret in self._keys.items() if secret}
            body["session_only"] = self.values["session"] == "on"
        return cast("DestinationChange", body)

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:  # noqa: ARG002  there is one
        """Saves the destination; `after` has it tested."""
        calls, body = control.publishing, self._body()
        if self._record is None:
            await calls.add_destination(
                name=self.name, kind=cast("DestinationKind", self.kind), **body
            )
        else:
            await calls.change_destination(self.name, **body)
        self._after(self.name)
        return ChangeResult(f"{self.name} is kept; testing it.")

    def other_way(self, key: str, error: ControlError) -> tuple[Question, str] | None:  # noqa: ARG002
        """Offers to keep the keys in memory where there is no keyring."""
        if error.code != "keyring_unavailable":
            return None
        text = "Keep the keys until the engine ends?"
        after = "After that transfers there fail until the keys are given again (e)."
        return Question(text, (error.message, after), "Yes, for this session"), "session"
