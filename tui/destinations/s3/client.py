"""A boto3 client that knows only what it was told, and that can be stopped."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import httpx

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.network import Network, name_proxy
from tui.settings import NetworkSettings
from tui.settings.network import authorities_file, network_of

S3Client = Any
"""boto3 makes the class of its clients while the program runs."""
CONNECTIONS = 12


def make_client(profile: S3Profile, keys: S3Keys, network: NetworkSettings) -> S3Client:
    """A client for one profile.

    Nothing of `~/.aws` or of the environment's AWS variables counts: what is sent where is
    decided by the profile alone. The client never tries again by itself, because its pauses
    cannot be interrupted.

    Raises:
        BundleError: the file of certificate authorities cannot be used.
        PublishError: the way out cannot be used for S3.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    way = network_of(network)
    nowhere = (None, None, os.devnull, None)
    bare = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
            "ca_bundle": (None, None, None, None),
        }
    )
    bare.register_component("data_loader", service_descriptions())
    # Over TLS botocore's default checksums travel in a trailer that several servers other than
    # AWS refuse or store as part of the object. We send Content-MD5, which all of them check.
    checksums = "when_required"
    by_name = profile.is_aws and profile.addressing == "auto"  # dots in a name need the path
    options: dict[str, Any] = {
        "connect_timeout": way.timeouts.connect,
        "read_timeout": way.timeouts.read,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "signature_version": "s3v4",
        "s3": {"addressing_style": "auto" if by_name else profile.style},
        "request_checksum_calculation": checksums,
        "response_checksum_validation": checksums,
        **_way(profile, way),
    }
    client: S3Client = boto3.session.Session(botocore_session=bare).client(
        "s3",
        endpoint_url=profile.endpoint,
        region_name=profile.region or "us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key.reveal(),
        aws_session_token=keys.session_token.reveal() if keys.session_token else None,
        verify=_verify(way),
        config=Config(**options),
    )
    return client


@cache
def service_descriptions() -> Any:
    """The loader of botocore's service descriptions, shared by all clients of this process.

    Each session has one of its own otherwise and reads megabytes of JSON again for every client,
    which takes longer than all the rest of opening a destination. boto3 adds its own folder to the
    loader's paths for each session; they are looked at for what has not been read yet alone.
    """
    from botocore.loaders import create_loader

    return create_loader()


def _way(profile: S3Profile, network: Network) -> dict[str, Any]:
    """The proxy for the bucket's host, as botocore takes it; nothing for the direct way."""
    address = profile.endpoint or f"https://s3.{profile.region or 'us-east-1'}.amazonaws.com"
    proxy = network.proxy_for(httpx.URL(address))
    if proxy is None:
        return {"proxies": {}}
    if proxy.startswith("socks"):
        raise PublishError(
            f"An S3 server cannot be reached through a SOCKS proxy ({name_proxy(proxy)}).",
            "Set an http:// proxy, or name the server under no_proxy in the network settings.",
            Trouble.NETWORK,
        )
    way: dict[str, Any] = {"proxies": {"http": proxy, "https": proxy}}
    if proxy.startswith("https:") and network.ssl_verify:
        way["proxies_config"] = {"proxy_ca_bundle": str(authorities_file(network))}
    return way


def _verify(network: Network) -> bool | str:
    if network.ssl_verify:
        return str(authorities_file(network))
    import urllib3

    # It would be printed on the screen for every request; the destination's test tells it.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return False
