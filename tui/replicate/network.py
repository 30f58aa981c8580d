"""How we reach the network: proxies, certificates, time limits."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import certifi
import httpx

from tui.base.hosts import is_loopback_host
from tui.replicate.redact import redact_url


class BundleError(OSError):
    """A file with certificate authorities cannot be used.

    Attributes:
        message: why, with its path.
        advice: what to do about it.
    """

    def __init__(self, path: str, why: str, who: str) -> None:
        self.message = f"the file of certificate authorities {path} {why}"
        self.advice = f"Name a PEM file with the certificate of your proxy's authority ({who})."
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds, one for each phase of a call.

    Attributes:
        connect: name look-up, TCP and TLS.
        read: silence while an answer is awaited or being read.
        write: one piece of the request that does not get out.
        pool: waiting for a free connection.
        whole: one try of a call with a JSON answer, all phases together. Uploads and downloads
            have no such limit; they end by the limits of their phases.
    """

    connect: float = 10.0
    read: float = 60.0
    write: float = 60.0
    pool: float = 30.0
    whole: float = 180.0

    def for_httpx(self) -> httpx.Timeout:
        """The same as httpx wants it."""
        return httpx.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long to try again.

    Attributes:
        attempts: tries of one call, the first included.
        base: seconds; the n-th pause is a random part of `base * 2**n`.
        longest: seconds; no own pause is longer.
        patience: seconds one call may spend in pauses, those asked for by the service included.
    """

    attempts: int = 5
    base: float = 0.5
    longest: float = 15.0
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Network:
    """Settings of the way out.

    Attributes:
        proxy: address of a proxy for everything (`http://`, `https://`, `socks5://`,
            `socks5h://`), before any from the environment. May hold a password; not in `repr`.
        no_proxy: hosts that are reached directly, in the forms of the `NO_PROXY` variable.
        ca_bundle: PEM file with further certificate authorities, besides the usual ones.
        ssl_verify: False accepts any certificate. See `warnings`.
        trust_env: whether `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, … count.
    """

    proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    ssl_verify: bool = True
    trust_env: bool = True
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()

    def warnings(self) -> tuple[str, ...]:
        """What the user must be told about these settings."""
        if self.ssl_verify:
            return ()
        warning = (
            "Certificates are not checked (ssl_verify is off): whoever sits between this machine "
            "and Replicate can read the token and everything that is sent."
        )
        return (warning,)

    def proxy_for(self, url: httpx.URL) -> str | None:
        """Address of the proxy that a request to `url` takes, or None for the direct way."""
        environment = getproxies_environment() if self.trust_env else {}
        rules = list(self.no_proxy)
        if self.proxy is None:
            rules += environment.get("no", "").split(",")
        if bypasses_proxy(url.host, url.port or _PORTS.get(url.scheme, 0), rules):
            return None
        found = self.proxy or environment.get(url.scheme) or environment.get("all")
        if not found:
            return None
        return found if "://" in found else f"http://{found}"

    def authorities(self) -> tuple[Path, ...]:
        """Files with the authorities that are trusted: the usual ones, then those of `ca_bundle`.

        For libraries that take files; `ssl_context` knows `SSL_CERT_DIR` as well.
        """
        usual = os.environ.get("SSL_CERT_FILE") if self.trust_env else None
        own = () if self.ca_bundle is None else (self.ca_bundle,)
        return (Path(usual or certifi.where()), *own)

    def ssl_context(self) -> ssl.SSLContext:
        """A context that trusts the usual authorities and those of `ca_bundle`.

        Raises:
            BundleError: `ca_bundle` or `SSL_CERT_FILE` cannot be read or holds no certificate.
        """
        usual = os.environ.get("SSL_CERT_FILE") if self.trust_env else None
        folder = os.environ.get("SSL_CERT_DIR") if self.trust_env else None
        if folder and not usual:
            context = ssl.create_default_context(capath=folder)
        else:
            file = Path(usual or certifi.where())
            with _readable(file, "SSL_CERT_FILE in the environment"):
                context = ssl.create_default_context(cafile=file)
        if self.ca_bundle is not None:
            with _readable(self.ca_bundle, "network.ca_bundle in the settings"):
                context.load_verify_locations(cafile=self.ca_bundle)
        if not self.ssl_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@contextmanager
def _readable(path: Path, who: str) -> Iterator[None]:
    """Says in words why a file with certificates could not be read."""
    if path.is_dir():
        raise BundleError(str(path), "is a folder", who)
    try:
        yield
    except FileNotFoundError:
        raise BundleError(str(path), "does not exist", who) from None
    except ssl.SSLError:
        raise BundleError(str(path), "holds no certificate in PEM form", who) from None
    except OSError as error:
        raise BundleError(str(path), f"cannot be read ({error.strerror})", who) from None


_PORTS = {"http": 80, "https": 443}


def bypasses_proxy(host: str, port: int, rules: list[str]) -> bool:
    """Whether `NO_PROXY`-like rules send a host the direct way.

    Rules: `*`, a name (with its subdomains), `.name` (subdomains), an address, a network such as
    `10.0.0.0/8` (httpx alone does not know these), each with an optional `:port`. Loopback is
    always direct: no proxy can reach the sandbox on this machine for us.
    """
    if is_loopback_host(host):
        return True
    host = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    return any(_matches(rule.strip().lower(), host, port, address) for rule in rules)


def _matches(
    rule: str,
    host: str,
    port: int,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
) -> bool:
    if rule in {"", "*"}:
        return rule == "*"
    if "://" in rule:
        rule = rule.partition("://")[2]
    name, rule_port = _split_port(rule)
    if rule_port is not None and rule_port != port:
        return False
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    if name.startswith((".", "*.")):
        return host.endswith(name.lstrip("*"))
    return host == name or host.endswith(f".{name}")


def _split_port(rule: str) -> tuple[str, int | None]:
    if rule.startswith("["):
        name, _, port = rule[1:].partition("]")
        port = port.removeprefix(":")
    elif rule.count(":") == 1:
        name, _, port = rule.partition(":")
    else:  # a bare name, or an IPv6 address without brackets
        return rule, None
    return name, int(port) if port.isdecimal() else None


class RoutedTransport(httpx.AsyncBaseTransport):
    """Sends each request the way `Network.proxy_for` says, with one connection pool per way.

    HTTP/1.1 on kept connections: a few calls a second gain nothing from HTTP/2.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        # Reading the authorities takes about 20 ms, so it is done when TLS is first needed.
        self._ssl: ssl.SSLContext | None = None
        self._ways: dict[tuple[str | None, bool], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send by the right way; errors as httpx raises them."""
        proxy = self._network.proxy_for(request.url)
        way = (proxy, request.url.scheme == "https")
        if way not in self._ways:
            self._ways[way] = self._open(*way)
        return await self._ways[way].handle_async_request(request)

    def _open(self, proxy: str | None, secure: bool) -> httpx.AsyncHTTPTransport:
        secure = secure or (proxy is not None and proxy.startswith("https:"))
        if secure and self._ssl is None:
            try:
                self._ssl = self._network.ssl_context()
            except BundleError as error:
                raise httpx.ConnectError(error.message) from error
        return httpx.AsyncHTTPTransport(
            verify=self._ssl if secure and self._ssl else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            proxy=None if proxy is None else self._parse_proxy(proxy),
            socket_options=_SOCKET_OPTIONS,
        )

    def _parse_proxy(self, address: str) -> httpx.Proxy:
        tls = self._ssl if address.startswith("https:") else None
        try:
            return httpx.Proxy(address, ssl_context=tls)
        except (ValueError, httpx.InvalidURL):
            raise httpx.ProxyError(f"{redact_url(address)} is not a proxy's address") from None

    async def aclose(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            await way.aclose()


def name_proxy(address: str) -> str:
    """Host and port of a proxy, without its password, for messages."""
    try:
        parts = urlsplit(address)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "the proxy"


# Without a bound the kernel takes megabytes ahead of the wire, and an upload's progress would
# show what is in its buffer instead of what has left.
_UNSENT_IN_KERNEL = 512 * 1024
_SOCKET_OPTIONS = (
    [(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_IN_KERNEL)]
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else None
)
