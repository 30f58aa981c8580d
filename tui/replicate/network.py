"""Network settings (proxies, certificates, time limits, retries) and the transport for them."""

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

import certifi
import httpx

from tui.base.addresses import PROXY, AddressError, read_address
from tui.base.hosts import is_loopback_host
from tui.replicate.environment_proxies import EnvironmentProxies, proxies_in_force


class BundleError(OSError):
    """A file of certificate authorities cannot be used.

    Attributes:
        message: why, with its path.
        advice: what the user can do.
    """

    def __init__(self, path: str, why: str, who: str) -> None:
        self.message = f"the file of certificate authorities {path} {why}"
        self.advice = f"Name a PEM file with the certificate of your proxy's authority ({who})."
        super().__init__(self.message)


class ProxyAddressError(httpx.ProxyError):
    """The proxy for a host has an address that libraries would read differently.

    Attributes:
        message: why, without any part of the address.
        advice: what the user can do.
    """

    def __init__(self, source: str, why: str) -> None:
        self.message = f"the proxy's address in {source} {why}"
        self.advice = f"Write it as {PROXY.example}, with a user name and a password if needed."
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds, one for each phase of a call.

    Attributes:
        connect: name look-up, TCP and TLS.
        read: longest silence before and within an answer.
        write: longest time to send one piece of the request.
        pool: longest wait for a free connection.
        whole: one attempt of a call with a JSON answer, all phases together. Uploads and downloads
            have no such limit.
    """

    connect: float = 10.0
    read: float = 60.0
    write: float = 60.0
    pool: float = 30.0
    whole: float = 180.0

    def for_httpx(self) -> httpx.Timeout:
        """Return the limits as httpx's type."""
        return httpx.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy: exponential back-off with full jitter.

    Attributes:
        attempts: attempts of a call, the first included.
        base: seconds; the n-th pause is a random fraction of `base * 2**n`.
        longest: upper limit of `base * 2**n` in seconds.
        patience: seconds that a call may spend in pauses, including those that the service wants.
    """

    attempts: int = 5
    base: float = 0.5
    longest: float = 15.0
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Network:
    """The network settings.

    Attributes:
        proxy: URL of a proxy for all requests (`http://`, `https://`, `socks5://`, `socks5h://`),
            instead of those of the environment. May contain a password; not in `repr`.
        no_proxy: hosts that are reached directly, in the syntax of the `NO_PROXY` variable.
        ca_bundle: PEM file with certificate authorities, in addition to the usual ones.
        ssl_verify: False accepts any certificate. See `warnings`.
        trust_env: whether `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, … are used; the
            proxies are those of the caller's environment while a caller's work is done.
    """

    proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    ssl_verify: bool = True
    trust_env: bool = True
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about these settings for the user."""
        if self.ssl_verify:
            return ()
        warning = (
            "Certificates are not checked (ssl_verify is off): whoever sits between this machine "
            "and Replicate can read the token and everything that is sent."
        )
        return (warning,)

    def proxy_for(self, url: httpx.URL) -> str | None:
        """Return the proxy's URL for a request to `url`, or None for a direct connection.

        Every client asks here, so that none reads an address that was not judged.

        Raises:
            ProxyAddressError: the proxy's address is not one that all libraries read alike.
        """
        environment = proxies_in_force() if self.trust_env else EnvironmentProxies()
        rules = list(self.no_proxy)
        if self.proxy is None:
            rules += environment.no.split(",")
        if bypasses_proxy(url.host, url.port or _PORTS.get(url.scheme, 0), rules):
            return None
        variable = url.scheme if environment.get(url.scheme) else "all"
        proxy = self.proxy or environment.get(variable)
        if not proxy:
            return None
        source = "network.proxy of the settings" if self.proxy else f"{variable.upper()}_PROXY"
        try:
            return read_address(proxy if "://" in proxy else f"http://{proxy}", PROXY).url
        except AddressError as error:
            raise ProxyAddressError(source, str(error)) from None

    def authorities(self) -> tuple[Path, ...]:
        """Return files of trusted authorities: the usual ones, then `ca_bundle`.

        For libraries that need files; `ssl_context` also supports `SSL_CERT_DIR`.
        """
        usual = os.environ.get("SSL_CERT_FILE") if self.trust_env else None
        own = () if self.ca_bundle is None else (self.ca_bundle,)
        return (Path(usual or certifi.where()), *own)

    def ssl_context(self) -> ssl.SSLContext:
        """Create a context that trusts the usual authorities and those of `ca_bundle`.

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
    """Raise BundleError if a file with certificates cannot be read."""
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
    """Whether rules in the syntax of `NO_PROXY` exempt a host from the proxy.

    Rules: `*`, a name (with its subdomains), `.name` (subdomains), an address, a network such as
    `10.0.0.0/8` (which httpx does not support), each with an optional `:port`. Loopback is always
    direct: no proxy can reach the sandbox on this machine.
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
    """Sends each request by the proxy of `Network.proxy_for`, with a connection pool for each.

    httpx's own `mounts` cannot express `NO_PROXY` rules with networks. HTTP/1.1 with keep-alive: a
    few calls a second gain nothing from HTTP/2.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        # Reading the authorities takes about 20 ms, so it is deferred until TLS is needed.
        self._ssl: ssl.SSLContext | None = None
        self._transports: dict[tuple[str | None, bool], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises the errors of httpx."""
        proxy = self._network.proxy_for(request.url)
        route = (proxy, request.url.scheme == "https")
        if route not in self._transports:
            self._transports[route] = self._open(*route)
        return await self._transports[route].handle_async_request(request)

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
        return httpx.Proxy(address, ssl_context=tls)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


def name_proxy(address: str) -> str:
    """Return host and port of a proxy, without its password, for messages."""
    try:
        parts = urlsplit(address)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    except ValueError:
        return "the proxy"


# Without this limit the kernel buffers megabytes, and the progress of an upload would count bytes
# that have not been sent yet.
_UNSENT_IN_KERNEL = 512 * 1024
_SOCKET_OPTIONS = (
    [(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_IN_KERNEL)]
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else None
)
