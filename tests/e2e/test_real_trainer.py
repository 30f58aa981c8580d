"""A folder of photographs on the release that is true to SimpleTuner 4.10.1, by commands alone.

The sandbox starts with its default release: uploaded archives are ignored there, and only what lies
in the run folder at a validation leaves the trainer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors import deserialize

from tests.cli.shell import PROGRAM, Shell
from tests.destinations.hosting import BUCKET
from tests.destinations.radosgw import make_bucket, missing_program, rados
from tests.e2e.session_bucket import session_bucket
from tests.listener.conftest import ACCESS_KEY, SECRET
from tests.sandbox.background import Background
from tests.support import eventually_sync, free_port, needs_program
from tui.destinations.s3.client import make_client
from tui.sandbox.config import SandboxConfig

STEPS = 8
WEIGHTS = "checkpoint-*/pytorch_lora_weights.safetensors"
SIDE = 2048
"""Edge of a large photograph in pixels: as noise, about 5 MiB of JPEG."""
SIZES = pytest.mark.parametrize("mib", [1, pytest.param(150, marks=pytest.mark.release)])
"""How many MiB of photographs are trained on; at 1 the demo's, which have 2.7 MiB, alone."""

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("real-trainer")]


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="st-", ignore_cleanup_errors=True) as root:
        world = Background(Path(root, "sandbox"), speed=40.0, release=SandboxConfig().release)
        shell = Shell(Path(root), world)
        hub = {"HF_TOKEN": "hf_write", "HF_ENDPOINT": str(world.sandbox.hub_url)}
        shell.environ |= hub
        try:
            yield shell
        finally:
            shell.close()
            world.close()


@pytest.fixture
def config(shell: Shell, tmp_path: Path) -> Path:
    """A copy of the example project whose every fourth step is validated and kept."""
    path = shutil.copytree(shell.root / "project", tmp_path / "project")
    config = path / "config/cat-lora/config.json"
    change(config, checkpoint_step_interval=4, validation_step_interval=4)
    return config


def change(config: Path, **options: Any) -> None:
    values = json.loads(config.read_text())
    for name, value in options.items():
        values["--" + name if "--" + name in values else name] = value
    config.write_text(json.dumps(values))


def add_photographs(config: Path, mib: int) -> None:
    """Fill the folder of the project with photographs of noise up to a size."""
    folder = config.parents[2] / "datasets/photographs"
    missing, number = mib * 2**20 - sum(path.stat().st_size for path in folder.iterdir()), 0
    while missing > 0:
        photograph = folder / f"large-{number}.jpg"
        noise = Image.frombytes("RGB", (SIDE, SIDE), os.urandom(SIDE * SIDE * 3))
        noise.save(photograph, quality=95)
        photograph.with_suffix(".txt").write_text(f"noise, number {number}")
        missing, number = missing - photograph.stat().st_size, number + 1


