"""The Cloud screen is tested without the proxies and tokens of whoever runs the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no tokens of whoever runs the tests."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HF_TOKEN", "REPLICATE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
