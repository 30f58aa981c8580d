"""Creates boto3 clients that use only the destination's settings and never retry by themselves."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Literal

import httpx

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.replicate.network import Network, ProxyAddressError, name_proxy
from tui.settings import NetworkSettings
from tui.settings.network import authorities_file, network_of

S3Client = Any
"""boto3 creates the classes of its clients at run time, so there is no type for them."""
CONNECTIONS = 12


def make_client(
    profile: S3Profile,
    keys: S3Keys,
    network: NetworkSettings,
    *,
    service: Literal["s3", "sts"] = "s3",
) -> S3Client:
    """Create a client for a profile, or for the token service (STS) of the same server.

    `~/.aws` and the AWS variables of the environment are ignored: only the profile decides what is
    sent where. The client does not retry, because its pauses cannot be interrupted.

    Raises:
        BundleError: the file of certificate authorities cannot be used.
        PublishError: the proxy cannot be used for S3.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    network_config = network_of(network)
    no_file = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": no_file,
            "credentials_file": no_file,
            "ca_bundle": (None, None, None, None),
        }
    )
    session.register_component("data_loader", service_descriptions())
    # Over TLS, botocore sends its default checksums in a trailer, which several servers other than
    # AWS refuse or store as part of the object. We send Content-MD5, which all of them check.
    checksums = "when_required"
    auto_style = profile.is_aws and profile.addressing == "auto"  # dots in a name need the path
    options: dict[str, Any] = {
        "connect_timeout": network_config.timeouts.connect,
        "read_timeout": network_config.timeouts.read,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": CONNECTIONS,
        "signature_version": "s3v4" if service == "s3" else "v4",
        "s3": {"addressing_style": "auto" if auto_style else profile.style},
        "request_checksum_calculation": checksums,
        "response_checksum_validation": checksums,
        **_proxy_options(profile, network_config),
    }
    client: S3Client = boto3.session.Session(botocore_session=session).client(
        service,
        endpoint_url=profile.sts_endpoint if service == "sts" else profile.endpoint,
        region_name=profile.region or "us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key.reveal(),
        aws_session_token=keys.session_token.reveal() if keys.session_token else None,
        verify=_verify(network_config),
        config=Config(**options),
    )
    events = client.meta.events
    events.register_last("before-send", _headers_as_text)
    events.register("before-call.s3.HeadBucket", _do_not_ask_for_the_region_again)
    return client


def _headers_as_text(request: Any, **_: Any) -> None:
    """Write headers as text: botocore writes some as bytes, with which urllib3 fails at a 303."""
    for name, value in list(request.headers.items()):
        if isinstance(value, bytes):
            request.headers[name] = value.decode("latin-1")


def _do_not_ask_for_the_region_again(params: Any, **_: Any) -> None:
    """Take an answer to this request as it is.

    botocore makes it when a redirect names no region. A redirect in answer to that would lead to
    the same question, a thousand times, until Python's stack ends.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


@cache
def service_descriptions() -> Any:
    """Return the loader of botocore's service descriptions, shared by all clients.

    Each session would have its own loader and read megabytes of JSON again, which takes longer than
    all the rest of opening a destination. boto3 adds its folder to the loader's paths for each
    session, but these are searched only for descriptions that are not loaded yet.
    """
    from botocore.loaders import create_loader

    return create_loader()


def _proxy_options(profile: S3Profile, network: Network) -> dict[str, Any]:
    """Return botocore's options for the proxy of the bucket's host, if there is one."""
    address = profile.endpoint or f"https://s3.{profile.region or 'us-east-1'}.amazonaws.com"
    try:
        proxy = network.proxy_for(httpx.URL(address))
    except ProxyAddressError as error:
        message = f"The server cannot be reached: {error.message}."
        raise PublishError(message, error.advice, Trouble.NETWORK) from None
    if proxy is None:
        return {"proxies": {}}
    if proxy.startswith("socks"):
        raise PublishError(
            f"An S3 server cannot be reached through a SOCKS proxy ({name_proxy(proxy)}).",
            "Set an http:// proxy, or name the server under no_proxy in the network settings.",
            Trouble.NETWORK,
        )
    options: dict[str, Any] = {"proxies": {"http": proxy, "https": proxy}}
    if proxy.startswith("https:") and network.ssl_verify:
        options["proxies_config"] = {"proxy_ca_bundle": str(authorities_file(network))}
    return options


def _verify(network: Network) -> bool | str:
    if network.ssl_verify:
        return str(authorities_file(network))
    import urllib3

    # It would print a warning for every request; the destination's test shows one instead.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return False
