"""`AgentRegistration`: an agent that registers, beats from a thread of its own, and unregisters.

Owns the thread and the waiting; what is said is in `registration.py`. Nothing here needs an event loop, and every
method may be called from any thread.
"""

import random
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from registry.client.access import Access
from registry.client.backoff import Chance
from registry.client.errors import ServerAway
from registry.client.http import Answer, post
from registry.client.registration import (
    BEAT_SECONDS,
    DEFAULT_URL,
    DEFAULT_VERSION,
    JOIN_SECONDS,
    REGISTER_PATH,
    REGISTER_SECONDS,
    UNREGISTER_SECONDS,
    Registration,
    log,
)

Wait = Callable[[threading.Event, float], object]  # returns when the event is set or the seconds are over


class AgentRegistration(Registration):
    """An agent's registration, from threads. The constructor's arguments are those of `Registration`.

        with AgentRegistration("cost-1", "cost", "10.0.0.5", 8001, ["spot_migration"], "http://registry:8080"):
            ...

    As a context manager it registers and beats, and unregisters at the end. A server that is away does not keep the
    program from starting: the thread goes on trying until the agent is registered.

    Attributes:
        agent_id: None until registered; a new one after the server had forgotten the agent.
        heartbeat_interval: seconds between beats; the server says it, and what is set here later stays.
        heartbeat_thread: None until there is one.
        stop_heartbeat: an event, not a method: setting it ends the thread.
        status: what beats report.
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
        wait: Wait = threading.Event.wait,
    ) -> None:
        super().__init__(
            agent_name, agent_type, host, port, capabilities, orchestrator_url, version, metadata,
            access=access, chance=chance,
        )  # fmt: skip
        self.heartbeat_thread: threading.Thread | None = None
        self.stop_heartbeat = threading.Event()
        self._wait = wait
        self._registering = threading.Lock()  # one registration at a time, and no end amid one
        self._thread_change = threading.Lock()  # held for moments only

    def register(self) -> bool:
        """Register under a new id; true for a 201 only. Never raises: what went wrong is logged."""
        with self._registering:
            try:
                self._register()
            except Exception as error:  # whatever it is, it must not end the agent
                self._failed("register", error)
                return False
            return True

    def start_heartbeat(self) -> None:
        """Beat at once and then every `heartbeat_interval` seconds, until told to stop; does nothing without an id."""
        if self.agent_id is None:
            log.error("%s cannot beat: it is not registered", self.agent_name)
            return
        self._start_thread()

    def start(self) -> None:
        """Register and beat; while the server is away, go on trying from the thread.

        Raises:
            Refused: the server will not have this agent, and will not have it later either.
            ValueError, TypeError: a url or metadata that cannot be sent.
        """
        with self._registering:
            try:
                if self._live_id is None:
                    self._register()
            except ServerAway as error:
                self._failed("register", error)
        self._start_thread()

    def stop_heartbeat_loop(self) -> None:
        """End the thread; waits at most 5 seconds for a beat that is under way."""
        self.stop_heartbeat.set()
        thread = self.heartbeat_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_SECONDS)

    def unregister(self) -> None:
        """Stop beating and take the agent off the registry's list. Never raises; the id stays."""
        if self.heartbeat_thread is not None:
            self.stop_heartbeat_loop()
        with self._registering:  # a registration under way first gets its id
            if self.agent_id is None:
                return
            try:
                answer = self._post(self._path(self.agent_id, "unregister"), None, UNREGISTER_SECONDS)
                self._take_unregistration(self.agent_id, answer)
            except Exception as error:  # as above
                self._failed("unregister", error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unregister()

    # The thread

    def _start_thread(self) -> None:
        with self._thread_change:
            running = self.heartbeat_thread
            if running is not None and running.is_alive() and not self.stop_heartbeat.is_set():
                return
            self.stop_heartbeat.clear()
            self.heartbeat_thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
            self.heartbeat_thread.start()

    def _beat_on(self) -> None:
        while self._goes_on():
            seconds = self._next()
            if seconds > 0 and self._goes_on():
                self._wait(self.stop_heartbeat, seconds)

    def _goes_on(self) -> bool:
        """Whether this thread is still wanted: not stopped, and no other has taken its place since."""
        return not self.stop_heartbeat.is_set() and self.heartbeat_thread is threading.current_thread()

    def _next(self) -> float:
        """One request; seconds until the next."""
        agent_id = self._live_id
        try:
            if agent_id is None:
                self._register_again()
                return 0.0
            answer = self._post(self._path(agent_id, "heartbeat"), self._beat_body(), BEAT_SECONDS)
            return self._take_beat(agent_id, answer)
        except Exception as error:  # as above
            return self._failed("register" if agent_id is None else "heartbeat", error)

    def _register_again(self) -> None:
        with self._registering:
            if self._live_id is None and self._goes_on():  # else somebody else was first
                self._register()

    def _register(self) -> None:
        self._take_registration(self._post(REGISTER_PATH, self._registration_body(), REGISTER_SECONDS))

    def _post(self, path: str, body: object, seconds: float) -> Answer:
        return post(self.orchestrator_url, path, body, self._access, seconds)
