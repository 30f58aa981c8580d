"""The TLS context of the listener, read from PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final, Literal

_MOST_BYTES: Final = 1_000_000


class CertificateError(Exception):
    """The certificate or its key cannot be used.

    Attributes:
        field: the setting that is wrong.
        message: the problem, worded to follow the setting's name.
    """

    def __init__(self, field: Literal["tls_cert", "tls_key"], message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """Return the TLS context to serve https with; None without a certificate.

    Blocks: it reads files.

    Args:
        certificate: PEM file with the certificate and those between it and its authority.
        key: PEM file with its key; empty when that is in the same file.

    Raises:
        CertificateError: a file cannot be read, holds no certificate or key, or the key does not
            match the certificate.
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
            message = "is of another certificate"
            raise CertificateError("tls_key" if key else "tls_cert", message) from None
        message = f"cannot be used ({(error.reason or 'not readable').lower().replace('_', ' ')})"
        raise CertificateError("tls_cert", message) from None
    except OSError as error:
        raise CertificateError("tls_cert", f"cannot be read ({error.strerror})") from None
    return context


def check_key(key: str) -> None:
    """Check that a file holds a private key without a passphrase.

    Raises:
        CertificateError: it does not.
    """
    text = _pem(Path(key).expanduser(), "tls_key")
    if "PRIVATE KEY-----" not in text:
        raise CertificateError("tls_key", "holds no private key in PEM form")
    if "ENCRYPTED" in text:
        message = "needs a passphrase, which nobody could type; store it without"
        raise CertificateError("tls_key", message)


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
        message = getattr(error, "strerror", None) or error
        raise CertificateError(field, f"cannot be read ({message})") from None
