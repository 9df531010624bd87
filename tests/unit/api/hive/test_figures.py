"""The Hive's figures where several processes make one server."""

import asyncio

from registry.api.dialects.hive.figures import HiveFigures
from registry.api.metrics import Metrics
from registry.api.metrics_intervals import Interval
from registry.api.metrics_page import page
from registry.api.processes import Report
from registry.core.engine import Engine
from registry.supervisor.sums import decoded, encoded, merged
from registry.testing import FakeClock


def report(engine: Engine, clock: FakeClock, heartbeats: int) -> Report:
    """What a process says that took so many heartbeats, as it comes off the line."""
    metrics = Metrics()
    figures = HiveFigures(lambda: True, metrics.arrivals)
    metrics.families, metrics.gauges = figures.families, figures.gauges
    for _ in range(heartbeats):
        figures.called("Heartbeat", "success", 0.1)
        figures.count("heartbeats_received", "WORKER", "HEALTHY")
    metrics.start(clock, engine)
    found = Report(figures=metrics.figures(), interval=Interval(0.0, (), ()), runtime={}, pids=(1,))
    metrics.stop()
    return decoded(encoded(found))


async def test_workers_add_up_what_they_counted_and_not_what_is_there(engine: Engine, clock: FakeClock) -> None:
    one, two = report(engine, clock, 2), report(engine, clock, 3)
    body, _ = await asyncio.to_thread(page, merged([one, two]), "0")  # reads files of the kernel
    text = body.decode()
    for line in (
        "service_registry_heartbeat_total 5.0", "service_registry_latency_seconds_count 5.0",
        'heartbeats_received_total{agent_type="WORKER",status="HEALTHY"} 5.0',
        'registry_operations_total{operation="Heartbeat",status="success"} 5.0', "service_registry_agents_total 0.0",
    ):  # fmt: skip
        assert line in text.splitlines(), line
