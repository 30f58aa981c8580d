"""Ceph's S3 gateway, started from nothing: one monitor, one store in memory, one gateway.

It is the S3 server with users, quotas and rights that can be installed and run on one machine. It
needs Debian's `radosgw`, `ceph-mon` and `ceph-osd`, and about a quarter of a minute.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.destinations.hosting import BUCKET, Server, is_open
from tests.destinations.preset_trial import VIRTUAL_HOST
from tests.support import eventually_sync, free_port

PROGRAMS = (
    "radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd",
    "ceph-authtool", "monmaptool",
)  # fmt: skip
MOST_BYTES = 32 * 1024 * 1024
"""The largest object that it takes in one request."""
KMS_KEY = "testkey-1"
"""A key that the gateway encrypts with."""
_START_SECONDS = 120
_SETTINGS = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon_port}]
monmap = {root}/monmap
auth cluster required = none
auth service required = none
auth client required = none
run dir = {root}
log file = /dev/null
keyring = {root}/keyring
crash dir = {root}
admin socket =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
[mon.a]
mon data = {root}/mon
mon cluster log file = /dev/null
mon data avail crit = 0
mon data avail warn = 0
[osd.0]
osd data = {root}/osd
osd objectstore = memstore
memstore device bytes = {store}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 16
rgw dns name = {virtual_host}
rgw max put size = {most}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = {kms_key}={kms_secret}
rgw s3 auth use sts = {sts}
rgw sts key = {sts_key}
rgw user quota bucket sync interval = 0
rgw bucket quota ttl = 0
rgw gc max objs = 4
rgw lc max objs = 1
rgw objexp hints num shards = 1
rgw data log num shards = 1
rgw md log max shards = 1
"""


@dataclass
class Rados:
    """A running gateway."""

    root: Path
    port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    gateway: subprocess.Popen[bytes] | None = None
    _store: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str) -> str:
        """One of Ceph's programs, told where the cluster is."""
        done = subprocess.run(
            [command[0], "-c", str(self.root / "ceph.conf"), *command[1:]],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_START_SECONDS,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether a program ends with success."""
        try:
            self.run(*command)
        except AssertionError:
            return False
        return True

    def admin(self, *command: str) -> str:
        """The gateway's own administration."""
        return self.run("radosgw-admin", "-n", "client.rgw", *command)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A program that stays."""
        conf = str(self.root / "ceph.conf")
        with (self.root / f"{Path(command[0]).name}.out").open("wb") as out:
            process = subprocess.Popen(
                [command[0], "-c", conf, *command[1:]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.root,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def answers(self) -> bool:
        """Whether the gateway can be used.

        The store ends at once when it spoke to the monitor before that had told it which cluster
        this is ("wrong fsid"); then it is started again.
        """
        if self._store is None or self._store.poll() is not None:
            self._store = self.start("ceph-osd", "-i", "0", "-f")
        return is_open(self.port)

    def user(self, name: str, *more: str) -> Server:
        """A user, and the gateway as that user sees it."""
        access, secret = f"{name}-key", f"{name}-not-a-real-secret"
        self.admin("user", "create", f"--uid={name}", f"--display-name={name}",
                   f"--access-key={access}", f"--secret={secret}", *more)  # fmt: skip
        return Server("radosgw", self.endpoint, self.root, None, access, secret)

    def role(self, name: str, user: str, *actions: str) -> str:
        """A role that a user may assume, with all rights or these; returns its ARN."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
                "Action": ["sts:AssumeRole"],
            }],
        }  # fmt: skip
        rights = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": list(actions) or ["s3:*"],
                    "Resource": "arn:aws:s3:::*",
                }
            ],
        }
        made = json.loads(
            self.admin("role", "create", f"--role-name={name}", "--path=/",
                       f"--assume-role-policy-doc={json.dumps(trust)}")
        )  # fmt: skip
        self.admin("role-policy", "put", f"--role-name={name}", "--policy-name=all",
                   f"--policy-doc={json.dumps(rights)}")  # fmt: skip
        return str(made["Arn"])

    def close(self) -> None:
        """End it at once: nothing of it is wanted afterwards."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()


def make_bucket(server: Server, name: str = BUCKET) -> None:
    """A bucket of the user's own."""
    from tui.destinations.s3.client import make_client

    with contextlib.closing(make_client(server.profile(), server.keys, server.network)) as client:
        client.create_bucket(Bucket=name)


@contextmanager
def rados(
    root: Path, *, gives_temporary_keys: bool = False, store_bytes: int = 1024**3
) -> Iterator[Rados]:
    """A gateway that answers; it ends with the block.

    Args:
        root: its folder. The name must be short: sockets lie in it.
        gives_temporary_keys: whether it has the token service; such a gateway refuses an unknown
            key without saying that it does not know it.
        store_bytes: how much it takes, in memory.
    """
    made = Rados(root, free_port())
    secret = base64.b64encode(os.urandom(32)).decode()
    values = {"fsid": uuid.uuid4(), "mon_port": free_port(), "port": made.port, "root": root,
              "most": MOST_BYTES, "virtual_host": VIRTUAL_HOST, "kms_key": KMS_KEY,
              "kms_secret": secret, "sts_key": secret[:16],
              "sts": str(gives_temporary_keys).lower(), "store": store_bytes}  # fmt: skip
    (root / "ceph.conf").write_text(_SETTINGS.format(**values))
    for folder in ("mon", "osd"):
        (root / folder).mkdir()
    try:
        made.run("ceph-authtool", "--create-keyring", str(root / "keyring"), "--gen-key",
                 "-n", "mon.", "--cap", "mon", "allow *")  # fmt: skip
        made.run("monmaptool", "--create", "--addv", "a", f"[v1:127.0.0.1:{values['mon_port']}]",
                 "--fsid", str(values["fsid"]), str(root / "monmap"))  # fmt: skip
        made.run("ceph-mon", "--mkfs", "-i", "a", "--keyring", str(root / "keyring"))
        made.start("ceph-mon", "-i", "a", "-f")
        disk = str(uuid.uuid4())
        # A monitor that has just started knows no command for a moment.
        eventually_sync(lambda: made.succeeds("ceph", "osd", "new", disk, "0"), within=30)
        made.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        made.gateway = made.start("radosgw", "-n", "client.rgw", "-f")
        eventually_sync(made.answers, within=_START_SECONDS)
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)


def missing_program() -> str | None:
    """The first program that is not installed here."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return next((name for name in PROGRAMS if shutil.which(name, path=path) is None), None)
