"""The header that names an API holds no password: the base is stored with jobs and shown."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from tui.base.errors import RefusedError
from tui.engine.http_api.operation import API_BASE, api_base_of


@pytest.mark.parametrize("user", ["me:hunter2@", "me@", ":hunter2@", "@"])
def test_an_api_base_with_a_login_is_refused_and_not_repeated(user: str) -> None:
    request = make_mocked_request("GET", "/", {API_BASE: f"https://{user}api.example.org/v1"})
    with pytest.raises(RefusedError) as refused:
        api_base_of(request, lambda: "")
    assert "token set" in refused.value.message
    assert "hunter2" not in f"{refused.value.message} {refused.value.details}"
