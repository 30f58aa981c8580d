"""A boto3 client that knows only what it was told, and that can be stopped."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tui.publishing.s3_profile import S3Keys, S3Profile
from tui.replicate.network import bypasses_proxy
from tui.settings import NetworkSettings

S3Client = Any
"""boto3 makes the class of its clients while the program runs."""
CONNECTIONS = 12
_CONNECT_SECONDS = 10.0


def make_client(profile: S3Profile, keys: S3Keys, network: NetworkSettings) -> S3Client:
    """A client for one profile.

    Nothing of `~/.aws` or of the environment's AWS variables counts: what is sent where is
    decided by the profile alone. The client never tries again by itself, because its pauses
    cannot be interrupted.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    nowhere = (None, None, os.devnull, None)
    bare = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
            "ca_bundle": (None, None, None, None),
        }
    )
    # Over TLS botocore's default checksums travel in a trailer that several servers other than
    # AWS refuse or store as part of the object. We send Content-MD5, which all of them check.
    checksums = "when_required"
    by_name = profile.is_aws and profile.addressing == "auto"  # dots in a name need the path
    options: dict[str, Any] = {
        "connect_timeout": min(_CONNECT_SECONDS, network.timeout),
        "read_timeout": network.timeout,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "signature_version": "s3v4",
        "s3": {"addressing_style": "auto" if by_name else profile.style},
        "request_checksum_calculation": checksums,
        "response_checksum_validation": checksums,
        "proxies": _proxies(profile, network),
    }
    client: S3Client = boto3.session.Session(botocore_session=bare).client(
        "s3",
        endpoint_url=profile.endpoint,
        region_name=profile.region or "us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key.reveal(),
        aws_session_token=keys.session_token.reveal() if keys.session_token else None,
        verify=_verify(network),
        config=Config(**options),
    )
    return client


def _proxies(profile: S3Profile, network: NetworkSettings) -> dict[str, str] | None:
    """None lets the environment decide; nothing for this machine itself."""
    parts = urlsplit(profile.endpoint or "https://s3.amazonaws.com")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if bypasses_proxy(parts.hostname or "", port, []):
        return {}
    if not network.proxy:
        return None
    return {"http": network.proxy, "https": network.proxy}


def _verify(network: NetworkSettings) -> bool | str:
    if not network.ssl_verify:
        import urllib3

        # It would be printed on the screen for every request; the destination's test tells it.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return False
    if not network.ca_bundle:
        return True
    return str(combined_bundle(Path(network.ca_bundle).expanduser()))


def combined_bundle(extra: Path) -> Path:
    """A file with the usual authorities and those of `extra`; botocore takes only one file.

    Raises:
        OSError: `extra` cannot be read.
    """
    import certifi

    data = Path(certifi.where()).read_bytes() + b"\n" + extra.read_bytes()
    name = f"simpletuner-tui-ca-{os.getuid()}-{hashlib.sha256(data).hexdigest()[:32]}.pem"
    path = Path(tempfile.gettempdir()) / name
    if not path.is_file() or path.stat().st_uid != os.getuid() or path.read_bytes() != data:
        handle, fresh = tempfile.mkstemp(prefix="simpletuner-tui-ca-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(fresh).replace(path)
    return path
