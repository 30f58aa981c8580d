"""Tests behind a reverse proxy; `test_reverse_proxies.py` runs them in a network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig

from tests.canary import OUTSIDE
from tests.engine.submission.finished_run import check_whole
from tests.engine.world import World, running_world
from tests.support import eventually
from tui.api.webhooks import WebhookTestReport
from tui.base.job_status import JobStatus
from tui.listener.proxy_config import ProxyKind, ProxySite, configuration
from tui.settings import Home, load_settings
from tui.store.records import JobRecord

MIB = 1024 * 1024
NAME = "training.example.com"
PUBLIC = f"https://{NAME}"
REPLICATE, STRANGER, OFFICE = "34.82.0.10", "8.8.4.4", "10.0.0.5"
SETTINGS = f"""
[listener]
public_url = "{PUBLIC}"
trusted_proxies = ["127.0.0.1"]
allowed_ips = ["34.82.0.0/16", "35.185.0.0/16"]
[network]
ca_bundle = "%s"
"""


@dataclass(frozen=True)
class Certificates:
    """A private certificate authority, and the proxy's certificate and key."""

    ca: Path
    certificate: Path
    key: Path


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test ca",
            "-keyout", "ca.key", "-out", "ca.pem", folder=folder)  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-keyout", "x.key",
            "-out", "x.csr", folder=folder)  # fmt: skip
    (folder / "x.ext").write_text(f"subjectAltName=DNS:{NAME}\n")
    openssl("x509", "-req", "-in", "x.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-CAcreateserial", "-extfile", "x.ext", "-out", "x.pem", folder=folder)  # fmt: skip
    return Certificates(folder / "ca.pem", folder / "x.pem", folder / "x.key")


def example(kind: ProxyKind, certificates: Certificates) -> str:
    """The configuration that the program writes for the test's host and certificate."""
    site = ProxySite(
        NAME, "127.0.0.1:8080",
        certificate=str(certificates.certificate), key=str(certificates.key),
    )  # fmt: skip
    return configuration(kind, site)


@pytest.fixture(scope="module")
def proxy(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = os.environ["SIMPLETUNER_TUI_PROXY"]
    folder = tmp_path_factory.mktemp(name)
    (folder / OUTSIDE).touch()  # a proxy logs addresses, the keys of jobs' webhooks in them
    if name == "nginx":
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"user root; daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
            f"http {{ access_log off;\n{places}{example('nginx', certificates)}\n}}\n"
        )
        command = ["nginx", "-e", "stderr", "-c", str(config)]
    else:
        config = folder / "Caddyfile"
        options = "{\n admin off\n auto_https disable_redirects\n}\n"
        config.write_text(options + example("caddy", certificates))
        command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    log = (folder / "log").open("wb")
    env = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        yield name
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@contextlib.asynccontextmanager
async def world_behind(
    home: Home, certificates: Certificates, tmp_path: Path, *faults: str, polling: bool
) -> AsyncIterator[World]:
    home.create()
    home.settings_file.write_text(SETTINGS % certificates.ca)
    settings = load_settings(home, {})
    settings = replace(settings, cloud=replace(settings.cloud, polling=polling))
    async with running_world(
        home, tmp_path / "project", settings=settings, faults=faults, ca_bundle=certificates.ca
    ) as world:
        assert world.engine.listening.address == "127.0.0.1:8080"
        yield world


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "h", tmp_path / "h" / "cloud_outputs")


def client_from(address: str, certificates: Certificates, **more: Any) -> httpx.AsyncClient:
    """A client with the given source address."""
    transport = httpx.AsyncHTTPTransport(
        local_address=address, verify=_trust(certificates), retries=3
    )
    return httpx.AsyncClient(base_url=PUBLIC, transport=transport, timeout=30, **more)


def _trust(certificates: Certificates) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(certificates.ca))


