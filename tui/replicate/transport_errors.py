"""Translates transport errors of httpx: whether the request was sent, the cause, and advice."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from tui.replicate.errors import NoAnswerError, NotSentError, ReplicateError
from tui.replicate.network import BundleError, Network, ProxyAddressError, name_proxy

# These can occur only before the first byte of the request is written.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def unreached(error: Exception, url: str, network: Network, *, what: str) -> ReplicateError:
    """Return the error for a call without an answer, to Replicate or any other host.

    Args:
        error: the exception of httpx.
        url: the URL of the call.
        network: the settings in force; a proxy's password is not shown.
        what: the purpose of the call, as the object of a sentence.
    """
    host = httpx.URL(url).host
    proxy = None if isinstance(error, ProxyAddressError) else network.proxy_for(httpx.URL(url))
    way = f" by the proxy {name_proxy(proxy)}" if proxy else ""
    if not isinstance(error, _NEVER_SENT):
        if isinstance(error, httpx.TimeoutException):
            seconds = network.timeouts.read
            said = f"{host} said nothing for {seconds:g} s{way} while it was asked for {what}."
        else:
            said = f"The connection to {host}{way} broke in the middle of {what}."
        return NoAnswerError(said, advice="Try again; check the connection if it happens often.")
    reason, advice, temporary = _why(error, host=host, proxy=proxy, network=network)
    return NotSentError(
        f"{host} cannot be reached{way}: {reason}. Nothing was sent.",
        advice=advice,
        temporary=temporary,
    )


def _why(
    error: Exception, *, host: str, proxy: str | None, network: Network
) -> tuple[str, str, bool]:
    causes = tuple(_causes(error))
    online = "Check the connection" + (" and the proxy." if proxy else ".")
    bundle = next((c for c in causes if isinstance(c, BundleError)), None)
    if bundle is not None:
        return bundle.message, bundle.advice, False
    certificate = next((c for c in causes if isinstance(c, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return (
            f"its certificate is not trusted ({certificate.verify_message})",
            "Behind a company's proxy, name its CA file in the network settings (ca_bundle).",
            False,
        )
    if isinstance(error, ProxyAddressError):
        return error.message, error.advice, False
    if isinstance(error, httpx.ProxyError):
        return _proxy_failure(str(error))
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return "the address is not usable", "Check the API address and the proxy.", False
    if any(isinstance(c, socket.gaierror) for c in causes):
        name = name_proxy(proxy) if proxy else host
        return f"the name {name} could not be looked up", online, True
    if isinstance(error, httpx.PoolTimeout):
        return "too many calls are under way", "Try again in a moment.", True
    if isinstance(error, httpx.TimeoutException):
        return f"no connection within {network.timeouts.connect:g} s", online, True
    if any(isinstance(c, ssl.SSLError) for c in causes):
        return "no secure connection came about", "Check whether the address is right.", True
    if any(isinstance(c, ConnectionRefusedError) for c in causes):
        return "the connection was refused", online, True
    return "no connection came about", online, True


def _proxy_failure(reply_text: str) -> tuple[str, str, bool]:
    if reply_text.startswith("407"):
        return (
            "the proxy wants a user name and a password",
            "Write them into the proxy's address: http://name:password@host:port.",
            False,
        )
    code = reply_text[:3]
    reason = f"the proxy refused (HTTP {code})" if code.isdigit() else "the proxy refused"
    return (
        reason,
        "Ask whoever runs the proxy, or reach this host without it (NO_PROXY).",
        (code.startswith("5")),
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its causes and contexts, and the members of exception groups."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            pending += current.exceptions
