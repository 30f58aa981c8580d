"""Squid, a forward proxy as in company networks, with its own hosts file.

Only the proxy can resolve the names in that file, so a client that reaches them has used the proxy.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.authority import ServerCertificate
from tests.canary import OUTSIDE
from tests.support import eventually_sync, free_port

PROGRAM = shutil.which("squid") or "/usr/sbin/squid"
_HELPER = Path("/usr/lib/squid/basic_ncsa_auth")
_USER = "proxy"
"""Debian's account for Squid, which it switches to when root starts it."""

needs_squid = pytest.mark.skipif(
    not os.access(PROGRAM, os.X_OK), reason="the program squid is not installed"
)


@dataclass(frozen=True)
class Squid:
    """A running proxy.

    Attributes:
        address: its URL without name and password.
        folder: folder of its log.
    """

    address: str
    folder: Path

    @property
    def seen(self) -> list[str]:
        """Its requests as `STATUS METHOD TARGET`, oldest first."""
        try:
            lines = (self.folder / "access.log").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if "error:" not in line]

    def hosts(self) -> set[str]:
        """Host and port of every allowed CONNECT."""
        return {line.split()[2] for line in self.seen if line.startswith("200 CONNECT ")}


@contextmanager
def squid(
    hosts: Mapping[str, str],
    *,
    password: str = "",
    certificate: ServerCertificate | None = None,
    refuse: bool = False,
) -> Iterator[Squid]:
    """Run one.

    Args:
        hosts: addresses by the names that it alone knows.
        password: `name:password` that it asks for.
        certificate: makes it an `https://` proxy, which is reached over TLS.
        refuse: it lets nothing out (403).
    """
    folder = Path(tempfile.mkdtemp(prefix="squid-"))
    (folder / OUTSIDE).touch()
    (folder / "hosts").write_text("".join(f"{to} {name}\n" for name, to in hosts.items()))
    port = free_port()
    door = f"http_port 127.0.0.1:{port}"
    if certificate is not None:
        for path in (certificate.certificate, certificate.key):
            shutil.copy(path, folder / path.name)
        cert_path, key_path = folder / certificate.certificate.name, folder / certificate.key.name
        files = f"tls-cert={cert_path} tls-key={key_path}"
        door = f"https_port 127.0.0.1:{port} {files}"
    lines = [
        door,
        f"hosts_file {folder}/hosts",
        "pid_filename none",
        "logformat plain %>Hs %rm %ru",
        f"access_log stdio:{folder}/access.log plain",
        "buffered_logs off",
        f"cache_log {folder}/cache.log",
        "cache deny all",
        "cache_mem 1 MB",
        "max_filedescriptors 1024",
        f"coredump_dir {folder}",
        "visible_hostname proxy.test",
        "shutdown_lifetime 0 seconds",
        "dns_timeout 1 seconds",
        "pinger_enable off",
        "netdb_filename none",
        *_password(folder, password),
        f"http_access {'deny' if refuse else 'allow'} all",
    ]
    (folder / "squid.conf").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _USER)
    process = subprocess.Popen(
        # Squid names its shared memory after the service name (-n), so each process needs its own.
        [PROGRAM, "-N", "-n", f"t{uuid.uuid4().hex[:20]}", "-f", str(folder / "squid.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually_sync(lambda: _answers(process, folder, port), within=60)
        scheme = "http" if certificate is None else "https"
        yield Squid(f"{scheme}://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _password(folder: Path, password: str) -> list[str]:
    if not password:
        return []
    name, _, word = password.partition(":")
    command = ["openssl", "passwd", "-1", "-stdin"]
    made = subprocess.run(command, input=word, text=True, capture_output=True, check=True)
    (folder / "users").write_text(f"{name}:{made.stdout.strip()}\n")
    return [
        f"auth_param basic program {_HELPER} {folder}/users",
        "auth_param basic children 1",
        "auth_param basic realm test",
        "acl known proxy_auth REQUIRED",
        "http_access deny !known",
    ]


def _answers(process: subprocess.Popen[bytes], folder: Path, port: int) -> bool:
    log = folder / "cache.log"
    assert process.poll() is None, log.read_text() if log.exists() else "squid ended"
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
