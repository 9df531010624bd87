"""The request collection: every request in its order, as published clients send them (dialects.md §4, §11)."""

import re

from tests.contract.codevald.cortex import AGENTS, Cortex

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CREATE = b"""{
  "name": "test-worker-1",
  "type": "worker",
  "config": {"max_concurrent_tasks": 5, "task_queue_size": 100}
}"""
TASK = b'{"type": "process", "payload": {"file": "a.csv"}, "priority": 5, "timeout": 30}'


def view(state: str, healthy: str = "true") -> str:
    return (
        rf'{{"id":"{UUID}","name":"test-worker-1","type":"worker","state":"{state}","metadata":{{}},'
        rf'"created_at":"{TIME}","updated_at":"{TIME}","last_heartbeat":"{TIME}","is_healthy":{healthy}}}'
    )


async def test_every_request_of_the_collection_in_its_order(cortex: Cortex) -> None:
    answer = await cortex.call("GET /health")
    assert (answer.status, answer.value["status"]) == (200, "healthy")

    answer = await cortex.call("GET /api/v1/status")
    assert (answer.status, answer.text) == (
        200, '{"app_name":"CodeValdCortex","status":"running","version":"0.1.0"}',
    )  # fmt: skip

    answer = await cortex.call(f"GET {AGENTS}")
    assert (answer.status, answer.text) == (200, "[]")

    answer = await cortex.call(f"POST {AGENTS}", CREATE)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert re.fullmatch(view("created"), answer.text)
    one = f"{AGENTS}/{answer.value['id']}"

    answer = await cortex.call(f"GET {AGENTS}")
    assert (answer.status, answer.headers["X-Total-Count"]) == (200, "1")
    assert re.fullmatch(rf"\[{view('created')}\]", answer.text)

    answer = await cortex.call(f"GET {one}")
    assert answer.status == 200
    assert re.fullmatch(view("created"), answer.text)

    answer = await cortex.call(f"POST {one}/start")
    assert answer.status == 200
    assert re.fullmatch(view("running"), answer.text)

    answer = await cortex.call(f"POST {one}/start")
    assert (answer.status, answer.text) == (409, '{"error":"cannot start agent in state: running"}')

    answer = await cortex.call(f"POST {one}/tasks", TASK)
    assert answer.status == 202
    assert re.fullmatch(
        rf'{{"agent_id":"{UUID}","message":"task submitted successfully","task_id":"task-{UUID}"}}', answer.text
    )
    await cortex.server.advance(0.2)

    for verb, state in (("pause", "paused"), ("resume", "running"), ("restart", "running"), ("stop", "stopped")):
        answer = await cortex.call(f"POST {one}/{verb}")
        assert answer.status == 200
        assert re.fullmatch(view(state), answer.text)

    answer = await cortex.call("GET /api/v1/metrics")
    assert (answer.status, answer.text) == (
        200,
        '{"total_agents_created":1,"total_agents_stopped":1,"total_tasks_executed":1,"total_tasks_failed":0,'
        '"current_active_agents":0,"current_running_tasks":0}',
    )

    answer = await cortex.call(f"GET {AGENTS}/00000000-0000-4000-8000-000000000000")
    assert (answer.status, answer.text) == (404, '{"error":"agent not found"}')

    answer = await cortex.call(f"DELETE {one}")
    assert answer.status == 200
    assert (await cortex.call(f"DELETE {one}")).status == 404
    assert await cortex.listed() == []
