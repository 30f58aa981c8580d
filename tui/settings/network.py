"""Turns the network settings into options for the clients of every library."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tui.replicate.network import Network, Timeouts
from tui.settings import NetworkSettings

_CONNECT_SECONDS = 10.0


def network_of(settings: NetworkSettings) -> Network:
    """Proxy, certificates and time limits of the settings."""
    return Network(
        proxy=settings.proxy or None,
        no_proxy=settings.no_proxy,
        ca_bundle=Path(settings.ca_bundle).expanduser() if settings.ca_bundle else None,
        ssl_verify=settings.ssl_verify,
        timeouts=Timeouts(
            connect=min(_CONNECT_SECONDS, settings.timeout),
            read=settings.timeout,
            write=settings.timeout,
        ),
    )


def authorities_file(network: Network) -> Path:
    """One file with every authority that is trusted, for libraries that take only one.

    Raises:
        BundleError: a file of them cannot be used.
    """
    files = network.authorities()
    if len(files) == 1:
        return files[0]
    network.ssl_context()  # its errors name the file; those of other libraries do not
    data = b"\n".join(file.read_bytes() for file in files)
    path = _private_folder() / f"{hashlib.sha256(data).hexdigest()[:32]}.pem"
    if not path.is_file():
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    return path


@cache
def _private_folder() -> Path:
    """A folder of this process: with a name that others know, they could put their file there."""
    folder = tempfile.mkdtemp(prefix="simpletuner-tui-ca-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
