"""The shell checks of OptiInfra and the request collection of CodeValdCortex, typed in a shell with a real curl.

The first takes the id out of the answer by a regular expression, which one space in the JSON would break
(dialects.md §1.1 and §11).
"""

import asyncio
import shutil
from pathlib import Path

import pytest

from registry import __version__
from tests.contract.rest import RestClient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH"),
]

SEVEN_CHECKS = r"""
passed() { echo "passed $1"; }
code() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

curl -s "$URL/health" | grep -q '"status":"healthy"' && passed health

ANSWER=$(curl -s -X POST "$URL/agents/register" -d '{
  "name": "test-agent", "type": "cost", "host": "localhost", "port": 8001,
  "capabilities": ["spot_migration"], "version": "1.0.0", "metadata": {"zone": "a"}
}')
ID=$(echo "$ANSWER" | grep -o '"agent_id":"[^"]*"' | cut -d'"' -f4)
[ -n "$ID" ] && passed register

curl -s "$URL/agents" | grep -q "\"id\":\"$ID\"" && passed list
curl -s "$URL/agents/$ID" | grep -q '"name":"test-agent"' && passed get
curl -s -X POST "$URL/agents/$ID/heartbeat" -d '{"status":"healthy"}' | grep -q '"received":true' && passed heartbeat
curl -s "$URL/agents/type/cost" | grep -q '"count":1' && passed by-type
curl -s -X POST "$URL/agents/$ID/unregister" | grep -q 'unregistered successfully' \
  && [ "$(code "$URL/agents/$ID")" = 404 ] && passed unregister
"""

COLLECTION = r"""
told() { curl -s -w ' %{http_code}\n' "$@" | sed -E "s/$ID/<id>/g; s/task-[0-9a-f-]{36}/<task>/; \
s/\"[a-z_]+\":\"[0-9]{4}-[^\"]*Z\",//g; s/,\"timestamp\".*}/,…}/"; }
ID=none
JSON='Content-Type: application/json'
curl -s -o /dev/null -w 'health %{http_code}\n' "$URL/health"
told "$URL/api/v1/status"
told "$URL/api/v1/agents"
ID=$(curl -s -X POST -H "$JSON" "$URL/api/v1/agents" -d '{
  "name": "test-worker-1", "type": "worker", "config": {"max_concurrent_tasks": 5, "task_queue_size": 100}
}' | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
told "$URL/api/v1/agents"
told "$URL/api/v1/agents/$ID"
told -X POST "$URL/api/v1/agents/$ID/start"
told -X POST -H "$JSON" "$URL/api/v1/agents/$ID/tasks" -d '{
  "type": "echo", "payload": {"message": "hi"}, "priority": 1, "timeout": 30
}'
told -X POST "$URL/api/v1/agents/$ID/start"
told -X POST "$URL/api/v1/agents/$ID/stop"
curl -s "$URL/api/v1/metrics" | grep -o '"total_agents_[a-z]*":[0-9]*'
told "$URL/api/v1/agents/00000000-0000-0000-0000-000000000000"
told -X POST "$URL/api/v1/agents" -d '{"name":"no type"}'
"""


async def typed(rest: RestClient, script: str, folder: Path) -> list[str]:
    """What a shell says to this."""
    shell = await asyncio.create_subprocess_exec(
        "bash", "--norc", "-c", script, cwd=folder, env={"URL": rest.server.url, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await shell.communicate()
    return said.decode().splitlines()


async def test_the_seven_shell_checks(rest: RestClient, tmp_path: Path) -> None:
    steps = ("health", "register", "list", "get", "heartbeat", "by-type", "unregister")
    assert await typed(rest, SEVEN_CHECKS, tmp_path) == [f"passed {step}" for step in steps]


async def test_the_request_collection_in_its_order(rest: RestClient, tmp_path: Path) -> None:
    def view(state: str, healthy: str = "true") -> str:
        return (
            f'{{"id":"<id>","name":"test-worker-1","type":"worker","state":"{state}","metadata":{{}},'
            f'"is_healthy":{healthy}}}'
        )

    assert await typed(rest, COLLECTION, tmp_path) == [
        "health 200",
        f'{{"app_name":"CodeValdCortex","status":"running","version":"{__version__}"}} 200',
        "[] 200",
        f"[{view('created')}] 200",
        f"{view('created')} 200",
        f"{view('running')} 200",
        '{"agent_id":"<id>","message":"task submitted successfully","task_id":"<task>"} 202',
        '{"error":"cannot start agent in state: running"} 409',
        f"{view('stopped')} 200",
        '"total_agents_created":1',
        '"total_agents_stopped":1',
        '{"error":"agent not found"} 404',
        '{"error":"type is required"} 400',
    ]
