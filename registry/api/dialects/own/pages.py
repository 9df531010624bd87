"""The registry's own pages: what it counts, and how it is.

All of them answer while the store is away. Source: `dialects.md` §7.2 and §7.4.
"""

import asyncio
from datetime import UTC, datetime

import msgspec

from registry import __version__
from registry.api.call import Call, Endpoints
from registry.api.metrics_figures import Figures
from registry.api.reply import Reply
from registry.model.names import fold
from registry.model.server import CONSUL_SERVICE

endpoint = Endpoints()

JSON = "application/json; charset=utf-8"


@endpoint("GET", "/metrics", source="https://prometheus.io/docs/instrumenting/exposition_formats/")
async def show_metrics(call: Call) -> Reply:
    """All figures as Prometheus reads them; OpenMetrics where the Accept header asks for it."""
    figures = call.server.metrics.figures()
    body, content_type = await asyncio.to_thread(_page, figures, call.headers.get("Accept", ""))
    return Reply(body=body, content_type=content_type)


def _page(figures: Figures, accept: str) -> tuple[bytes, str]:
    from registry.api.metrics_page import page  # prometheus-client: 1.5 MB that nobody needs before the first scrape

    return page(figures, __version__, accept)


@endpoint("GET", "/health", source="dialects.md §7.2")
async def show_health(call: Call) -> Reply:
    """How the registry is, for every kind of client: always 200, the body says the rest."""
    return Reply(body=_health(call), content_type=JSON)


@endpoint("GET", "/health/ready", source="DESIGN.md §3, Away")
async def show_readiness(call: Call) -> Reply:
    """The same for a balancer: 503 while writes cannot be stored, so that they go elsewhere."""
    return Reply(status=503 if call.server.metrics.store_away else 200, body=_health(call), content_type=JSON)


def _health(call: Call) -> bytes:
    away, settings = call.server.metrics.store_away, call.server.settings
    instances = _registered(call)
    now = datetime.fromtimestamp(call.engine.clock.now(), UTC)
    return msgspec.json.encode({
        "status": "degraded" if away else "healthy",
        "service": settings.health_service_name,
        "timestamp": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "version": __version__,
        "redis": not (away and settings.store_url.startswith("redis")),
        "services": instances,
        "registered_services": instances,
        "components": {"registry": "healthy", "task_router": "healthy", "coordinator": "healthy"},
    })  # fmt: skip


def _registered(call: Call) -> int:
    """How many instances clients have registered: all but the server's own row."""
    state = call.engine.state
    own = state.instances.get(fold(state.server.node), {}).get(CONSUL_SERVICE)
    return sum(map(len, state.by_service.values())) - (own is not None and own.local is None)
