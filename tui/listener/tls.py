"""Serving https without a proxy in front."""

from __future__ import annotations

import ssl
from pathlib import Path


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """What sockets need to serve https; None without a certificate.

    Args:
        certificate: PEM file with the certificate and those between it and its authority.
        key: PEM file with its key; empty when that is in the same file.

    Raises:
        OSError: a file cannot be read, or holds no such thing (`ssl.SSLError`).
    """
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(Path(certificate).expanduser(), Path(key).expanduser() if key else None)
    return context
