"""A bucket at a server that gives temporary keys: rclone, with a stand-in for its token service.

rclone has no token service of its own; one is put in front, which gives out the bucket's own keys
with a session's token. That the keys reach one prefix alone is proved against Ceph elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp import web

from tests.destinations.hosting import Loop, Server, rclone
from tests.destinations.interceptor import Interceptor, serve
from tests.listener.conftest import ACCESS_KEY, SECRET

TOKEN = "a session of one job"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class TokenService(Interceptor):
    """Answers requests for temporary keys, and passes all others on.

    Attributes:
        asked: how many keys it gave.
    """

    asked = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Give keys, or ask the server."""
        if request.method == "POST" and request.path == "/":
            values = parse_qs((await request.read()).decode())
            if values.get("Action") == ["AssumeRole"]:
                self.asked += 1
                seconds = int(values["DurationSeconds"][0])
                return web.Response(body=_keys(seconds), content_type="text/xml")
        return await super().handle(request)


def _keys(seconds: int) -> bytes:
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"""<AssumeRoleResponse xmlns="{_NAMESPACE}"><AssumeRoleResult><Credentials>
    <AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
    <SessionToken>{TOKEN}</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>
    </Credentials></AssumeRoleResult></AssumeRoleResponse>""".encode()


@contextmanager
def session_bucket(root: Path) -> Iterator[tuple[Server, TokenService]]:
    """The bucket's server, and the service in front of it, whose address is the endpoint."""
    loop = Loop()
    try:
        with rclone(root, None) as server:
            service = loop.enter(serve(TokenService(server.endpoint)))
            yield server, service
    finally:
        loop.close()
