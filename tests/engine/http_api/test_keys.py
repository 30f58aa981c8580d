"""A key is not the user: what each scope opens, what answers show, which files are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import certifi
import pytest

from tests.app.world import home_at
from tests.engine.http_api.callers import PUBLIC, caller, example, use_sandbox
from tests.engine.world import World
from tui.api import paths
from tui.api.base import Hidden
from tui.api.schemas import shapes_of
from tui.api.scopes import SCOPES, Scope, includes
from tui.base.errors import RefusedError
from tui.engine.credentials.api_keys import ApiKeys
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.http_api.description import describe
from tui.engine.submission.draft import Draft
from tui.replicate.known_secrets import KNOWN
from tui.store.writer import StoreWriter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[StoreWriter]:
    writer = StoreWriter(home_at(tmp_path / "home"))
    yield writer
    writer.close()


# -- keys ---------------------------------------------------------------------------------------


def test_a_key_has_a_scope_an_end_and_a_last_use(writer: StoreWriter) -> None:
    clock = Clock()
    keys = ApiKeys(writer, clock)
    made = keys.create("mine", "submit", timedelta(hours=1))
    assert keys.rows() == [
        {
            "id": made.id,
            "name": "mine",
            "scope": "submit",
            "created_at": NOW.isoformat(),
            "expires_at": (NOW + timedelta(hours=1)).isoformat(),
            "last_used_at": None,
            "expired": False,
        }
    ]
    assert made.key not in json.dumps(keys.rows())
    assert made.key not in repr(made)
    clock.time += timedelta(minutes=5)
    found = keys.find(made.key)
    assert found is not None
    assert (found["id"], found["scope"]) == (made.id, "submit")
    assert keys.rows()[0]["last_used_at"] == clock.time.isoformat()
    used = clock.time
    clock.time += timedelta(seconds=30)  # not each use is written down
    assert keys.find(made.key) is not None
    assert keys.rows()[0]["last_used_at"] == used.isoformat()
    clock.time = NOW + timedelta(hours=1)
    assert keys.find(made.key) is None
    assert keys.rows()[0]["expired"] is True
    assert keys.create().scope == "read"  # nobody gets more than they ask for


def test_keys_of_earlier_versions_go_on_as_admin_and_this_is_said_once(writer: StoreWriter) -> None:
    said: list[list[str]] = []
    keys = ApiKeys(writer, Clock(), said.append)
    made = keys.create("old", "admin")
    (row,) = writer.fact("api_keys")
    before = {name: row[name] for name in ("id", "name", "sha256", "created_at")}
    writer.set_fact("api_keys", [before])
    assert keys.rows()[0]["scope"] == "admin"
    for _ in range(2):
        found = keys.find(made.key)
        assert found is not None
        assert found["scope"] == "admin"
    assert said == [["old"]]
    assert ApiKeys(writer, Clock(), said.append).find(made.key) is not None
    assert len(said) == 1


async def test_a_persons_own_storage_keys_are_listed_used_and_revoked(
    writer: StoreWriter, tmp_path: Path
) -> None:
    clock = Clock()
    keys = StorageKeys(tmp_path / "receiver.key", writer, clock)
    pair, other = keys.listed_pair(timedelta(hours=1)), keys.listed_pair(timedelta(hours=2))
    unlisted = keys.personal_pair(timedelta(hours=1))
    rows = keys.personal.rows()
    assert [row["access_key"] for row in rows] == [pair.access_key, other.access_key]
    assert pair.secret_key not in json.dumps(rows)
    keys.personal.note_use(pair.access_key)
    keys.personal.note_use("SPnobody")
    assert keys.personal.rows()[0]["last_used_at"] == NOW.isoformat()
    for revoked in (pair, unlisted):
        assert await keys.secret_for(revoked.access_key) is not None
        keys.revoke_pair(revoked.access_key)
        assert await keys.secret_for(revoked.access_key) is None
        with pytest.raises(RefusedError):
            keys.revoke_pair(revoked.access_key)
    for revoked in (pair, unlisted):  # the first as well after the second
        assert await keys.secret_for(revoked.access_key) is None
    assert await keys.secret_for(other.access_key) is not None
    for wrong in ("nobody", "STJOB00001", "", f"SP{2**40 - 1:010X}{'0' * 15}"):
        with pytest.raises(RefusedError):
            keys.revoke_pair(wrong)
    clock.time += timedelta(hours=3)  # neither part of the list grows
    keys.revoke_pair(keys.listed_pair(timedelta(hours=1)).access_key)
    assert keys.personal.rows() == []
    assert len(writer.fact("revoked_storage_keys")) == 1


# -- routes -------------------------------------------------------------------------------------


def test_every_route_behind_a_key_names_its_scope() -> None:
    for endpoint in (*paths.ENDPOINTS, *paths.S3_ENDPOINTS):
        assert bool(endpoint.scope) == (endpoint.door == "both"), endpoint.path
        if endpoint.method != "GET" and endpoint is not paths.LICENCE:  # asks, changes nothing
            assert endpoint.scope != "read", endpoint.path
    document: Any = describe("both")
    operation = document["paths"]["/api/cloud/jobs/submit"]["post"]
    assert operation["security"] == [{"bearer": ["submit"]}, {"key": ["submit"]}]


async def test_a_scope_opens_its_own_routes_and_no_others(world: World) -> None:
    for scope in SCOPES[:-1]:
        async with caller(world, scope) as http:
            for endpoint in PUBLIC:
                assert endpoint.scope
                if includes(scope, endpoint.scope):
                    continue
                for path in (example(endpoint.path), f"{example(endpoint.path)}?x=1"):
                    answer = await http.request(endpoint.method, path, json={})
                    assert answer.status_code == 403, (scope, path)
                    assert answer.json()["error"] == "scope"
                    assert f"the scope {endpoint.scope};" in answer.json()["message"]
                    assert f"--scope {endpoint.scope}" in answer.json()["advice"]
            foreign = await http.get(
                "/api/cloud/jobs", headers={"X-Api-Base": "http://10.0.0.1/v1"}
            )
            assert (foreign.status_code, foreign.json()["error"]) == (403, "scope")
            assert (await http.get("/api/cloud/jobs")).status_code == 200
    async with caller(world, "read") as http:
        key = world.engine.api_keys.rows()[-1]
        assert key["last_used_at"] is None or key["name"] == "read"
        assert (await http.get("/api/cloud/health/live")).status_code == 200
        assert world.engine.api_keys.rows()[-1]["last_used_at"] is not None


# -- fields -------------------------------------------------------------------------------------

MASKED = "known-secret-5b1d9c7e"
_TELLING = re.compile(r"path|dir$|folder|bundle|prox|allowed_ips|user_?name|user_info|token")
_TOLD = {"hf_token_valid"}  # yes or no


def _fields(shape: Any, hidden: bool = False) -> Iterator[tuple[str, str, bool]]:
    """Every field of a shape: its owner, its name, and whether a mark hides it."""
    if hasattr(shape, "__metadata__"):
        hidden = hidden or any(isinstance(mark, Hidden) for mark in shape.__metadata__)
        yield from _fields(get_args(shape)[0], hidden)
    elif hasattr(shape, "__required_keys__"):
        for name, hint in get_type_hints(shape, include_extras=True).items():
            inner = list(_fields(hint, hidden))
            marked = hidden or _is_marked(hint)
            yield shape.__name__, name, marked
            yield from inner
    elif get_origin(shape) is not None:
        for argument in get_args(shape):
            yield from _fields(argument, hidden)


def _is_marked(hint: Any) -> bool:
    marks = getattr(hint, "__metadata__", ())
    inner = get_args(hint)[:1] if get_origin(hint) is not None else ()
    return any(isinstance(mark, Hidden) for mark in marks) or any(map(_is_marked, inner))


def _values(data: Any, shape: Any, below: str = "") -> Iterator[tuple[str, Scope, Any]]:
    """The values in an answer that a mark hides: the field, the scope that sees it, the value."""
    if hasattr(shape, "__metadata__"):
        shape = get_args(shape)[0]
    if hasattr(shape, "__required_keys__") and data is not None:
        for name, hint in get_type_hints(shape, include_extras=True).items():
            marks = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Hidden)]
            if marks and name in data:
                yield name, marks[0].below, data[name]
            elif name in data:
                yield from _values(data[name], hint)
    elif get_origin(shape) is list:
        for item in data:
            yield from _values(item, get_args(shape)[0])
    elif get_origin(shape) is dict:
        for item in data.values():
            yield from _values(item, get_args(shape)[1])
    elif data is not None:
        for argument in get_args(shape):
            yield from _values(data, argument)


def test_fields_that_tell_of_this_machine_are_hidden_from_keys_that_read() -> None:
    found = set()
    for endpoint in PUBLIC:
        if endpoint.scope == "read":
            for owner, name, hidden in _fields(shapes_of(endpoint).answer):
                if _TELLING.search(name) and name not in _TOLD:
                    found.add((owner, name))
                    assert hidden, (endpoint.path, owner, name)
    assert ("JobFile", "path") in found
    assert ("ProviderConfig", "proxy_url") in found


async def test_answers_are_filtered_for_keys_that_read(world: World) -> None:
    use_sandbox(world, config_roots=(str(world.config.parent.parent.parent),))
    hub = await world.use_hub()
    await world.ended(job_id := await world.submit())
    broken = world.home.outputs / "nothing.json"
    world.engine.recorder.note(job_id, "local", "odd", f"{broken} is missing")
    await world.client.change_job(job_id, {"name": f"of {MASKED}"})
    with world.home.log_file(job_id).open("a") as log:
        log.write(f"{broken} is missing\n{MASKED} is a key\n")
    KNOWN.add(MASKED)  # after it was written
    private = [
        str(world.home.root),
        str(world.home.outputs),
        str(world.config.parent),
        "sandbox-user",
    ]
    networks = {"allowed_ips": ["192.0.2.9", "127.0.0.1"], "trusted_proxies": ["192.0.2.8"]}
    world.engine.live.change("listener", networks)
    # A proxy is not asked for this machine's own addresses.
    network = {"proxy": "http://127.0.0.1:9", "ca_bundle": certifi.where()}
    world.engine.live.change("network", network)
    seen, logs = {}, {}
    fields: dict[Scope, dict[tuple[Scope, str], bool]] = {scope: {} for scope in SCOPES}
    for scope in SCOPES:
        async with caller(world, scope) as http:
            seen[scope] = logs[scope] = ""
            for route in PUBLIC:
                if route.scope == "read" and route.method == "GET":
                    answer = await http.get(example(route.path).replace("nobody", job_id))
                    if answer.is_success and "json" in answer.headers["Content-Type"]:
                        shape = shapes_of(route).answer
                        for name, below, value in _values(answer.json(), shape):
                            full = Path(value).is_absolute() if name == "path" else bool(value)
                            fields[scope][below, name] = full
                    # The trainer prints names of accounts, which are no secret.
                    into = logs if "logs" in route.path else seen
                    into[scope] += answer.text
            files = (await http.get(f"/api/cloud/jobs/{job_id}")).json()["job"]["files"]
            places = [Path(file["path"]) for file in files]
            assert places
            assert all(place.is_absolute() == (scope != "read") for place in places)
    assert hub
    for scope, found in fields.items():
        assert found == {(below, name): includes(scope, below) for below, name in found}
    assert {("admin", "proxy_url"), ("submit", "hf_username")} <= fields["read"].keys()
    assert [text for text in private if text in seen["read"]] == []
    assert [text for text in private[:3] if text in logs["read"]] == []
    assert logs["read"].count("nothing.json is missing") == 2  # whole, and as a stream
    assert str(broken) in logs["submit"]
    told = "".join((*seen.values(), *logs.values()))
    assert MASKED not in told
    assert "of ***" in told
    assert "*** is a key" in told
    assert str(world.home.outputs) in seen["admin"]


# -- files --------------------------------------------------------------------------------------


async def test_no_file_outside_the_folders_of_configs_is_read(world: World, tmp_path: Path) -> None:
    project = world.config.parent.parent.parent
    use_sandbox(world, config_roots=(str(project),))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    secret = elsewhere / "config.json"
    secret.write_text(json.dumps({"model_family": "flux", "canary": "canary-4711"}))
    (elsewhere / "big.png").write_bytes(b"x" * 3_000_000)
    link = world.config.parent.parent / "linked"
    link.symlink_to(elsewhere)
    inner = world.config.parent.parent / "half"
    inner.mkdir()
    (inner / "config.json").write_text(
        json.dumps({"model_family": "flux", "data_backend_config": str(elsewhere / "config.json")})
    )
    await world.client.make_storage_key(60)
    delivered = world.home.outputs / "config.json"
    delivered.parent.mkdir(parents=True, exist_ok=True)
    delivered.write_text(secret.read_text())
    up = "../" * 12
    named = [
        str(secret), str(elsewhere), str(elsewhere / "nothing.json"), f"{up}{secret}", str(link),
        str(link / "config.json"), str(inner), str(delivered), str(world.home.database),
        str(world.home.settings_file), f"{project}/../elsewhere", "/etc/passwd", "/etc/nothing",
        "/proc/self/environ", "~/.ssh", f"{link.name}",
    ]  # fmt: skip
    async with caller(world, "admin") as http:
        for name in named:
            tries = [
                await http.post("/api/cloud/check", json={"config": name}),
                await http.post("/api/cloud/jobs/submit", json={"config": name, "consent": True}),
                await http.post("/api/cloud/jobs/submit", json={"config_name_to_load": name}),
                await http.get("/api/cloud/pre-submit-check", params={"config_name": name}),
            ]
            for answer in tries:
                assert answer.status_code in (400, 403), (name, answer.text)
                assert "canary" not in answer.text
        # Whether something is there is not told either.
        there, nowhere = [
            (await http.post("/api/cloud/check", json={"config": name})).json()
            for name in (str(secret), str(elsewhere / "other.json"))
        ]
        assert {**there, "message": "", "detail": ""} == {**nowhere, "message": "", "detail": ""}
        assert there["error"] == "outside"  # not "missing": what helps is in the advice
        draft = {"config": "config.json", "cwd": str(elsewhere)}
        assert (await http.post("/api/cloud/check", json=draft)).status_code == 403
        configs = await http.get("/api/cloud/available-configs", params={"cwd": str(elsewhere)})
        assert configs.status_code == 403
        # The user's own calls look there first, for a list as for a name.
        here = Draft(config="elsewhere", cwd=str(tmp_path))
        assert world.engine.preparer.load(here).path == secret
        twin = Draft(config=world.config.parent.name, cwd=str(tmp_path))
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / world.config.parent.name).symlink_to(elsewhere)
        assert world.engine.preparer.load(twin).path.samefile(secret)
        found = await world.client.configs(str(tmp_path))
        assert Path(found[0]["path"]).samefile(secret)
        one = "/api/cloud/providers/replicate/config"
        bundle = await http.put(one, json={"ssl_ca_bundle": str(secret)})
        assert (bundle.status_code, bundle.json()["error"]) == (403, "outside")
        # A whole config in the body names no other files, and leaves none behind.
        for more in (
            {"data_backend_config": str(secret)},
            {"lora_type": "lycoris", "lycoris_config": str(secret)},
        ):
            body = {"config": {"model_family": "flux", **more}, "consent": True}
            answer = await http.post("/api/cloud/jobs/submit", json=body)
            assert answer.status_code in (400, 403), answer.text
            assert "canary" not in answer.text
        data = [{"id": "x", "type": "local", "instance_data_dir": str(elsewhere)}]
        body = {"config": {"model_family": "flux"}, "dataloader_config": data, "consent": True}
        answer = await http.post("/api/cloud/jobs/submit", json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "outside")
        assert list((world.home.root / "submitted").iterdir()) == []
        sizes = []
        for folder in (elsewhere, tmp_path / "nowhere", link, f"{project}/../elsewhere"):
            entry = [{"instance_data_dir": str(folder)}]
            sizes.append((await http.post("/api/cloud/cost-estimate", json=entry)).json())
        assert [answer["data_size_mb"] for answer in sizes] == [0, 0, 0, 0]
        inside = [{"instance_data_dir": str(project)}]
        assert (await http.post("/api/cloud/cost-estimate", json=inside)).json()["data_size_mb"] > 0
        # What lies inside is found by its path and by its name.
        for name in (str(world.config), world.config.parent.name):
            checked = await http.post("/api/cloud/check", json={"config": name})
            assert checked.status_code == 200, checked.text
            assert checked.json()["config"]["path"] == str(world.config)
    assert world.predictions == []
