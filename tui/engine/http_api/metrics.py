"""Figures: what jobs cost and how they ended, the cost limit, and all of it for Prometheus."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tui.api import paths, spending
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.engine import Engine
from tui.engine.http_api.body import wrong
from tui.engine.http_api.operation import Call, Operations

_MOST_DAYS: Final = 365
_NO_BALANCE: Final = "Replicate does not tell the balance over its API."


class MetricRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.METRICS, self._metrics)
        operations.add(paths.COST_LIMIT_STATUS, self._limit)
        operations.add(paths.REFRESH_BALANCE, self._refresh)
        operations.add_stream(paths.PROMETHEUS, self._prometheus)

    async def _metrics(self, call: Call[None, spending.DaysQuery]) -> spending.Metrics:
        days = call.query.get("days", 30)
        if not 1 <= days <= _MOST_DAYS:
            raise wrong("days", f"must be a whole number from 1 to {_MOST_DAYS}")
        summary = self._engine.spending.summary(call.api_base, days)
        return {
            "credit_balance": None,
            "estimated_jobs_remaining": None,
            "total_cost": summary["total_micros"] / 1e6,
            "job_count": summary["job_count"],
            "avg_job_duration_seconds": summary["average_seconds"],
            "jobs_by_status": summary["jobs_by_status"],
            "cost_by_day": [_day(row) for row in summary["by_day"]],
            "period_days": days,
        }

    async def _limit(self, call: Call[None, spending.CostLimitQuery]) -> spending.CostLimit:
        return self._engine.spending.status(call.api_base)

    async def _refresh(self, _call: Call[None, None]) -> spending.BalanceRefreshed:
        return {"credit_balance": None, "estimated_jobs_remaining": None, "error": _NO_BALANCE}

    async def _prometheus(self, call: Call[None, None]) -> web.Response:
        text = prometheus(self._figures(call.api_base))
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
