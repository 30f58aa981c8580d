"""A destination whose server's answers a test replaces."""

from __future__ import annotations

from tests.destinations.hosting import Loop, Server
from tests.destinations.interceptor import Answer, Interceptor, intercepting


def intercepted(loop: Loop, server: Server, answer: Answer | None = None) -> Interceptor:
    """Put a interceptor before a server."""
    host, _, path = server.endpoint.removeprefix("http://").partition("/")
    interceptor = loop.enter(intercepting(f"http://{host}"))
    interceptor.answer = answer
    server.endpoint = f"{interceptor.endpoint}/{path}".rstrip("/")
    return interceptor
