"""Ports, certificates and answers of a listener."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import httpx

from tui.listener.webhooks import WEBHOOK_PATH


async def status(address: str, scheme: str = "http", trust: Path | None = None) -> int:
    verify = ssl.create_default_context(cafile=str(trust)) if trust else True
    async with httpx.AsyncClient(verify=verify) as client:
        return (await client.post(f"{scheme}://{address}{WEBHOOK_PATH}", content=b"{}")).status_code


async def make_certificate(folder: Path, name: str = "", *options: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder.mkdir(exist_ok=True)
    given = options or ("-nodes",)
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *given, "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"k{name}.pem",
         "-out", f"c{name}.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / f"c{name}.pem", folder / f"k{name}.pem"
