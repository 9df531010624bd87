"""OptiInfra's helper as its contract describes it, for those who have it: it must work with our server as it is.

Owns what that helper does and what it does not: it never registers again, takes no token and no TLS, and forgets what
went wrong. `wait` is the one thing added to it. Source: dialects.md §3.4.
"""

import http.client
import json
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger("original")


class AgentRegistration:
    """The helper; its names, defaults and time limits are the original's."""

    def __init__(
        self,
        agent_name: str,
        agent_type: str,
        host: str,
        port: int,
        capabilities: list[str],
        orchestrator_url: str = "http://localhost:8080",
        version: str = "1.0.0",
        metadata: dict[str, Any] | None = None,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.agent_name = agent_name
        self.agent_type = agent_type
        self.host = host
        self.port = port
        self.capabilities = capabilities
        self.orchestrator_url = orchestrator_url
        self.version = version
        self.metadata = metadata or {}
        self.agent_id: str | None = None
        self.heartbeat_interval = 30
        self.heartbeat_thread: threading.Thread | None = None
        self.stop_heartbeat = threading.Event()
        self._wait = wait

    def register(self) -> bool:
        said = {
            "name": self.agent_name, "type": self.agent_type, "host": self.host, "port": self.port,
            "capabilities": self.capabilities, "version": self.version, "metadata": self.metadata,
        }  # fmt: skip
        try:
            status, reply = self._post("/agents/register", said, 10)
            if status != 201:
                return False
            self.agent_id = reply["agent_id"]
            self.heartbeat_interval = reply["heartbeat_interval_seconds"]
        except Exception as error:
            log.error("not registered: %s", error)
            return False
        return True

    def start_heartbeat(self) -> None:
        if not self.agent_id:
            log.error("not registered")
            return
        self.stop_heartbeat.clear()
        self.heartbeat_thread = threading.Thread(target=self._beat_on, daemon=True)
        self.heartbeat_thread.start()

    def _beat_on(self) -> None:
        while not self.stop_heartbeat.is_set():
            said = {"status": "healthy", "metadata": self.metadata}
            try:
                status, _ = self._post(f"/agents/{self.agent_id}/heartbeat", said, 5)
                if status != 200:
                    log.warning("heartbeat: %s", status)
            except Exception as error:
                log.warning("heartbeat: %s", error)
            self._wait(self.stop_heartbeat, self.heartbeat_interval)

    def stop_heartbeat_loop(self) -> None:
        self.stop_heartbeat.set()
        if self.heartbeat_thread:
            self.heartbeat_thread.join(timeout=5)

    def unregister(self) -> None:
        if not self.agent_id:
            return
        self.stop_heartbeat_loop()
        try:
            status, _ = self._post(f"/agents/{self.agent_id}/unregister", None, 10)
            if status != 200:
                log.warning("unregister: %s", status)
        except Exception as error:
            log.warning("unregister: %s", error)

    def _post(self, path: str, value: Any, seconds: float) -> tuple[int, Any]:
        """As a library for people posts: the url is base and path side by side, the body is spaced JSON."""
        url = urlsplit(f"{self.orchestrator_url}{path}")
        assert url.hostname is not None
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=seconds)
        headers = {"User-Agent": "original", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
        try:
            if value is None:
                connection.request("POST", url.path, headers=headers)
            else:
                headers["Content-Type"] = "application/json"
                connection.request("POST", url.path, json.dumps(value).encode(), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()
