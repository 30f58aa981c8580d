"""The wheel, installed without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import eventually_sync
from tests.wished import OPTION

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """A virtual environment with the wheel; it shares the dependencies of this interpreter."""
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        root = Path(folder)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        build = [*pip, "wheel", "--no-deps", "-w", folder, str(CHECKOUT)]
        subprocess.run(build, check=True, timeout=150, cwd=root)
        (wheel,) = root.glob("simpletuner_tui-*.whl")
        venv.create(root / "env", with_pip=False)
        python = root / "env/bin/python"
        subprocess.run(
            [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
            check=True, timeout=60, cwd=root,
        )  # fmt: skip
        (site,) = root.glob("env/lib/python*/site-packages")
        (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
        yield root


def run(root: Path, *command: str) -> str:
    environ = {
        "HOME": str(root), "PATH": os.environ["PATH"],
        "SIMPLETUNER_TUI_HOME": str(root / "state"),
    }  # fmt: skip
    return subprocess.run(
        command, env=environ, cwd=root, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_the_program_runs_from_the_wheel_alone(installed: Path) -> None:
    program = str(installed / "env/bin/simpletuner-tui")
    assert run(installed, program, "--version").startswith("simpletuner-tui ")
    assert run(installed, program, "jobs", "--json").split() == ["[]"]
    python = str(installed / "env/bin/python")
    where = run(installed, python, "-c", "import tui; print(tui.__file__)").strip()
    assert where.startswith(str(installed))


def test_the_wheel_has_completions_and_the_manual_page_of_its_own_grammar(installed: Path) -> None:
    program = str(installed / "env/bin/simpletuner-tui")
    for kind, place in (
        ("bash", "bash-completion/completions/simpletuner-tui"),
        ("zsh", "zsh/site-functions/_simpletuner-tui"),
        ("fish", "fish/vendor_completions.d/simpletuner-tui.fish"),
        ("man", "man/man1/simpletuner-tui.1"),
    ):
        carried = (installed / "env/share" / place).read_text("utf-8")
        assert carried == run(installed, program, "completion", kind), kind


def test_the_wheel_has_the_proxies_templates(installed: Path) -> None:
    program = str(installed / "env/bin/simpletuner-tui")
    for kind in ("nginx", "caddy", "traefik"):
        assert "me.example.org" in run(
            installed, program, "proxy", kind, "--host", "me.example.org"
        )


def test_the_wheel_has_styles_and_the_example(installed: Path) -> None:
    python = str(installed / "env/bin/python")
    code = (
        "from tui.app.terminal.styles import style_folder; print(*sorted(style_folder().glob('*')))"
    )
    styles = {Path(name).name for name in run(installed, python, "-c", code).split()}
    assert styles == {path.name for path in (CHECKOUT / "styles").iterdir()}
    code = (
        "from pathlib import Path; from tui.sandbox.demo import write_demo_project;"
        "print(write_demo_project(Path('project')))"
    )
    assert (installed / run(installed, python, "-c", code).strip()).exists()
    assert len(list(installed.glob("project/datasets/*/*.txt"))) == 9
    code = (
        "from tui.simpletuner.facts import models, options;"
        "print(options.option_facts().release, 'flux' in models.model_facts())"
    )
    assert run(installed, python, "-c", code).split() == ["4.10.1", "True"]


def test_a_job_runs_from_the_wheel(installed: Path) -> None:
    program = str(installed / "env/bin/simpletuner-tui")
    sandbox = subprocess.Popen(
        [program, "sandbox", "--json", "--speed", "40", "--until-eof", *OPTION], cwd=installed,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={"HOME": str(installed), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert sandbox.stdin is not None
    assert sandbox.stdout is not None
    try:
        import json

        announcement = json.loads(sandbox.stdout.readline())
        python = str(installed / "env/bin/python")
        code = (
            "from pathlib import Path; from tui.sandbox.demo import write_demo_project;"
            "print(write_demo_project(Path('project')))"
        )
        config = run(installed, python, "-c", code).strip()
        (installed / "state").mkdir(exist_ok=True)
        (installed / "state/settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
        environ = {
            "HOME": str(installed), "PATH": os.environ["PATH"],
            "SIMPLETUNER_TUI_HOME": str(installed / "state"),
            "SIMPLETUNER_TUI_API_BASE": announcement["api_base"],
            "REPLICATE_API_TOKEN": announcement["token"],
        }  # fmt: skip
        done = subprocess.run(
            [program, "submit", config, "--steps", "8", "--yes", "--wait", "--json"],
            env=environ, cwd=installed, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        job = json.loads(done.stdout)
        assert job["status"] == "completed"
        assert any(file["path"].endswith(".safetensors") for file in job["files"])
    finally:
        sandbox.stdin.close()
        sandbox.wait(20)
        sandbox.stdout.close()
    stop = (
        "from tui.client.client import ControlClient; from tui.settings import Home;"
        "ControlClient(Home.resolve().socket).request('POST', '/api/shutdown')"
    )
    run(installed, str(installed / "env/bin/python"), "-c", stop)
    eventually_sync(lambda: not (installed / "state/engine.sock").exists())
