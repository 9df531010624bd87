"""OptiInfra's check of its helper, as a program: register, beat, be there after 35 seconds, be gone at the end.

    python -m tests.client.script {ours|original} URL

Source: dialects.md §11.
"""

import json
import sys
import time
import urllib.request
from typing import Any

from registry.client import AgentRegistration
from tests.client import original

KINDS: dict[str, Any] = {"ours": AgentRegistration, "original": original.AgentRegistration}


def main(kind: str, url: str) -> None:
    def listed() -> dict[str, Any]:
        with urllib.request.urlopen(f"{url}/agents", timeout=5) as answer:
            return {one["id"]: one for one in json.load(answer)["agents"]}

    agent = KINDS[kind]("test-agent", "cost", "localhost", 8001, ["spot_migration", "cost_analysis"], url)
    assert agent.register() is True
    first = listed()[agent.agent_id]["last_seen"]
    agent.start_heartbeat()
    time.sleep(1)
    second = listed()[agent.agent_id]["last_seen"]
    assert second > first, "no beat within a second"
    time.sleep(34)
    third = listed()[agent.agent_id]
    assert (third["status"], third["last_seen"] > second) == ("healthy", True), third
    agent.unregister()
    assert agent.agent_id not in listed()
    assert not agent.heartbeat_thread.is_alive()
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
