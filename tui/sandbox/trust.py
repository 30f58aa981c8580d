"""The certificates that the sandbox trusts in its own requests: webhooks, downloads of images."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import httpx


def trusted(ca_bundle: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the usual authorities and those of a file.

    Reading the authorities takes 20 ms of computing, more than most requests of a short run: one
    context serves all requests that trust the same.
    """
    return _read(ca_bundle, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=8)
def _read(ca_bundle: Path | None, *_environment: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()  # follows both variables
    if ca_bundle is not None:
        context.load_verify_locations(ca_bundle)
    return context
