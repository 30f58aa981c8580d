"""Destinations: places to publish to, with a name. No answer holds their keys."""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypeAlias

from tui.api.base import Step, Timestamp, TypedDict

DestinationKind: TypeAlias = Literal["hub", "s3", "folder"]


class HubOptions(TypedDict):
    """A repository on the Hub: its name, and whether it is made private."""

    repo: str
    private: bool


class FolderOptions(TypedDict):
    """A folder on this machine: its whole path."""

    path: str


class S3Options(TypedDict):
    """A bucket.

    Attributes:
        preset: the provider, such as `aws`, `r2` or `custom`.
        endpoint: of the server; null is AWS.
        region: to be signed for.
        bucket: its name.
        addressing: bucket in the host name or in the path.
        prefix: before all keys.
        storage_class: such as `STANDARD_IA`; empty is the bucket's own.
        encryption: empty, `AES256` or `aws:kms`.
        kms_key: for `aws:kms`.
        acl: a canned ACL; empty lets the bucket decide.
        public_base_url: what links begin with.
        data_role: the role (ARN) whose temporary keys a trainer of staged data gets.
    """

    preset: str
    endpoint: str | None
    region: str
    bucket: str
    addressing: Literal["auto", "path", "virtual"]
    prefix: NotRequired[str]
    storage_class: NotRequired[str]
    encryption: NotRequired[Literal["", "AES256", "aws:kms"]]
    kms_key: NotRequired[str]
    acl: NotRequired[str]
    public_base_url: NotRequired[str]
    data_role: NotRequired[str]


class LastTest(TypedDict):
    """The last test of a destination; also the fact `destination_test:NAME`.

    Attributes:
        at: when.
        ok: whether publishing there would work.
        steps: what was found.
    """

    at: Timestamp
    ok: bool
    steps: list[Step]


class HubDestination(TypedDict):
    """A repository with a name of the user's."""

    name: str
    kind: Literal["hub"]
    options: HubOptions


class S3Destination(TypedDict):
    """A bucket with a name of the user's."""

    name: str
    kind: Literal["s3"]
    options: S3Options


class FolderDestination(TypedDict):
    """A folder with a name of the user's."""

    name: str
    kind: Literal["folder"]
    options: FolderOptions


class Listed(TypedDict):
    """What a list says of a destination beside what it is.

    Attributes:
        tested: the last test; null without one.
        keys: where an S3 destination's keys are; null for others.
    """

    tested: LastTest | None
    keys: Literal["keyring", "session", "none"] | None


class ListedHub(HubDestination, Listed):
    """A repository in the list."""


class ListedS3(S3Destination, Listed):
    """A bucket in the list."""


class ListedFolder(FolderDestination, Listed):
    """A folder in the list."""


Destination: TypeAlias = HubDestination | S3Destination | FolderDestination
ListedDestination: TypeAlias = ListedHub | ListedS3 | ListedFolder


class DestinationList(TypedDict):
    """All destinations, by name."""

    destinations: list[ListedDestination]


class DestinationChange(TypedDict, total=False):
    """Options of a destination; what is left out or null stays. Of another kind's none are read.

    Attributes:
        repo: of the Hub: `owner/name`.
        private: of the Hub: whether it is made private.
        path: of a folder: its whole path.
        bucket: of S3, like all that follow.
        preset: the provider.
        endpoint: of the server.
        account: part of some providers' addresses.
        region: to be signed for.
        prefix: before all keys.
        addressing: `auto`, `path` or `virtual`.
        storage_class: such as `STANDARD_IA`.
        encryption: empty, `AES256` or `aws:kms`.
        kms_key: for `aws:kms`.
        acl: a canned ACL.
        public_base_url: what links begin with.
        data_role: the role (ARN) whose temporary keys a trainer of staged data gets.
        access_key: what opens the bucket; kept in the keyring.
        secret_key: likewise.
        session_only: keep the keys in the engine's memory instead.
    """

    repo: str | None
    private: bool | None
    path: str | None
    bucket: str | None
    preset: str | None
    endpoint: str | None
    account: str | None
    region: str | None
    prefix: str | None
    addressing: str | None
    storage_class: str | None
    encryption: str | None
    kms_key: str | None
    acl: str | None
    public_base_url: str | None
    data_role: str | None
    access_key: str | None
    secret_key: str | None
    session_only: bool | None


class NewDestination(DestinationChange, total=False):
    """A destination to be kept; one of the same name and kind is replaced.

    Attributes:
        name: lower case letters, digits, `-` and `_`, at most 40.
        kind: what it is.
    """

    name: Required[str]
    kind: Required[DestinationKind]


class ForceQuery(TypedDict, total=False):
    """`1` removes it also when half-sent parts lie there, which nobody can remove then."""

    force: Literal["0", "1"]


class DestinationRemoved(TypedDict):
    """A destination was forgotten; what was published there stays.

    Attributes:
        name: which.
        removed: always true.
        keyring_problem: why its keys are still in the keyring; else empty.
    """

    name: str
    removed: Literal[True]
    keyring_problem: str


class DestinationTested(TypedDict):
    """Whether publishing there would work.

    Attributes:
        name: which.
        ok: it would.
        steps: what was found, in the order in which it was looked at.
    """

    name: str
    ok: bool
    steps: list[Step]