def comparable_fields(job: JobRecord) -> dict[str, Any]:
    """The fields of a job that are equal for two runs of it."""
    return {
        "status": job.status, "step": job.step, "total": job.total_steps, "percent": job.percent,
        "epoch": job.epoch, "loss": job.loss is not None, "files": job.file_count,
        "error": job.error, "stage": job.stage, "provider": job.provider_status,
        "ended": job.completed_at is not None, "cost": job.cost_micros is not None,
    }  # fmt: skip


async def delivered(world: World, job_id: str) -> JobRecord:
    """Wait until the engine has confirmed that a job's results are here."""
    await eventually(lambda: world.job(job_id).submit.get("delivered", {}).get("state") == "yes")
    return world.job(job_id)


async def test_a_job_is_followed_by_webhooks_and_uploads_through_the_proxy(
    home: Home, certificates: Certificates, proxy: str, tmp_path: Path
) -> None:
    """First without polling; then with webhooks that are sent twice, out of order, or lost."""
    async with world_behind(home, certificates, tmp_path / "a", polling=False) as world:
        answer = await eventually(lambda: _webhook_test(world), within=20)
        assert answer["success"], answer
        job_id = await world.submit(steps=40, overrides={"max_train_steps": 40, "lora_rank": 64})
        await world.ended(job_id, within=60)
        check_whole(world, job_id, 40)
        job = await delivered(world, job_id)
        reader = world.reader
        sources = {event.source for event in reader.events(job_id)}
        assert "webhook" in sources
        assert "poll" not in sources
        largest = max(file.size for file in reader.files(job_id))
        reader.close()
        assert largest > 8 * MIB, "too small to be sent in parts"
        assert job.output_url.startswith(PUBLIC) or PUBLIC in str(job.output)
    faults = ("webhook-duplicate", "webhook-reorder", "webhook-drop=3")
    second_home = Home(tmp_path / "h2", tmp_path / "h2" / "cloud_outputs")
    async with world_behind(
        second_home, certificates, tmp_path / "b", *faults, polling=True
    ) as world:
        second_job_id = await world.submit(
            steps=40, overrides={"max_train_steps": 40, "lora_rank": 64}
        )
        await world.ended(second_job_id, within=60)
        await eventually(lambda: not world.sandbox.core.hooks.open_channels(), within=90)
        check_whole(world, second_job_id, 40)
        second_job = await delivered(world, second_job_id)
        assert comparable_fields(second_job) == comparable_fields(job)


async def _webhook_test(world: World) -> WebhookTestReport | None:
    """The result of the webhook test; None while the proxy does not listen yet."""
    answer = await world.client.cloud.test_webhook()
    return answer if answer["success"] or "reached" not in (answer["error"] or "") else None


async def test_the_address_of_the_client_is_correct(
    home: Home, certificates: Certificates, proxy: str, tmp_path: Path
) -> None:
    async with world_behind(home, certificates, tmp_path, polling=True) as world:
        await eventually(lambda: _webhook_test(world), within=20)
        webhook_path = "/api/webhooks/replicate"
        forged = {"X-Forwarded-For": "34.82.1.2", "Forwarded": "for=34.82.1.2"}
        async with client_from(REPLICATE, certificates) as replicate:
            assert (await replicate.post(webhook_path, content=b"{}")).status_code == 401
        rejection = world.engine.listening.stats["last_rejection"]
        assert rejection is not None
        assert (rejection["reason"], rejection["address"]) == ("unsigned", REPLICATE)
        for address in (STRANGER, OFFICE):
            async with client_from(address, certificates) as stranger:
                answer = await stranger.post(webhook_path, content=b"{}", headers=forged)
                assert answer.status_code == 403
                assert "application/json" not in answer.headers.get("content-type", "")  # proxy's
        # Behind the proxy's own list, our listener checks the address that the proxy forwards.
        world.engine.live.change("listener", {"allowed_ips": ("35.185.0.0/16",)})
        async with client_from(REPLICATE, certificates) as replicate:
            answer = await replicate.post(webhook_path, content=b"{}", headers=forged)
        assert (answer.status_code, answer.json()["reason"]) == (403, "address")
        rejection = world.engine.listening.stats["last_rejection"]
        assert rejection is not None
        assert rejection["address"] == REPLICATE
        # A local client that is no trusted proxy cannot set its address by a header.
        world.engine.live.change("listener", {"trusted_proxies": ()})
        async with httpx.AsyncClient() as direct:
            url = f"http://127.0.0.1:8080{webhook_path}"
            forged_header = {"X-Forwarded-For": "35.185.0.1"}
            assert (await direct.post(url, content=b"{}", headers=forged_header)).status_code == 403


