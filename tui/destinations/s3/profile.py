"""The settings of an S3 destination, and presets of providers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit

from tui.base.addresses import BUCKET, AddressError, read_address
from tui.base.hosts import LOCALHOST, is_open
from tui.destinations.common.errors import PublishError, Trouble
from tui.replicate.secret import Secret
from tui.simpletuner.request.delivery import public_url

Addressing = Literal["auto", "path", "virtual"]
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Preset:
    """The usual settings of a provider.

    Attributes:
        id: a short name.
        label: the provider's name on the screen.
        endpoint: with the placeholders `{region}` and `{account}`; None for AWS.
        region: the default region.
        addressing: as in `S3Profile`.
        note: a hint for the user.
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
"""Commonly known endpoints, not verified against the providers' documentation."""


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The credentials of a destination."""

    access_key: str = field(repr=False)
    secret_key: Secret = field(repr=False)
    session_token: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class S3Profile:
    """A bucket and how to access it.

    Attributes:
        endpoint: the server's URL; None for AWS.
        prefix: the start of every key.
        addressing: bucket in the host name (`virtual`) or in the path; `auto` is virtual on AWS.
        storage_class: such as `STANDARD_IA`; "" for the bucket's default.
        encryption: empty, `AES256` or `aws:kms`.
        kms_key: for `aws:kms`; "" for the account's default key.
        acl: a canned ACL such as `public-read`; "" for the bucket's default.
        public_base_url: the base of links, for buckets that can be read without keys.
        data_role: the role (ARN) that a trainer of staged data gets temporary keys of; "" for the
            server's default.
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
    data_role: str = ""
    preset: str = "custom"

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket) or ".." in self.bucket:
            raise PublishError(
                f"{self.bucket!r} is no name of a bucket.",
                "Names have 3 to 63 lower case letters, digits, dots and hyphens.",
                Trouble.NAME,
            )
        if self.endpoint is not None:
            try:
                read_address(self.endpoint, BUCKET)
            except AddressError as error:  # the address may hold a password: it is not shown
                raise PublishError(
                    f"The server's address {error}.",
                    "Write it like https://s3.example.org, all parts in braces filled in.",
                    Trouble.NAME,
                ) from None
        if self.public_base_url:
            try:
                public_url(self.public_base_url)
            except ValueError as error:  # the URL itself may contain a password: not shown
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
    def sts_endpoint(self) -> str:
        """Where the server gives temporary keys; others than Amazon do it at their S3 address."""
        if not self.is_aws:
            return str(self.endpoint)
        china = ".cn" if self.region.startswith("cn-") else ""
        return f"https://sts.{self.region or 'us-east-1'}.amazonaws.com{china}"

    @property
    def is_open(self) -> bool:
        """Whether data can be read on the way: no TLS, and not this machine.

        With the bucket in the host name, the host is below `localhost`, which may lead elsewhere.
        """
        if self.endpoint is None or self.endpoint.lower().startswith("https://"):
            return False
        named = (urlsplit(self.endpoint).hostname or "") == LOCALHOST
        return is_open(self.endpoint) or (self.style == "virtual" and named)

    @property
    def style(self) -> Literal["path", "virtual"]:
        """Where requests name the bucket: in the path or in the host name."""
        if self.addressing != "auto":
            return self.addressing
        return "virtual" if self.is_aws else "path"

    def key(self, name: str) -> str:
        """Return the object's key for a relative name."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{name}" if prefix else name

    def url(self, key: str) -> str:
        """Return an object's URL; it may need credentials."""
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
    """Return the endpoint of a provider with its placeholders filled in; None for AWS."""
    known = PRESETS[preset]
    if known.endpoint is None:
        return None
    return known.endpoint.format(region=region or known.region, account=account)


def store_of(profile: S3Profile) -> str:
    """Return the scope within which objects can be copied: server and bucket."""
    return f"{profile.endpoint or 'aws'} {profile.bucket}"
