"""Serving https without a proxy in front."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, Literal

_MOST_BYTES: Final = 1_000_000


class CertificateError(Exception):
    """The certificate or its key cannot be used.

    Attributes:
        field: which of the two is wrong.
        message: what is wrong with it, to stand behind its name.
    """

    def __init__(self, field: Literal["tls_cert", "tls_key"], message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """What sockets need to serve https; None without a certificate.

    Reads files, so it may block.

    Args:
        certificate: PEM file with the certificate and those between it and its authority.
        key: PEM file with its key; empty when that is in the same file.

    Raises:
        CertificateError: a file cannot be read, holds no such thing, or they do not belong
            together.
    """
    if not certificate:
        if key:
            check_key(key)
        return None
    cert_path = Path(certificate).expanduser()
    text = _pem(cert_path, "tls_cert")
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise CertificateError("tls_cert", "holds no certificate in PEM form")
    if key:
        check_key(key)
    elif "PRIVATE KEY-----" not in text:
        raise CertificateError("tls_cert", "holds no key; name the key's file behind a comma")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password function, OpenSSL asks for a passphrase on the terminal.
        context.load_cert_chain(
            cert_path, Path(key).expanduser() if key else None, password=lambda: ""
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            words = "is of another certificate"
            raise CertificateError("tls_key" if key else "tls_cert", words) from None
        words = f"cannot be used ({(error.reason or 'not readable').lower().replace('_', ' ')})"
        raise CertificateError("tls_cert", words) from None
    except OSError as error:
        raise CertificateError("tls_cert", f"cannot be read ({error.strerror})") from None
    return context


def check_key(key: str) -> None:
    """Look whether a file may hold a key that can be used without a passphrase.

    Raises:
        CertificateError: it cannot.
    """
    text = _pem(Path(key).expanduser(), "tls_key")
    if "PRIVATE KEY-----" not in text:
        raise CertificateError("tls_key", "holds no private key in PEM form")
    if "ENCRYPTED" in text:
        words = "needs a passphrase, which nobody could type; store it without"
        raise CertificateError("tls_key", words)


def _pem(path: Path, field: Literal["tls_cert", "tls_key"]) -> str:
    try:
        if path.is_dir():
            raise CertificateError(field, "is a folder; name the PEM file in it")
        if path.exists() and not path.is_file():
            raise CertificateError(field, "is no file")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("latin-1")
    except FileNotFoundError:
        raise CertificateError(field, "does not exist") from None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise CertificateError(field, f"cannot be read ({words})") from None
