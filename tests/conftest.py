"""What holds for every test: a home of its own, no tokens, no colours of the developer's shell."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.canary import Watch, marked_secrets

NO_SKIPS = "SIMPLETUNER_TUI_NO_SKIPS"
"""With this set, a skipped test counts as failed: every system part is meant to be installed."""

_SCRUBBED = (
    "NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "REPLICATE_API_TOKEN", "REPLICATE_BASE_URL",
    "SIMPLETUNER_TUI_API_BASE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN", "HF_API_TOKEN", "HF_ENDPOINT", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSH_CONNECTION",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Search everything that the tests leave behind for their secrets."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has what it runs behind `&` ignore interrupts, and programs inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Watch(), "canary-watch")
    # How long an example takes is the machine's affair; what hangs is stopped by pytest-timeout.
    settings.register_profile("no-deadline", deadline=None)
    settings.load_profile("no-deadline")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a fixture of their module in one worker, so that it is made once."""
    for item in items:
        if shares_a_module_fixture(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def shares_a_module_fixture(item: pytest.Item) -> bool:
    """Whether a fixture that lives as long as a module, and is ours, is used by a test."""
    known = getattr(item, "_fixtureinfo", None)  # what pytest itself orders tests by
    used = known.name2fixturedefs.values() if known is not None else ()
    return any(made.scope == "module" and made.baseid for makers in used for made in makers)


@pytest.fixture(autouse=True, scope="session")
def recognisable_secrets() -> Iterator[None]:
    """Secrets that are made while the suite runs can be searched for."""
    with pytest.MonkeyPatch.context() as patch, marked_secrets(patch):
        yield


@pytest.fixture(autouse=True)
def own_world(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder and an environment of the test's own."""
    home = tmp_path_factory.mktemp("home")
    for name in _SCRUBBED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(home / "state"))
    monkeypatch.setenv("TERM", "xterm-256color")
    return home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures where every part is meant to be there."""
    report = yield
    if report.skipped and os.environ.get(NO_SKIPS) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although {NO_SKIPS} is set: {reason}"
    return report