async def test_the_api_is_restricted_by_address_and_streams_are_not_buffered(
    home: Home, certificates: Certificates, proxy: str, tmp_path: Path
) -> None:
    async with world_behind(home, certificates, tmp_path, polling=True) as world:
        await eventually(lambda: _webhook_test(world), within=20)
        headers = {
            "Authorization": f"Bearer {world.engine.api_keys.create('proxy', 'admin').key}",
            "X-Api-Base": world.sandbox.base_url,
        }
        async with client_from(STRANGER, certificates, headers=headers) as stranger:
            assert (await stranger.get("/api/cloud/jobs")).status_code == 403
        async with client_from(OFFICE, certificates) as nobody:
            assert (await nobody.get("/api/cloud/jobs")).status_code == 401
        world.fault("stall=100")
        job_id = await world.submit(steps=200)
        await world.until(job_id, JobStatus.RUNNING)
        async with client_from(OFFICE, certificates, headers=headers) as office:
            assert (await office.get("/api/cloud/jobs")).json()["total"] == 1
            seen = 0
            path = f"/api/cloud/jobs/{job_id}/logs/stream"
            async with asyncio.timeout(60), office.stream("GET", path) as stream:
                async for line in stream.aiter_lines():
                    seen += line.startswith("data: ")
                    if seen >= 5:
                        break
        assert world.job(job_id).status is JobStatus.RUNNING, "the lines came at the end only"
        await world.client.cancel(job_id)
        await world.ended(job_id)


async def test_large_files_in_parts(
    home: Home, certificates: Certificates, proxy: str, tmp_path: Path
) -> None:
    async with world_behind(home, certificates, tmp_path, polling=True) as world:
        await eventually(lambda: _webhook_test(world), within=20)
        made = await world.client.make_storage_key(300)
        assert made["endpoint"].startswith(PUBLIC)
        source = tmp_path / "large.bin"
        piece = os.urandom(MIB)
        source.write_bytes(b"".join(piece[n:] + piece[:n] for n in range(96)))

        def send() -> bytes:
            s3 = boto3.client(
                "s3",
                endpoint_url=made["endpoint"],
                aws_access_key_id=made["access_key"],
                aws_secret_access_key=made["secret_key"],
                region_name=made["region"],
                verify=str(certificates.ca),
            )
            parts = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB)
            s3.upload_file(str(source), made["bucket"], "large.bin", Config=parts)
            etag = s3.head_object(Bucket=made["bucket"], Key="large.bin")["ETag"]
            assert etag.strip('"').endswith("-6"), "it was not sent in parts"
            body: bytes = s3.get_object(
                Bucket=made["bucket"], Key="large.bin", Range="bytes=1048576-2097151"
            )["Body"].read()
            return body

        assert await asyncio.to_thread(send) == source.read_bytes()[MIB : 2 * MIB]
        arrived = world.home.outputs / "personal" / "large.bin"
        assert hashlib.sha256(arrived.read_bytes()).digest() == (
            hashlib.sha256(source.read_bytes()).digest()
        )
        # A webhook that carries a whole log is larger than a proxy's default limit.
        async with client_from(REPLICATE, certificates) as replicate:
            # Without a signature it would be refused before its body is read.
            signature = {
                "webhook-id": "m",
                "webhook-timestamp": str(int(time.time())),
                "webhook-signature": "v1,forged",
            }
            answer = await replicate.post(
                "/api/webhooks/replicate", content=b"x" * 20 * MIB, headers=signature
            )
        # Both are said once the whole body has come.
        assert answer.json()["reason"] in {"signature", "no_secret"}
