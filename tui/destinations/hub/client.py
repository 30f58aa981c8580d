"""Configures huggingface_hub: our network settings, no output, no retries of its own."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from tui.base.doors import Door
from tui.replicate.network import ProxyAddressError
from tui.replicate.rate_windows import Windows, used_up
from tui.replicate.secret import Secret
from tui.replicate.transport_errors import unreached
from tui.settings import NetworkSettings
from tui.settings.network import network_of

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

WindowKey: TypeAlias = tuple[str, str, str]
"""Host, kind of request, and hash of the token."""
_lock = threading.Lock()
_used: list[NetworkSettings] = []
_doors: dict[str, set[Door]] = {}
"""Where each token was given for. The library follows redirects and links of the Hub's answers by
itself; a token is taken off a request that leads elsewhere. What the Hub itself gave for an upload
is not in this table."""
_TEMPORARY = frozenset({408, 429, 500, 502, 503, 504})


class TemporaryHubError(Exception):
    """The Hub cannot be reached, or asked to retry later.

    The library would retry for 23 seconds with pauses that cannot be interrupted. It does not know
    this error and passes it on, so that the caller decides.

    Attributes:
        status: HTTP status, or None without an answer.
        retry_after: seconds that the Hub asked to wait, or None.
        advice: what the user can do when it cannot be reached.
    """

    def __init__(
        self,
        text: str,
        status: int | None = None,
        retry_after: float | None = None,
        *,
        advice: str = "",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.advice = advice


def open_api(endpoint: str, token: Secret | None, network: NetworkSettings) -> HfApi:
    """Return the library's API object for a Hub.

    The library has one connection pool for the whole process; it is replaced only when the network
    settings change.
    """
    from huggingface_hub import HfApi

    _set_up(network)
    if token and (door := Door.below(endpoint)) is not None:
        _doors.setdefault(f"Bearer {token.reveal()}", set()).add(door)
    return HfApi(
        endpoint=endpoint.rstrip("/"),
        token=token.reveal() if token else False,
        library_name="simpletuner-tui",
    )


def _window_key(request: httpx2.Request) -> WindowKey:
    """What shares a limit: a token's requests to the API, to files, or to pages of a host.

    https://huggingface.co/docs/hub/rate-limits
    """
    parts = request.url.path.split("/")
    kind = "resolvers" if "resolve" in parts else "api" if parts[1:2] == ["api"] else "pages"
    token = hashlib.sha256(request.headers.get("authorization", "").encode()).hexdigest()
    return request.url.netloc.decode(), kind, token


def _set_up(network: NetworkSettings) -> None:
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils.tqdm import disable_progress_bars

    with _lock:
        if _used == [network]:
            return
        # The terminal belongs to the app: the library must not print on it.
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
        constants.HF_HUB_DISABLE_TELEMETRY = True
        set_client_factory(lambda: _make_session(network))
        _used[:] = [network]


def _make_session(network: NetworkSettings) -> httpx2.Client:
    import httpx2

    network_config = network_of(network)
    limits = httpx2.Timeout(
        connect=network_config.timeouts.connect,
        read=network.timeout,
        write=network.timeout,
        pool=network.timeout,
    )
    context = network_config.ssl_context()

    def proxy_options(proxy: str | None) -> dict[str, Any]:
        if proxy is None:
            return {}
        tls = context if proxy.startswith("https:") else None
        return {"proxy": httpx2.Proxy(proxy, ssl_context=tls)}

    def not_reached(error: httpx.TransportError, request: httpx2.Request) -> TemporaryHubError:
        failure = unreached(error, str(request.url), network_config, what="a file")
        return TemporaryHubError(failure.message, advice=failure.advice)

    class TranslatingTransport(httpx2.HTTPTransport):
        """Raises TemporaryHubError for failures that the library would retry."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            try:
                response = super().handle_request(request)
            except (
                httpx2.TimeoutException,
                httpx2.NetworkError,
                httpx2.RemoteProtocolError,
                httpx2.ProxyError,
            ) as error:
                raise not_reached(_to_httpx_error(error), request) from error
            if response.status_code in _TEMPORARY or _is_concurrent_create(response):
                response.close()
                raise TemporaryHubError(
                    f"HTTP {response.status_code}", response.status_code, _retry_after(response)
                )
            return response

    class RoutedTransport(httpx2.BaseTransport):
        """Sends each request directly or by the proxy that the settings name for its URL."""

        def __init__(self) -> None:
            self._transports: dict[str | None, TranslatingTransport] = {}
            self._guard = threading.Lock()
            self._windows = Windows()

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            _check_authorization(request)
            key = _window_key(request)
            left = self._windows.left(key)
            if left > 0:
                raise TemporaryHubError("HTTP 429", 429, left)
            try:
                proxy = network_config.proxy_for(httpx.URL(str(request.url)))
            except ProxyAddressError as error:
                raise not_reached(error, request) from error
            with self._guard:
                if proxy not in self._transports:
                    self._transports[proxy] = TranslatingTransport(
                        verify=context, trust_env=False, **proxy_options(proxy)
                    )
                transport = self._transports[proxy]
            response = transport.handle_request(request)
            self._windows.note(key, response.headers)
            return response

        def close(self) -> None:
            for item in self._transports.values():
                item.close()

    return httpx2.Client(
        transport=RoutedTransport(), follow_redirects=True, timeout=limits, trust_env=False
    )


def _is_concurrent_create(response: httpx2.Response) -> bool:
    """Whether it is the 409 that the library's `create_repo` repeats at once, for ever."""
    if response.status_code != httpx.codes.CONFLICT:
        return False
    response.read()
    return "conflicting operation" in response.text


def _check_authorization(request: httpx2.Request) -> None:
    """Take an authorization off a request that leaves the door that it was given for."""
    doors = _doors.get(request.headers.get("authorization", ""))
    if doors is not None and not any(door.opens(str(request.url)) for door in tuple(doors)):
        del request.headers["authorization"]


def _to_httpx_error(error: Exception) -> httpx.TransportError:
    """Return httpx's error for one of httpx2, the library's fork with the same error names."""
    kind = getattr(httpx, type(error).__name__, httpx.ReadError)
    twin: httpx.TransportError = kind(str(error))
    twin.__cause__ = error
    return twin


def _retry_after(response: httpx2.Response) -> float | None:
    text = str(response.headers.get("retry-after", ""))
    if text.isdecimal():
        return float(text)
    return used_up(response.headers)
