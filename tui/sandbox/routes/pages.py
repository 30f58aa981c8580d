"""The page of a prediction that `urls.web` names, for a browser."""

from __future__ import annotations

from html import escape

from aiohttp import web

from tui.sandbox.http_tools import core_of
from tui.sandbox.problems import not_found

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{id}</title>
<style>body{{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}}
pre{{background:#8881;padding:1rem;overflow:auto;max-height:70vh}}</style></head>
<body><p>SANDBOX · nothing here was trained or paid</p><h1>{model}</h1>
<p><code>{id}</code> · <b>{status}</b> {error}</p><pre>{logs}</pre></body></html>
"""


async def _page(request: web.Request) -> web.Response:
    record = core_of(request).jobs.by_id.get(request.match_info["id"])
    if record is None:
        raise not_found()
    # On a page, only the last state of a progress bar is worth showing.
    lines = [line.rpartition("\r")[2] for line in record.logs.split("\n")]
    text = _PAGE.format(
        id=escape(record.id),
        model=escape(record.version.model),
        status=escape(record.status),
        error=escape(record.error or ""),
        logs=escape("\n".join(lines)),
    )
    return web.Response(text=text, content_type="text/html")


def routes() -> list[web.RouteDef]:
    """The group's routes."""
    return [web.get("/p/{id}", _page)]
