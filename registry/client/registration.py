"""What an agent tells the registry, and what it makes of the answers.

Owns everything about a registration but the sending and the waiting: those are `agent.py` for threads and
`agent_async.py` for event loops. The state of a registration lives here, in plain attributes.

    register ──201──▶ beat ──200──▶ beat …     every `heartbeat_interval` seconds
       ▲                │ no answer, 5xx, 429   again after a back-off, at most the interval
       └──────404───────┘                       the server has forgotten it: a new id

Source: dialects.md §3.1, §3.2 and §3.4.
"""

import logging
import random
from collections.abc import Sequence, Set
from typing import Any
from urllib.parse import quote

from registry.client.access import Access
from registry.client.backoff import Backoff, Chance
from registry.client.errors import Refused, ServerAway
from registry.client.http import Answer

DEFAULT_URL = "http://localhost:8080"
DEFAULT_VERSION = "1.0.0"
REGISTER_PATH = "/agents/register"
REGISTER_SECONDS = UNREGISTER_SECONDS = 10.0  # for an answer
BEAT_SECONDS = 5.0
JOIN_SECONDS = 5.0  # for the last beat to come to its end
HEARTBEAT_INTERVAL = 30  # seconds, until the server has said another
LONGEST_INTERVAL = 86_400  # a server that says more than a day means something else
_CREATED, _OK, _NOT_FOUND = 201, 200, 404

log = logging.getLogger("registry.client")


class Registration:
    """One agent as its registry knows it. Its attributes may be changed; the next request says so.

    Args:
        agent_name: a label for people.
        agent_type: what it is, e.g. `cost`: the name under which Consul's clients find it.
        host: where others reach it, with `port`.
        capabilities: what it can do; Consul's clients see them as tags.
        orchestrator_url: the registry.
        metadata: any JSON; sent whole with every beat, which adds and replaces keys and never removes one.
        access: the token and the TLS.
        chance: numbers in [0, 1) that spread the back-off; for tests, as the `wait` of its subclasses is.
    """

    def __init__(
        self,
        agent_name: str,
        agent_type: str,
        host: str,
        port: int,
        capabilities: Sequence[str],
        orchestrator_url: str = DEFAULT_URL,
        version: str = DEFAULT_VERSION,
        metadata: dict[str, Any] | None = None,
        *,
        access: Access | None = None,
        chance: Chance = random.random,
    ) -> None:
        self.agent_name = agent_name
        self.agent_type = agent_type
        self.host = host
        self.port = port
        self.capabilities = capabilities
        self.orchestrator_url = orchestrator_url
        self.version = version
        self.metadata = {} if metadata is None else metadata
        self.status = "healthy"  # what beats report: healthy, degraded or unhealthy
        self.agent_id: str | None = None
        self.heartbeat_interval: float = HEARTBEAT_INTERVAL
        self._access = access or Access()
        self._backoff = Backoff(longest=HEARTBEAT_INTERVAL, chance=chance)
        self._told_interval: float | None = None  # what the server said last: what somebody else has set stays
        self._forgotten: str | None = None  # the id that the server answered 404 to
        self._unproven: str | None = None  # an id of ours that no beat has been accepted with yet

    # What is sent

    def _registration_body(self) -> dict[str, Any]:
        return {
            "name": self.agent_name,
            "type": self.agent_type,
            "host": self.host,
            "port": self.port,
            "capabilities": _sendable(self.capabilities),
            "version": self.version,
            "metadata": dict(self.metadata or {}),
        }

    def _beat_body(self) -> dict[str, Any]:
        return {"status": self.status, "metadata": dict(self.metadata or {})}

    @staticmethod
    def _path(agent_id: str, verb: str) -> str:
        return f"/agents/{quote(agent_id, safe='')}/{verb}"

    @property
    def _live_id(self) -> str | None:
        """The id to beat with; None where there is a registration to make first."""
        return None if self.agent_id == self._forgotten else self.agent_id

    # What is made of the answers

    def _take_registration(self, answer: Answer) -> None:
        """Keep the id and the interval.

        Raises:
            ClientError: it is no registration.
        """
        if answer.status != _CREATED:
            raise answer.problem()
        reply = answer.value
        agent_id = reply.get("agent_id")
        if not isinstance(agent_id, str) or not agent_id:
            raise ServerAway(f"201 without an agent_id: {answer.text}")
        self.agent_id = self._unproven = agent_id
        self._forgotten = None  # it may be the same one again
        self._obey(reply.get("heartbeat_interval_seconds"))
        log.info("%s is registered as %s", self.agent_name, agent_id)

    def _take_beat(self, agent_id: str, answer: Answer) -> float:
        """Seconds until the next request."""
        if answer.status == _OK:
            self._unproven = None
            self._backoff.reset()
            self._obey(answer.value.get("next_interval_seconds"))
            return self.heartbeat_interval
        if answer.status == _NOT_FOUND:
            log.warning("the registry has forgotten %s (%s)", self.agent_name, agent_id)
            self._forgotten = agent_id
            # Ids that are forgotten at once come from a server that will forget the next one too.
            return self._pause() if self._unproven == agent_id else 0.0
        return self._failed("heartbeat", answer.problem())

    def _failed(self, what: str, error: Exception) -> float:
        """Log it; seconds until the next try."""
        log.warning("%s of %s: %s", what, self.agent_name, str(error) or type(error).__name__)
        return self.heartbeat_interval if isinstance(error, Refused) else self._pause()

    def _take_unregistration(self, agent_id: str, answer: Answer) -> None:
        if answer.status == _OK:
            self._forgotten = agent_id  # whoever starts this agent once more wants a new registration
            log.info("%s is unregistered", self.agent_name)
        else:
            log.warning("unregister of %s: %s", self.agent_name, answer.problem())

    def _obey(self, seconds: object) -> None:
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            return
        if 0 < seconds <= LONGEST_INTERVAL and seconds != self._told_interval:
            self._told_interval = self.heartbeat_interval = seconds

    def _pause(self) -> float:
        self._backoff.longest = self.heartbeat_interval
        return self._backoff.next()


def _sendable(capabilities: object) -> object:
    """A list of any sequence or set; what is none goes as it is, for the server to judge: a string is no list."""
    if isinstance(capabilities, str) or not isinstance(capabilities, Sequence | Set):
        return capabilities
    return list(capabilities)