def submit(shell: Shell, config: Path, *words: str, steps: int = STEPS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "submit", str(config), "--steps", str(steps), "--delivery", "local", "--yes",
         "--wait", *words],
        env=shell.environ, cwd=shell.root, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(program: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = program.communicate(timeout=360)
    assert "Traceback" not in out + err, err
    return program.returncode, out, err


def job_of(shell: Shell, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = shell.json("job", job_id)
    return answer


def weights_of(shell: Shell, job_id: str) -> dict[str, Path]:
    """The delivered weights of a job by the name of their checkpoint."""
    found = (shell.home / "cloud_outputs").rglob(WEIGHTS)
    return {path.parent.name: path for path in found if job_id in str(path)}


def staged(shell: Shell) -> set[str]:
    """Keys of the staged data; those of a job that has ended are removed at any moment."""
    return {row["key"] for row in shell.json("staged")}


def processing(shell: Shell, but: set[str]) -> str | None:
    """The prediction that the trainer works on; a job is active long before it has one.

    Args:
        shell: its sandbox.
        but: predictions of earlier tests, which may still run.
    """
    rows = shell.world.http.get("/predictions").json()["results"]
    working = (row["id"] for row in rows if row["status"] == "processing")
    return next((prediction for prediction in working if prediction not in but), None)


def predictions(shell: Shell) -> int:
    return len(shell.world.http.get("/predictions").json()["results"])


@SIZES
@pytest.mark.parametrize("place", ["hub", "here"])
def test_a_folder_ends_as_the_weights_of_the_last_step_on_disk(
    shell: Shell, config: Path, place: str, mib: int
) -> None:
    add_photographs(config, mib)
    status, out, err = ended(submit(shell, config, "--data", f"staged:{place}", "--json"))
    assert status == 0, (out, err)
    job = json.loads(out)
    assert (job["status"], job["delivered"]["state"]) == ("completed", "yes")
    delivered = weights_of(shell, job["job_id"])
    assert set(delivered) == {"checkpoint-4", f"checkpoint-{STEPS}"}
    last = delivered[f"checkpoint-{STEPS}"].read_bytes()
    assert dict(deserialize(last))
    written = (shell.root / "sandbox").rglob(f"checkpoint-{STEPS}/*.safetensors")
    assert hashlib.sha256(last).hexdigest() in {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in written
    }, "the same bytes as in the trainer's container"


@needs_program("rclone")
def test_a_folder_in_a_bucket_ends_as_the_weights_of_the_last_step_on_disk(
    shell: Shell, config: Path, tmp_path: Path
) -> None:
    name = "mine"
    with session_bucket(tmp_path / "bucket") as (server, service):
        shell.run(
            "destinations", "add", name, "--kind", "s3", "--bucket", BUCKET, "--prefix", "runs",
            "--endpoint", service.endpoint, "--session-only",
            given=f"{ACCESS_KEY}\n{SECRET}\n",
        )  # fmt: skip
        status, out, err = ended(submit(
            shell, config, "--data", f"staged:{name}", "--trainer-release", "4.10.1",
            "--keep-staged", "--json",
        ))  # fmt: skip
        assert status == 0, (out, err)
        assert service.asked, "the trainer reads with temporary keys"
        kept = {hashlib.sha256(content).hexdigest() for content in server.stored().values()}
        folder = config.parents[2] / "datasets/photographs"
        pictures = [path.read_bytes() for path in folder.glob("*.jpg")]
        assert pictures
        assert {hashlib.sha256(picture).hexdigest() for picture in pictures} <= kept
        job = json.loads(out)
        assert (job["status"], job["delivered"]["state"]) == ("completed", "yes")
        assert f"checkpoint-{STEPS}" in weights_of(shell, job["job_id"])


@pytest.mark.release
@pytest.mark.timeout(580)
def test_a_bucket_with_a_token_service_of_its_own_ends_as_the_weights_on_disk(
    shell: Shell, config: Path
) -> None:
    """Ceph's: the trainer's keys are of a session, and open the job's folder alone."""
    if (missing := missing_program()) is not None:
        pytest.skip(f"{missing} is not installed")
    add_photographs(config, 150)
    with rados(Path(tempfile.mkdtemp(prefix="rgw")), gives_temporary_keys=True) as cluster:
        owner = cluster.user("owner")
        make_bucket(owner)
        shell.run(
            "destinations", "add", "ceph", "--kind", "s3", "--bucket", BUCKET, "--prefix", "runs",
            "--endpoint", owner.endpoint, "--data-role", cluster.role("stager", "owner"),
            "--session-only", given=f"{owner.access}\n{owner.secret}\n",
        )  # fmt: skip
        began = time.monotonic()
        status, out, err = ended(submit(
            shell, config, "--data", "staged:ceph", "--trainer-release", "4.10.1", "--json",
        ))  # fmt: skip
        print(f"\n150 MiB through a bucket: {time.monotonic() - began:.0f} s")
        assert status == 0, (out, err)
        job = json.loads(out)
        assert (job["status"], job["delivered"]["state"]) == ("completed", "yes")
        assert f"checkpoint-{STEPS}" in weights_of(shell, job["job_id"])
        with contextlib.closing(
            make_client(owner.profile(), owner.keys, owner.network)
        ) as client:  # fmt: skip

            def emptied() -> bool:
                return not client.list_objects_v2(Bucket=BUCKET).get("KeyCount")

            eventually_sync(emptied, within=60)


def test_a_validation_past_the_end_is_refused_and_mended_before_paying(
    shell: Shell, config: Path
) -> None:
    change(config, validation_step_interval=STEPS + 1)
    before, data = predictions(shell), staged(shell)
    status, out, err = ended(submit(shell, config, "--data", "staged:hub"))
    assert (status, out) == (1, "")
    advice = next(line for line in err.splitlines() if "--fix-delivery" in line)
    assert f"validation_step_interval: {STEPS + 1} → " in advice
    assert predictions(shell) == before, "nothing was started"
    assert staged(shell) <= data, "nothing was sent"
    mended = submit(shell, config, "--data", "staged:hub", "--fix-delivery", "--json")
    status, out, err = ended(mended)
    assert status == 0, (out, err)
    assert f"changed for the delivery: validation_step_interval: {STEPS + 1} → " in err
    assert f"checkpoint-{STEPS}" in weights_of(shell, json.loads(out)["job_id"])


@pytest.mark.parametrize(
    ("fault", "state"), [("lost-upload", "no"), (f"half-upload={STEPS}", "partly")]
)
def test_results_that_did_not_arrive_end_the_wait_with_1_and_their_names(
    shell: Shell, config: Path, fault: str, state: str
) -> None:
    with shell.faults(fault):
        status, out, err = ended(submit(shell, config, "--data", "staged:hub", "--json"))
    job = json.loads(out)
    assert (status, job["status"]) == (1, "completed"), err
    assert job["delivered"]["state"] == state
    assert f"checkpoint-{STEPS}" in job["delivered"]["missing"]
    words = f"delivered: {state} · checkpoint-{STEPS}"
    assert words in err
    assert words in shell.run("jobs").stdout, "the list says it, too"


def test_a_receiver_that_is_taken_away_in_mid_run_is_told(shell: Shell, config: Path) -> None:
    earlier = {row["id"] for row in shell.world.http.get("/predictions").json()["results"]}
    with shell.faults("stall=2"):
        waiting = submit(shell, config, "--data", "staged:hub", "--json")
        running = eventually_sync(lambda: processing(shell, earlier), within=60)
    shell.run("settings", "set", "listener.listen", f"127.0.0.1:{free_port()}")
    (shell.root / "sandbox/runs" / running / "go-on").touch()
    status, out, err = ended(waiting)
    job = json.loads(out)
    assert (status, job["status"]) == (1, "completed"), err
    state = job["delivered"]["state"]
    assert state in ("no", "partly")
    assert f"delivered: {state} · checkpoint-{STEPS}" in err
    assert f"checkpoint-{STEPS}" in job["delivered"]["missing"]
