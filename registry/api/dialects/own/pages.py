"""The registry's own pages: what it counts, and how it is.

All of them answer while the store is away. Replicas are compared by the hash of the state that `?digest` adds.
Source: `dialects.md` §7.2 and §7.4.
"""

import asyncio
from datetime import UTC, datetime

import msgspec

from registry import __version__
from registry.api.call import Call, Endpoints
from registry.api.processes import Report
from registry.api.reply import Reply
from registry.core.reading import digest_of
from registry.model.names import fold
from registry.model.server import CONSUL_SERVICE

endpoint = Endpoints()

JSON = "application/json; charset=utf-8"


@endpoint("GET", "/metrics", source="https://prometheus.io/docs/instrumenting/exposition_formats/")
async def show_metrics(call: Call) -> Reply:
    """All figures as Prometheus reads them; OpenMetrics where the Accept header asks for it."""
    report = await call.server.processes.report()
    accept, store_url = call.headers.get("Accept", ""), call.server.settings.store_url
    body, content_type = await asyncio.to_thread(_page, report, accept, store_url)
    return Reply(body=body, content_type=content_type)


def _page(report: Report, accept: str, store_url: str) -> tuple[bytes, str]:
    from registry.api.metrics_page import page  # prometheus-client: 1.5 MB that nobody needs before the first scrape

    return page(report, __version__, accept, store_url=store_url)


@endpoint("GET", "/health", source="dialects.md §7.2")
async def show_health(call: Call) -> Reply:
    """How the registry is, for every kind of client: always 200, the body says the rest.

    While writes cannot be stored `reason` says why, and `silent_seconds` for how long the store has not answered.
    Query: digest (adds index and hash of the state).
    """
    return Reply(body=await _health(call), content_type=JSON)


@endpoint("GET", "/health/ready", source="DESIGN.md §3, Away")
async def show_readiness(call: Call) -> Reply:
    """The same for a balancer: 503 while writes cannot be stored, so that they go elsewhere."""
    return Reply(status=503 if call.server.metrics.store_away else 200, body=await _health(call), content_type=JSON)


async def _health(call: Call) -> bytes:
    trouble, settings = call.server.metrics.trouble, call.server.settings
    instances = _registered(call)
    now = datetime.fromtimestamp(call.engine.clock.now(), UTC)
    return msgspec.json.encode({
        "status": "degraded" if trouble else "healthy",
        "service": settings.health_service_name,
        "timestamp": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "version": __version__,
        "redis": not (trouble and settings.store_url.startswith("redis")),
        "services": instances,
        "registered_services": instances,
        "components": {"registry": "healthy", "task_router": "healthy", "coordinator": "healthy"},
        **(_troubled(call, trouble) if trouble else {}),
        **(await _state(call) if "digest" in call.query else {}),
    })  # fmt: skip


def _troubled(call: Call, trouble: str) -> dict[str, object]:
    return {"reason": trouble, "silent_seconds": round(call.server.metrics.silent_seconds, 3)}


async def _state(call: Call) -> dict[str, object]:
    digest = await digest_of(call.engine.state)
    return {"state": {"index": digest.index, "digest": digest.sha256}}


def _registered(call: Call) -> int:
    """How many instances clients have registered: all but the server's own row."""
    state = call.engine.state
    own = state.instances.get(fold(state.server.node), {}).get(CONSUL_SERVICE)
    return sum(map(len, state.by_service.values())) - (own is not None and own.local is None)
