"""A storage receiver on loopback, over http and https, and real boto3 clients for it."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import boto3
import pytest
from aiohttp import web
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.listener.hooks import Hooks, serve_hooks
from tui.listener.storage import (
    STORAGE_PATH,
    ReceivedObject,
    StorageGrant,
    StorageLimits,
    StorageReceiver,
)

ACCESS_KEY = "job-key-1"
SECRET = "not-a-real-secret-but-long-enough"


def grant(**changes: Any) -> StorageGrant:
    usual = StorageGrant(
        job_id="job-1",
        secret=SECRET,
        prefix="outputs/cat-lora",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    return replace(usual, **changes)


Checksums = Literal["when_supported", "when_required"]


@cache
def _session() -> boto3.session.Session:
    """One for all clients: each session reads botocore's descriptions of services again."""
    return boto3.session.Session()


@dataclass
class Keys:
    """Key pairs in memory."""

    grants: dict[str, StorageGrant] = field(default_factory=dict)

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        return self.grants.get(access_key)


@dataclass
class Storage:
    """A running receiver."""

    root: Path
    origin: str
    certificate: Path | None
    keys: Keys
    received: list[ReceivedObject]
    receiver: StorageReceiver
    clients: list[Any] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return self.origin + STORAGE_PATH

    @property
    def folder(self) -> Path:
        return self.root / "outputs" / "cat-lora"

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def client(
        self,
        *,
        checksums: Checksums = "when_supported",
        **changes: Any,
    ) -> Any:
        options: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET,
            "region_name": "us-east-1",
            "verify": str(self.certificate) if self.certificate else None,
            "config": Config(
                signature_version="s3v4",  # presigned URLs are version 2 otherwise
                s3={"addressing_style": "path"},
                retries={"max_attempts": 1},
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
            ),
        }
        client = _session().client("s3", **(options | changes))
        self.clients.append(client)
        return client

    def leftovers(self) -> list[Path]:
        """Files that nobody will ever use."""
        incoming = self.root / ".incoming"
        return [
            path for path in incoming.rglob("*") if path.is_file() and "objects" not in path.parts
        ]


Start = Callable[..., Any]


@asynccontextmanager
async def serve_storage(
    root: Path,
    *,
    limits: StorageLimits | None = None,
    grants: dict[str, StorageGrant] | None = None,
    certificate: tuple[Path, Path] | None = None,
    on_object: Any = None,
) -> AsyncIterator[Storage]:
    """Run a receiver until the block ends."""
    received: list[ReceivedObject] = []

    async def note(item: ReceivedObject) -> None:
        assert hashlib.sha256(item.path.read_bytes()).hexdigest() == item.sha256
        received.append(item)

    keys = Keys(grants if grants is not None else {ACCESS_KEY: grant()})
    receiver = StorageReceiver(root, keys, on_object=on_object or note, limits=limits)
    app = web.Application()
    receiver.add_routes(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1)
    await runner.setup()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    scheme = "https" if certificate else "http"
    storage = Storage(
        root=root,
        origin=f"{scheme}://127.0.0.1:{port}",
        certificate=certificate[0] if certificate else None,
        keys=keys,
        received=received,
        receiver=receiver,
    )
    try:
        yield storage
    finally:
        for client in storage.clients:
            client.close()
        await runner.cleanup()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with serve_storage(tmp_path / "out") as running:
        yield running


@pytest.fixture(params=["http", "https"])
async def any_storage(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: tuple[Path, Path]
) -> AsyncIterator[Storage]:
    """The same over http and over https: boto3 encodes bodies differently on the two."""
    async with serve_storage(
        tmp_path / "out", certificate=certificate if request.param == "https" else None
    ) as running:
        yield running


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with serve_hooks() as running:
        yield running
