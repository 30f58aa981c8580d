"""huggingface_hub, told to be quiet, to use our network settings, and not to wait by itself."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx

from tui.replicate.failures import unreached
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.settings.network import network_of

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

_lock = threading.Lock()
_used: list[NetworkSettings] = []
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class PassingTroubleError(Exception):
    """The Hub could not be reached, or asked to come back later.

    The library would try again for 23 seconds with pauses that nothing can interrupt; it does not
    know this error, so it lets it through, and whoever called decides.

    Attributes:
        status: HTTP status, or None when no answer came.
        retry_after: seconds that the Hub asked to wait, or None.
        advice: what to do when it could not be reached.
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
    """The library's API object for one Hub.

    The library has one connection pool for the whole process; it is set up again only when the
    network settings change.
    """
    from huggingface_hub import HfApi

    _set_up(network)
    return HfApi(
        endpoint=endpoint.rstrip("/"),
        token=token.reveal() if token else False,
        library_name="simpletuner-tui",
    )


def _set_up(network: NetworkSettings) -> None:
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils.tqdm import disable_progress_bars

    with _lock:
        if _used == [network]:
            return
        # A terminal program owns the screen: the library must not draw or print on it.
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
        constants.HF_HUB_DISABLE_TELEMETRY = True
        set_client_factory(lambda: _make_session(network))
        _used[:] = [network]


def _make_session(network: NetworkSettings) -> httpx2.Client:
    import httpx2

    way = network_of(network)
    limits = httpx2.Timeout(
        connect=way.timeouts.connect,
        read=network.timeout,
        write=network.timeout,
        pool=network.timeout,
    )
    context = way.ssl_context()

    def through(proxy: str | None) -> dict[str, Any]:
        if proxy is None:
            return {}
        tls = context if proxy.startswith("https:") else None
        return {"proxy": httpx2.Proxy(proxy, ssl_context=tls)}

    class Direct(httpx2.HTTPTransport):
        """Turns passing troubles into an error that the library does not wait for."""

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            try:
                response = super().handle_request(request)
            except (
                httpx2.TimeoutException,
                httpx2.NetworkError,
                httpx2.RemoteProtocolError,
                httpx2.ProxyError,
            ) as error:
                lost = unreached(_known(error), str(request.url), way, what="a file")
                raise PassingTroubleError(lost.message, advice=lost.advice) from error
            if response.status_code in _AGAIN:
                response.close()
                raise PassingTroubleError(
                    f"HTTP {response.status_code}", response.status_code, _wait(response)
                )
            return response

    class Routed(httpx2.BaseTransport):
        """Each request by the way that the settings give its address."""

        def __init__(self) -> None:
            self._ways: dict[str | None, Direct] = {}
            self._guard = threading.Lock()

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            proxy = way.proxy_for(httpx.URL(str(request.url)))
            with self._guard:
                if proxy not in self._ways:
                    self._ways[proxy] = Direct(verify=context, trust_env=False, **through(proxy))
                found = self._ways[proxy]
            return found.handle_request(request)

        def close(self) -> None:
            for item in self._ways.values():
                item.close()

    return httpx2.Client(transport=Routed(), follow_redirects=True, timeout=limits, trust_env=False)


def _known(error: Exception) -> httpx.TransportError:
    """The library's client is httpx's twin; its errors have the same names and meanings."""
    kind = getattr(httpx, type(error).__name__, httpx.ReadError)
    twin: httpx.TransportError = kind(str(error))
    twin.__cause__ = error
    return twin


def _wait(response: httpx2.Response) -> float | None:
    text = str(response.headers.get("retry-after", ""))
    return float(text) if text.isdecimal() else None
