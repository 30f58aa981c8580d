"""Where an S3 destination is and how it wants to be talked to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit

from tui.base.hosts import LOCALHOST, is_open
from tui.destinations.common.errors import PublishError, Trouble
from tui.replicate.secret import Secret
from tui.simpletuner.request.delivery import public_url

Addressing = Literal["auto", "path", "virtual"]
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION_IN_HOST = re.compile(r"s3[.-]([a-z]{2}-[a-z]+-\d+)\.")


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a provider.

    Attributes:
        endpoint: with `{region}` or `{account}` where the user has to fill in; None for AWS.
        region: the usual one.
        note: what users of it stumble over.
    """

    id: str
    label: str
    endpoint: str | None
    region: str
    addressing: Addressing
    note: str = ""


PRESETS = {
    item.id: item
    for item in (
        Preset("aws", "Amazon S3", None, "us-east-1", "virtual"),
        Preset("minio", "MinIO", "http://localhost:9000", "us-east-1", "path"),
        Preset(
            "b2", "Backblaze B2", "https://s3.{region}.backblazeb2.com", "us-west-004", "path",
            "The region is part of the endpoint that the bucket's page shows. Use an application "
            "key, not the master key.",
        ),
        Preset(
            "r2", "Cloudflare R2", "https://{account}.r2.cloudflarestorage.com", "auto", "path",
            "Buckets are private: links need a public bucket address (r2.dev or your own domain).",
        ),
        Preset("wasabi", "Wasabi", "https://s3.{region}.wasabisys.com", "us-east-1", "path"),
        Preset("custom", "Other S3 server", "", "us-east-1", "path"),
    )
}  # fmt: skip
"""Endpoints as they are commonly known, not checked against the providers' documentation."""


@dataclass(frozen=True, slots=True)
class S3Keys:
    """What proves who we are."""

    access_key: str = field(repr=False)
    secret_key: Secret = field(repr=False)
    session_token: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class S3Profile:
    """One bucket.

    Attributes:
        endpoint: None is AWS.
        prefix: before every key.
        addressing: bucket in the host name (`virtual`) or in the path; `auto` is virtual on AWS.
        storage_class: such as `STANDARD_IA`; empty is the bucket's own.
        encryption: empty, `AES256` or `aws:kms`.
        kms_key: for `aws:kms`; empty takes the account's own key.
        acl: empty (default: the bucket decides) or a canned ACL such as `public-read`.
        public_base_url: what links begin with, when the bucket can be read without keys.
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    prefix: str = ""
    addressing: Addressing = "auto"
    storage_class: str = ""
    encryption: Literal["", "AES256", "aws:kms"] = ""
    kms_key: str = ""
    acl: str = ""
    public_base_url: str = ""
    preset: str = "custom"

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket) or ".." in self.bucket:
            raise PublishError(
                f"{self.bucket!r} is no name of a bucket.",
                "Names have 3 to 63 lower case letters, digits, dots and hyphens.",
                Trouble.NAME,
            )
        if self.endpoint is not None:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in {"http", "https"} or not parts.hostname or "{" in self.endpoint:
                raise PublishError(
                    f"{self.endpoint!r} is no address of an S3 server.",
                    "Write it like https://s3.example.org, all parts in braces filled in.",
                    Trouble.NAME,
                )
            if parts.username or parts.password or parts.query:
                raise PublishError(
                    "The endpoint holds a password or a query.",
                    "Give keys in their own fields, where they are kept in the keyring.",
                    Trouble.NAME,
                )
        if self.public_base_url:
            try:
                public_url(self.public_base_url)
            except ValueError as error:  # its words only: the address may hold a password
                raise PublishError(
                    f"The public address of {self.bucket} {error}.",
                    "Correct it, or leave it out: it is only for links.",
                    Trouble.NAME,
                ) from None

    @property
    def is_aws(self) -> bool:
        """Whether this is Amazon's own service."""
        if self.endpoint is None:
            return True
        host = urlsplit(self.endpoint).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def is_open(self) -> bool:
        """Whether everything sent can be read on the way: no TLS, and not this machine.

        A bucket in the host name makes a name below `localhost`, which may lead elsewhere.
        """
        if self.endpoint is None or self.endpoint.lower().startswith("https://"):
            return False
        named = (urlsplit(self.endpoint).hostname or "") == LOCALHOST
        return is_open(self.endpoint) or (self.style == "virtual" and named)

    @property
    def style(self) -> Literal["path", "virtual"]:
        """How the bucket is named in requests."""
        if self.addressing != "auto":
            return self.addressing
        return "virtual" if self.is_aws else "path"

    def key(self, name: str) -> str:
        """The object's key for a relative name."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{name}" if prefix else name

    def url(self, key: str) -> str:
        """An address for people; it may need keys to be opened."""
        path = quote(key)
        if self.public_base_url:
            return f"{self.public_base_url.rstrip('/')}/{path}"
        if self.endpoint is None:
            return f"https://{self.bucket}.s3.{self.region}.amazonaws.com/{path}"
        if self.style == "path":
            return f"{self.endpoint.rstrip('/')}/{self.bucket}/{path}"
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}{parts.path.rstrip('/')}/{path}"


def endpoint_for(preset: str, *, region: str = "", account: str = "") -> str | None:
    """The endpoint of a provider with its blanks filled in; None for AWS."""
    known = PRESETS[preset]
    if known.endpoint is None:
        return None
    return known.endpoint.format(region=region or known.region, account=account)


def region_of(endpoint: str) -> str | None:
    """The region that an endpoint's host name tells, if it does."""
    found = _REGION_IN_HOST.search(urlsplit(endpoint).hostname or "")
    return found[1] if found else None


def store_of(profile: S3Profile) -> str:
    """What an object can be copied within: server and bucket, the same for all prefixes."""
    return f"{profile.endpoint or 'aws'} {profile.bucket}"
