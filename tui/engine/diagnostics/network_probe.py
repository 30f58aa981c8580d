"""Probes one URL phase by phase: DNS, proxy, TCP, TLS, HTTP, each with its duration.

Written on asyncio streams and not with an HTTP library, because libraries report one error for the
whole request, and the failing phase is what tells a firewall from a proxy from a certificate.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from tui.api.network import PeerCertificate, ProbePhase
from tui.replicate.network import BundleError, Network, ProxyAddressError, name_proxy

_HEAD_LIMIT: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class ProbeError(Exception):
    """A phase failed.

    Attributes:
        phase: `dns`, `tcp`, `proxy`, `tls` or `http`.
        message: what happened.
        advice: what may put it right.
    """

    def __init__(self, phase: ProbePhase, message: str, advice: str) -> None:
        super().__init__(message)
        self.phase = phase
        self.message = message
        self.advice = advice


@dataclass(slots=True)
class NetworkProbe:
    """The result of a probe.

    Attributes:
        phases: duration of each completed phase in milliseconds.
        via: `direct`, or host and port of the proxy.
        status: HTTP status of the answer; any below 500 is a success.
        tls: protocol, issuer and expiry of the certificate; empty for plain HTTP.
        error: the failure, or None.
    """

    phases: dict[ProbePhase, float] = field(default_factory=dict)
    via: str = "direct"
    status: int | None = None
    tls: PeerCertificate = field(default_factory=PeerCertificate)
    error: ProbeError | None = None

    @property
    def milliseconds(self) -> float:
        """Total duration in milliseconds."""
        return round(sum(self.phases.values()), 1)


async def look(url: str, network: Network, limit: float) -> NetworkProbe:
    """Probe a URL; never raises, and takes at most `limit` seconds.

    Args:
        url: `http://…` or `https://…`, without secrets.
        network: proxy and certificates, as all clients of the program use them.
        limit: seconds for all phases together.
    """
    probe = NetworkProbe()
    attempt = _Attempt(url, network, probe)
    try:
        async with asyncio.timeout(limit):
            await attempt.run()
    except ProbeError as error:
        probe.error = error
    except TimeoutError:
        probe.error = ProbeError(
            attempt.phase,
            f"{_PHASE_WORDS[attempt.phase]} took longer than {limit:g} s",
            _SILENCE_ADVICE if attempt.phase == "tcp" else "Try again; the line may be slow.",
        )
    finally:
        attempt.close()
    return probe


_PHASE_WORDS: Final = {
    "dns": "the name look-up", "tcp": "the connection", "proxy": "the proxy's answer",
    "tls": "the TLS handshake", "http": "the answer",
}  # fmt: skip
_SILENCE_ADVICE: Final = (
    "A firewall seems to drop it: allow port 443 to that host, or set network.proxy if there is "
    "a proxy."
)


class _Attempt:
    """One attempt to reach a URL."""

    def __init__(self, url: str, network: Network, probe: NetworkProbe) -> None:
        self.phase: ProbePhase = "dns"
        self._target = urlsplit(url)
        self._url = url
        self._network = network
        self._probe = probe
        self._writer: asyncio.StreamWriter | None = None
        self._begin = time.perf_counter()

    def close(self) -> None:
        """Close the connection at once."""
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.transport.abort()

    async def run(self) -> None:
        """Run all phases.

        Raises:
            ProbeError: one of them failed.
        """
        host, port = self._target.hostname or "", self._target.port or _PORTS[self._target.scheme]
        try:
            proxy = self._network.proxy_for(httpx.URL(self._url))
        except ProxyAddressError as error:
            raise ProbeError("proxy", error.message, error.advice) from None
        if proxy is None:
            reader = await self._connect(host, port)
        else:
            self._probe.via = name_proxy(proxy)
            reader = await self._connect_proxy(urlsplit(proxy), host, port)
        if self._target.scheme == "https":
            await self._tls(host)
        target, login = self._target.path or "/", ""
        if proxy is not None and proxy.startswith("http") and self._target.scheme == "http":
            # Plain HTTP goes without a tunnel: the proxy reads the request and needs the full URL.
            target, login = self._url, _login(urlsplit(proxy))
        await self._request(reader, target, host, login)

    def _end_phase(self) -> None:
        now = time.perf_counter()
        self._probe.phases[self.phase] = round((now - self._begin) * 1000, 1)
        self._begin = now

    def _begin_phase(self, phase: ProbePhase) -> None:
        self.phase = phase
        self._begin = time.perf_counter()

    async def _connect(self, host: str, port: int) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        self._begin_phase("dns")
        try:
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"the name {host} cannot be resolved ({error.strerror or error})"
            advice = "Check the network connection and DNS; behind a proxy, set network.proxy."
            raise ProbeError("dns", message, advice) from None
        self._end_phase()
        self._begin_phase("tcp")
        last_error: OSError | None = None
        for address in dict.fromkeys(str(item[4][0]) for item in addresses):
            try:
                reader, self._writer = await asyncio.open_connection(address, port)
            except OSError as error:
                last_error = error
                continue
            self._end_phase()
            return reader
        reason = (last_error and last_error.strerror) or "no address"
        message = f"{host}:{port} cannot be reached ({reason})"
        raise ProbeError("tcp", message, f"Allow port {port} to {host} in the firewall.")

    async def _connect_proxy(
        self, proxy: SplitResult, host: str, port: int
    ) -> asyncio.StreamReader:
        """Connect through a proxy; its failures are reported as the proxy's."""
        name = self._probe.via
        try:
            proxy_port = proxy.port or _PORTS.get(proxy.scheme, 1080)
            reader = await self._connect(proxy.hostname or "", proxy_port)
        except ProbeError as error:
            message = f"the proxy {name}: {error.message}"
            advice = "Check network.proxy, or HTTPS_PROXY in the environment; is the proxy running?"
            raise ProbeError("proxy", message, advice) from None
        self._begin_phase("proxy")
        if proxy.scheme == "https":
            await self._tls(proxy.hostname or "", "proxy")
        if proxy.scheme.startswith("socks5"):
            await self._socks(reader, proxy, host, port)
        elif self._target.scheme == "https":
            await self._tunnel(reader, proxy, host, port)
        self.phase = "proxy"
        self._end_phase()
        return reader

    async def _tunnel(
        self, reader: asyncio.StreamReader, proxy: SplitResult, host: str, port: int
    ) -> None:
        head = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{_login(proxy)}"
        self._send(f"{head}\r\n".encode())
        status = await self._status(reader, "proxy")
        self._check_proxy_login(status)
        if status != httpx.codes.OK:
            raise ProbeError(
                "proxy", f"the proxy {self._probe.via} refuses {host}:{port} (HTTP {status})",
                f"Ask whoever runs it to allow {host}.",
            )  # fmt: skip

    def _check_proxy_login(self, status: int) -> None:
        if status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            raise ProbeError(
                "proxy", f"the proxy {self._probe.via} asks for a name and a password",
                "Write them into its address: http://name:password@host:port",
            )  # fmt: skip

    async def _socks(
        self, reader: asyncio.StreamReader, proxy: SplitResult, host: str, port: int
    ) -> None:
        """SOCKS 5 with the name resolved at the far end (RFC 1928, 1929)."""
        login = proxy.username is not None
        self._send(b"\x05\x02\x00\x02" if login else b"\x05\x01\x00")
        try:
            version, method = await reader.readexactly(2)
            if (version, method) == (5, 2) and login:
                name, word = (unquote(text or "").encode()[:255] for text in (
                    proxy.username, proxy.password))  # fmt: skip
                self._send(b"\x01" + bytes([len(name)]) + name + bytes([len(word)]) + word)
                if (await reader.readexactly(2))[1]:
                    raise _refused(self._probe.via, "the name or the password")
            elif (version, method) != (5, 0):
                raise _refused(self._probe.via, "our way of signing in")
            wanted = host.encode("idna")[:255]
            self._send(b"\x05\x01\x00\x03" + bytes([len(wanted)]) + wanted + port.to_bytes(2))
            answer = await reader.readexactly(4)
            if answer[1]:
                raise _refused(self._probe.via, f"{host}:{port} (SOCKS code {answer[1]})")
            length = {1: 4, 4: 16}.get(answer[3]) or (await reader.readexactly(1))[0]
            await reader.readexactly(length + 2)
        except (asyncio.IncompleteReadError, OSError):
            raise _refused(self._probe.via, "the connection") from None

    async def _tls(self, host: str, phase: ProbePhase = "tls") -> None:
        self._begin_phase(phase)
        try:
            context = self._network.ssl_context()
        except BundleError as error:
            raise ProbeError("tls", error.message, error.advice) from None
        if self._writer is None:
            raise ProbeError("tls", "there is no connection", "Try again.")
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise ProbeError("tls", *_certificate_words(host, error)) from None
        except (ssl.SSLError, OSError) as error:
            message = f"{host} breaks off the TLS handshake ({_reason(error)})"
            advice = "A proxy or firewall may interfere: try another network or set network.proxy."
            raise ProbeError("tls", message, advice) from None
        if phase == "tls":
            self._end_phase()
            self._probe.tls = _certificate(self._writer.get_extra_info("ssl_object"), self._network)

    async def _request(
        self, reader: asyncio.StreamReader, target: str, host: str, login: str
    ) -> None:
        self._begin_phase("http")
        self._send(
            f"GET {target} HTTP/1.1\r\nHost: {self._target.netloc}\r\nAccept: */*\r\n"
            f"User-Agent: simpletuner-tui\r\nConnection: close\r\n{login}\r\n".encode()
        )
        self._probe.status = await self._status(reader, "http")
        self._check_proxy_login(self._probe.status)
        self._end_phase()
        if self._probe.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            message = f"{host} answers HTTP {self._probe.status}"
            raise ProbeError(
                "http", message, "The service has trouble; its status page may say more."
            )

    async def _status(self, reader: asyncio.StreamReader, phase: ProbePhase) -> int:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1])
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError,
                asyncio.LimitOverrunError):  # fmt: skip
            who = f"the proxy {self._probe.via}" if phase == "proxy" else self._target.hostname
            message = f"{who} hangs up, or does not speak HTTP"
            raise ProbeError(phase, message, "Check the address and the port.") from None

    def _send(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)


