"""Builds the API's URLs, and tells them from those of other hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from tui.base.addresses import API_BASE, AddressError, read_address
from tui.base.doors import may_carry
from tui.replicate.errors import BadAnswerError, InvalidRequestError
from tui.replicate.redact import redact_url

REPLICATE = "https://api.replicate.com/v1"


@dataclass(frozen=True, slots=True)
class Base:
    """The API's base address, such as `https://api.replicate.com/v1`.

    Attributes:
        url: the URL without a slash at the end.
        service: the name of the service in messages.
    """

    url: httpx.URL
    service: str

    @classmethod
    def parse(cls, text: str) -> Base:
        """Parse a base address.

        Raises:
            InvalidRequestError: not an http or https address.
        """
        advice = f"It looks like {REPLICATE}."
        try:
            url = httpx.URL(read_address(text, API_BASE).url)
        except AddressError as error:
            raise InvalidRequestError(f"The API address {error}.", advice=advice) from None
        known = url.host == "replicate.com" or url.host.endswith(".replicate.com")
        port = f":{url.port}" if url.port else ""
        return cls(url, "Replicate" if known else f"The API at {url.host}{port}")

    def opens(self, address: str) -> bool:
        """Whether the token may go to an address: one below the base, at its scheme and port."""
        return may_carry(str(self.url), address)

    def owns(self, address: str) -> bool:
        """Whether an address has the base's scheme, host and port; it answers for the service."""
        try:
            return _origin(httpx.URL(address)) == _origin(self.url)
        except httpx.InvalidURL:
            return False

    def path(self, *parts: str, params: Mapping[str, str | None] | None = None) -> str:
        """Return the URL of a resource; quotes each part, leaves out params that are None.

        Raises:
            InvalidRequestError: a part is empty or would change the meaning of the path.
        """
        for part in parts:
            if part.strip(".") == "" or not part.isprintable():
                raise InvalidRequestError(f"“{part}” cannot be part of an address.")
        path = "/".join(quote(part, safe="") for part in parts)
        given = {name: value for name, value in (params or {}).items() if value is not None}
        url = httpx.URL(f"{self.url}/{path}")
        return str(url.copy_merge_params(given) if given else url)

    def pin(self, link: str, *, relative_to: str | None = None) -> str:
        """Return a link of an answer as a URL of the same service.

        It is resolved against `relative_to`, and `http` becomes `https` if the base has it: the
        service has been observed to send `http://` links.

        Raises:
            BadAnswerError: it leads out of the base.
        """
        try:
            url = httpx.URL(relative_to or str(self.url)).join(link)
            if url.scheme == "http" and self.url.scheme == "https" and url.port in {None, 80}:
                url = url.copy_with(scheme="https", port=None)
            same = self.opens(str(url))
        except (httpx.InvalidURL, ValueError):
            same = False
        if not same:
            raise BadAnswerError(
                f"{self.service} sent a link that leads elsewhere ({redact_url(link)}).",
                advice="The link was not followed, so that the token stays where it belongs.",
            )
        return str(url.copy_with(fragment=None))


def split_model(owner_name: str) -> tuple[str, str]:
    """Split `owner/name`.

    Raises:
        InvalidRequestError: it does not have that form.
    """
    owner, slash, name = owner_name.strip().partition("/")
    if not (owner and slash and name) or "/" in name or ":" in name:
        raise InvalidRequestError(
            f"“{owner_name}” is not a model.", advice="Write it as owner/name."
        )
    return owner, name


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host.lower(), port
