"""Figures: what jobs cost and how they ended, the cost limit, and all of it for Prometheus."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tui.api import spending
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, count_in_query
from tui.engine.http_api.schemas import ANY_OBJECT, FLAG, NUMBER, TEXT, WHOLE, many, maybe, shape

_NO_BALANCE: Final = "Replicate does not tell the balance over its API."


class MetricRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        balance = {"credit_balance": {"type": ["number", "null"]},
                   "estimated_jobs_remaining": {"type": ["integer", "null"]}}  # fmt: skip
        day = shape({"date": TEXT, "total_jobs": WHOLE, "completed": WHOLE, "failed": WHOLE,
                     "cancelled": WHOLE, "total_cost_usd": NUMBER})  # fmt: skip
        return [
            Route(
                "GET", "/api/cloud/metrics", self._metrics, "Costs and outcomes",
                shape({**balance, "total_cost": NUMBER, "job_count": WHOLE,
                       "avg_job_duration_seconds": maybe(NUMBER), "jobs_by_status": ANY_OBJECT,
                       "cost_by_day": many(day), "period_days": WHOLE}),
                query={"days": WHOLE},
            ),
            Route(
                "GET", "/api/cloud/cost-limit/status", self._limit, "How the cost limit stands",
                shape({"enabled": FLAG, "limit_amount": maybe(NUMBER), "period": TEXT,
                       "action": TEXT, "current_spend": NUMBER, "percent_used": NUMBER,
                       "is_exceeded": FLAG, "is_warning": FLAG, "message": TEXT}),
                query={"provider": TEXT},
            ),
            Route(
                "POST", "/api/cloud/billing/refresh", self._refresh, "Ask for the balance",
                shape({**balance, "error": maybe(TEXT)}),
            ),
            Route(
                "GET", "/api/cloud/metrics/prometheus", self._prometheus,
                "Figures in Prometheus' text format", content="text/plain",
            ),
        ]  # fmt: skip

    async def _metrics(self, request: web.Request) -> web.Response:
        days = count_in_query(request, "days", 30, 1, 365)
        base = base_of(request, self._engine.api_base)
        summary = self._engine.spending.summary(base, days)
        return web.json_response(
            {
                "credit_balance": None,
                "estimated_jobs_remaining": None,
                "total_cost": summary["total_micros"] / 1e6,
                "job_count": summary["job_count"],
                "avg_job_duration_seconds": summary["average_seconds"],
                "jobs_by_status": summary["jobs_by_status"],
                "cost_by_day": [_day(row) for row in summary["by_day"]],
                "period_days": days,
            }
        )

    async def _limit(self, request: web.Request) -> web.Response:
        base = base_of(request, self._engine.api_base)
        return web.json_response(self._engine.spending.status(base))

    async def _refresh(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"credit_balance": None, "estimated_jobs_remaining": None, "error": _NO_BALANCE}
        )

    async def _prometheus(self, request: web.Request) -> web.Response:
        base = base_of(request, self._engine.api_base)
        text = prometheus(self._figures(base))
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    def _figures(self, base: str) -> list[tuple[str, str, str, dict[str, float]]]:
        counts = self._engine.reader.counts()
        spent = self._engine.spending.fact(sandbox=is_loopback(base))
        hooks = self._engine.listening.stats
        return [
            ("simpletuner_tui_jobs", "gauge", "Jobs by state.",
             {f'{{state="{one.value}"}}': counts.get(one, 0) for one in JobStatus}),
            ("simpletuner_tui_followed_jobs", "gauge", "Jobs under watch.",
             {"": self._engine.monitor.following}),
            ("simpletuner_tui_spent_dollars", "gauge", "Spent in a rolling window.",
             {'{window="daily"}': spent["daily_micros"] / 1e6,
              '{window="weekly"}': spent["weekly_micros"] / 1e6,
              '{window="monthly"}': spent["monthly_micros"] / 1e6}),
            ("simpletuner_tui_webhooks_accepted_total", "counter", "Webhooks that were believed.",
             {"": hooks["accepted"]}),
            ("simpletuner_tui_webhooks_duplicate_total", "counter", "Webhooks that came again.",
             {"": hooks["duplicates"]}),
            ("simpletuner_tui_webhooks_rejected_total", "counter", "Webhooks turned away.",
             {f'{{reason="{reason}"}}': count for reason, count in hooks["rejected"].items()}
             or {"": 0}),
            ("simpletuner_tui_uptime_seconds", "gauge", "Age of the engine.",
             {"": self._engine.uptime_seconds}),
        ]  # fmt: skip


def prometheus(figures: list[tuple[str, str, str, dict[str, float]]]) -> str:
    """Figures in the text format: (name, type, help, values by labels)."""
    lines = []
    for name, kind, words, values in figures:
        lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{labels} {value:g}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def _day(row: spending.SpendingDay) -> spending.MetricsDay:
    jobs = row["jobs"]
    total = sum(jobs.values())
    return {
        "date": row["date"],
        "total_jobs": total,
        "completed": jobs.get("completed", 0),
        "failed": jobs.get("failed", 0),
        "cancelled": jobs.get("cancelled", 0),
        "local_jobs": 0,
        "cloud_jobs": total,
        "total_cost_usd": row["cost_micros"] / 1e6,
    }