def _login(proxy: SplitResult) -> str:
    """Return the Proxy-Authorization header line; "" without a user name."""
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}\r\n"


def _refused(proxy: str, what: str) -> ProbeError:
    return ProbeError("proxy", f"the proxy {proxy} refuses {what}", "Check network.proxy.")


def _certificate_words(host: str, error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    why = error.verify_message or "not valid"
    if "expired" in why or "not yet valid" in why:
        advice = "Check this machine's clock; otherwise the certificate really is out of date."
    elif "ostname" in why or "IP address" in why:
        advice = "Something answers in its place: a captive portal or a proxy. Sign in there."
    else:
        advice = (
            "A proxy that looks into TLS? Name the PEM file of its CA in network.ca_bundle "
            "(SSL_CERT_FILE works as well)."
        )
    return f"the certificate of {host} is not trusted: {why}", advice


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or "cut"


def _certificate(connection: ssl.SSLObject | None, network: Network) -> PeerCertificate:
    if connection is None:
        return {}
    known: Any = connection.getpeercert() or {}
    issuer = {name: value for part in known.get("issuer", ()) for name, value in part}
    return {
        "protocol": connection.version() or "",
        "issuer": str(issuer.get("organizationName") or issuer.get("commonName") or ""),
        "expires": str(known.get("notAfter") or ""),
        "verified": "yes" if network.ssl_verify else "no",
    }
