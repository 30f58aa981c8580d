"""Attacks with API keys: too small a scope, paths that lead out, fields that tell too much."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import httpx

from tests.attacks.area import Area, Growth, attack_area
from tests.attacks.listener import ODD, SEED
from tests.engine.http_api.callers import PUBLIC, use_sandbox
from tests.engine.world import World
from tui.api import paths, routes
from tui.api.scopes import SCOPES, Scope, includes

CANARY = "canary-9d1c"
UNTRIED = {paths.JOB_LOG_STREAM}
"""The stream goes on while a job runs."""
FIELDS = [
    "config", "config_name_to_load", "cwd", "dataloader_config", "instance_data_dir", "hardware",
    "ssl_ca_bundle", "rerun_of", "repo_id", "api_token", "token", "data", "delivery", "overrides",
    "method", "webhook_url", "consent", "name",
]  # fmt: skip
_LONG = "x" * 1_000_000
HUGE: list[dict[str, Any]] = [
    {"hardware": _LONG}, {"config": "a/" * 500_000}, {"version": _LONG}, {"name": _LONG},
    {"overrides": {"validation_prompt": "- " * 500_000}}, {"cwd": "a/" * 500_000},
    {f"x{number}": 1 for number in range(60_000)}, {"model": _LONG}, {"tags": ["x" * 2000] * 500},
    {"overrides": {f"x{number}": 1 for number in range(60_000)}}, {"unset": [_LONG]},
    {"delivery": {"hub_model_id": _LONG}},
]  # fmt: skip
"""Fields of a draft that make a body as large as one may be."""
EACH_HUGE = 50
"""Every so many attempts are one of these."""
NAMES = ["replicate", "nobody", "..", "%2e%2e", "outputs", "a%2fb", "%00", "x" * 300]


class KeyAttacker:
    """Whoever holds keys of each scope, and wants more.

    Args:
        world: whose API is attacked.
        outside: a folder outside of the folders of configs, with files whose content is `CANARY`.
        seed: decides every attempt.
    """

    def __init__(self, world: World, outside: Path, seed: int) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._attempts = 0
        self._outside = outside
        self._keys: dict[Scope, str] = {
            scope: world.engine.api_keys.create(scope, scope).key for scope in SCOPES
        }
        self._private = [str(world.home.root), str(world.home.outputs), str(world.config.parent)]
        base = f"http://{world.engine.listening.address}"
        self._http = httpx.AsyncClient(base_url=base, timeout=60)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _path(self) -> str:
        """A path that leads to the canary, or to files of this machine."""
        dice, outside = self._dice, self._outside
        target = dice.choice(
            [outside / "config.json", outside, Path("/etc/passwd"), Path("/proc/self/environ"),
             self._world.home.database, self._world.home.root / "receiver.key"]
        )  # fmt: skip
        up = "../" * dice.randrange(1, 14)
        return dice.choice(
            [str(target), f"{up}{str(target)[1:]}", f"file://{target}", f"{target}/.", "linked",
             "linked/config.json", f"./linked/../{target.name}", f"~/{up}{str(target)[1:]}",
             f"{self._world.config.parent}/{up}{str(target)[1:]}"]
        )  # fmt: skip

    def _value(self, depth: int = 0) -> Any:
        dice = self._dice
        if depth < 2 and dice.random() < 0.3:
            return {name: self._value(depth + 1) for name in dice.sample(FIELDS, 2)}
        if depth < 2 and dice.random() < 0.2:
            return [self._value(depth + 1)]
        return dice.choice(
            [self._path(), self._path(), dice.choice(ODD).replace("\udcff", ""), True, None, -1,
             10**30, 1e308, ""]
        )  # fmt: skip

    def _body(self, endpoint: routes.Endpoint[Any, Any, Any]) -> Any:
        dice = self._dice
        if endpoint is paths.COST_ESTIMATE:
            return [{"instance_data_dir": self._path()}]
        if dice.random() < 0.4 and endpoint in (paths.CHECK_JOB, paths.SUBMIT_JOB):
            name = dice.choice(["config", "config_name_to_load"])
            entry = {"id": "x", "type": "local", "instance_data_dir": self._path()}
            return dice.choice(
                [{name: self._path(), "consent": True},
                 {"config": "config.json", "cwd": self._path()},
                 {"config": {"data_backend_config": self._path()}, "consent": True},
                 {"config": {"model_family": "flux"}, "dataloader_config": [entry]}]
            )  # fmt: skip
        return {name: self._value() for name in dice.sample(FIELDS, dice.randrange(0, 4))}

    async def _send_much(self, fields: dict[str, Any]) -> str:
        """Send a body as large as one may be, which takes no longer than others."""
        draft = {"config": str(self._world.config), **fields}
        bodies: list[tuple[routes.Endpoint[Any, Any, Any], dict[str, Any]]] = [
            (paths.CHECK_JOB, draft), (paths.PLAN_SWEEP, {"drafts": [draft]})
        ]  # fmt: skip
        endpoint, body = self._dice.choice(bodies)
        headers = {"X-API-Key": self._keys["submit"]}
        answer = await self._http.post(endpoint.path, headers=headers, json=body)
        return self._verdict(endpoint, "submit", answer)

    async def attempt(self) -> str:
        """Send a request; return what is wrong with its answer."""
        dice = self._dice
        self._attempts += 1
        if self._attempts % EACH_HUGE == 0:
            return await self._send_much(HUGE[self._attempts // EACH_HUGE % len(HUGE)])
        endpoint = dice.choice([one for one in PUBLIC if one not in UNTRIED])
        scope: Scope | None = dice.choice([*SCOPES, None])
        path = endpoint.path
        for name in routes.variables(endpoint):
            pattern = "{key:.+}" if name == "key" else f"{{{name}}}"
            path = path.replace(pattern, dice.choice(NAMES))
        headers = {}
        if scope is not None:
            key = self._keys[scope]
            headers = dice.choice([{"X-API-Key": key}, {"Authorization": f"Bearer {key}"}])
            if dice.random() < 0.1:
                headers["X-HTTP-Method-Override"] = "GET"
            if dice.random() < 0.1 and scope != "admin":
                headers["X-Api-Base"] = "http://127.0.0.1:9/v1"
        query = {
            name: self._path()
            for name in dice.sample(["cwd", "config_name", "prefix", "limit"], dice.randrange(3))
        }
        if dice.random() < 0.1:
            headers["X-Forwarded-For"] = "127.0.0.1"
        content = None
        if endpoint.method != "GET":
            content = json.dumps(self._body(endpoint))
            headers["Content-Type"] = "application/json"
        answer = await self._http.request(
            endpoint.method, path, params=query, headers=headers, content=content
        )
        return self._verdict(endpoint, scope, answer)

    def _verdict(
        self, endpoint: routes.Endpoint[Any, Any, Any], scope: Scope | None, answer: httpx.Response
    ) -> str:
        text, said = answer.text, f"{scope} {endpoint.method} {answer.request.url}"
        if answer.status_code >= 500:
            return f"{said} answered {answer.status_code}: {text[:200]}"
        server = answer.headers.get("server", "")
        if any(char.isdigit() for char in server) or "Traceback" in text:
            return f"{said} tells what it runs on"
        if CANARY in text or "root:x:" in text:
            return f"{said} read a file"
        needed: Scope = endpoint.scope or "admin"
        refused = answer.status_code in (400, 401, 403, 404, 405)
        if (scope is None or not includes(scope, needed)) and not refused:
            return f"{said} answered {answer.status_code}"
        if scope == "read" and any(folder in text for folder in self._private):
            return f"{said} tells of a folder"
        if any(key in text for key in self._keys.values()) or self._world.sandbox.token in text:
            return f"{said} holds a secret"
        return ""


async def attack(world: World, folder: Path, attempts: int, seed: int = SEED) -> Area:
    """Attack the API of a world with keys of each scope.

    Args:
        world: whose API.
        folder: an empty one, outside of the folders of configs.
        attempts: how many.
        seed: decides them.
    """
    project = world.config.parent.parent.parent
    use_sandbox(world, config_roots=(str(project),))
    text = json.dumps({"model_family": "flux", "note": CANARY})
    for name in ("config.json", "multidatabackend.json"):
        (folder / name).write_text(text)
    (project / "config" / "linked").symlink_to(folder)
    attacker = KeyAttacker(world, folder, seed)
    try:
        await attacker.attempt()  # opens what stays open, and makes what stays
        growth = Growth((world.home.root / "submitted", world.home.outputs))
        area = await attack_area("keys", attempts, attacker.attempt, growth)
    finally:
        await attacker.aclose()
    if world.predictions:
        area.through.append(f"{len(world.predictions)} jobs were started")
    return area
