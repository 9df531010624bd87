"""The parent of the workers: it starts them, replaces those that die, and stops all of them together.

Owns one selector loop without threads, so that it may fork at any time. What the workers say to each other goes
through `exchange.py`. It serves no client.
"""

import gc
import os
import selectors
import signal
import socket
import time
from contextlib import ExitStack

from registry import notify
from registry.errors import LogError, RegistryError
from registry.settings import Settings
from registry.supervisor.birth import EXIT_FAILED, EXIT_SETTINGS, Closeable, Work, born, last_words
from registry.supervisor.channel import Channel
from registry.supervisor.children import Child, Slot
from registry.supervisor.exchange import Exchange
from registry.supervisor.messages import Answer, Ask, Failure, Leave, Ready, Said, Stop, Watch
from registry.supervisor.reserved import ReservedPorts
from registry.supervisor.voice import Voice

# In addition to the grace for requests, to store what was accepted. With the default grace it all takes under 10 s.
_STORE_SECONDS = 4.5
_DEAF_SECONDS = 5.0  # that a worker may live on after it has closed its line
_GIVE_UP_SECONDS = 60.0  # without any worker serving, after which whoever started us may know what to do


class Supervisor:
    """One run of all workers."""

    def __init__(self, settings: Settings, work: Work) -> None:
        """Args:
        work: the whole life of a worker, in a process of its own; returns its exit code.
        """
        self._settings = settings
        self._work = work
        self._slots = [Slot(number) for number in range(1, settings.workers + 1)]
        self._voice = Voice(settings, self._share)
        self._exchange = Exchange(self._children, lambda why: self._voice.error("Reload failed", error=why))
        self._signals: list[int] = []
        self._started = False  # whether every worker has listened once
        self._served_at = 0.0  # when one of them last served for certain
        self._stopping = False
        self._kill_at: float | None = None
        self._exit_code = 0
        self._broken: RegistryError | None = None  # why none could start

    def run(self) -> int:
        """Supervise until the end; returns the exit code.

        Raises:
            SettingsError, LogError: a worker could not even start. OSError: a port is taken.
        """
        with ExitStack() as held:
            ports = self._settings.http_ports
            self._reserved = ReservedPorts(self._settings.bind, ports)
            held.callback(self._reserved.close)
            self._selector = held.enter_context(selectors.DefaultSelector())
            self._listen_to_signals(held)
            self._served_at = time.monotonic()
            gc.freeze()  # what is in memory now stays shared with the workers
            while not self._stopping or self._children():
                self._turn()
        if self._broken is not None:
            raise self._broken
        return self._exit_code

    def _children(self) -> list[Child]:
        return [slot.child for slot in self._slots if slot.child is not None]

    def _share(self, event: bytes) -> None:
        self._exchange.share(event)

    def _turn(self) -> None:
        """Wait until something happens or is due, and act on it."""
        now = time.monotonic()
        self._start_due(now)
        for child in self._children():
            if child.deaf_since is None:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.channel.waits else 0)
                self._selector.modify(child.channel.socket, wanted, child)
        for key, mask in self._selector.select(self._pause(now)):
            if key.data is None:
                self._wake.recv(4096)
            else:
                self._attend(key.data, mask)
        signals, self._signals = self._signals, []
        for number in signals:
            self._signalled(number)
        self._bury_dead()
        now = time.monotonic()
        self._exchange.conclude(now)
        self._kill_late(now)

    def _pause(self, now: float) -> float | None:
        """Seconds until something is due; None if nothing is."""
        due = [slot.start_at for slot in self._slots if slot.start_at is not None and self._may_start(slot)]
        due += [each for each in (self._kill_at, self._exchange.next_until()) if each is not None]
        due += [child.deaf_since + _DEAF_SECONDS for child in self._children() if child.deaf_since is not None]
        return max(min(due) - now, 0.0) if due else None

    # Signals

    def _listen_to_signals(self, held: ExitStack) -> None:
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            held.enter_context(end)
            end.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            held.callback(signal.signal, number, signal.signal(number, lambda taken, _: self._signals.append(taken)))
        held.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False))
        self._selector.register(self._wake, selectors.EVENT_READ, None)

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._exchange.reload()
        elif number in (signal.SIGTERM, signal.SIGINT) and not self._stopping:
            self._stop()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._kill_at = 0.0

    # Birth

    def _may_start(self, slot: Slot) -> bool:
        """Whether a worker may start: the first one alone, to see that settings and store are good, then all."""
        return not self._stopping and (self._started or slot.number == 1 or self._serves())

    def _serves(self) -> bool:
        return any(child.serving_since is not None for child in self._children())

    def _start_due(self, now: float) -> None:
        for slot in self._slots:
            if slot.start_at is not None and slot.start_at <= now and self._may_start(slot):
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        parents: tuple[Closeable, ...] = (self._reserved, self._selector, self._wake, self._waker, *self._children())
        try:
            child = born(self._work, slot.number, len(self._slots), self._reserved.ports, parents)
        except OSError as error:
            if not self._started:
                raise
            pause = slot.vacate(time.monotonic())
            self._voice.error("Worker could not start", worker=slot.number, error=str(error), again_in_seconds=pause)
            return
        slot.fill(Child(slot.number, child.pid, Channel(child.line), child.words))
        self._selector.register(child.line, selectors.EVENT_READ, slot.child)

    # The line

    def _attend(self, child: Child, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            child.channel.flush()
        if mask & selectors.EVENT_READ:
            self._hear(child)

    def _hear(self, child: Child) -> None:
        """Take in what a worker said, up to the end of the line."""
        try:
            messages = child.channel.received()
        except ValueError as error:
            self._voice.error("Worker talks nonsense", worker=child.number, error=str(error))
            messages, child.deaf_since = None, 0.0  # it cannot be told anything, so it gets no time
        if messages is None:
            child.deaf_since = time.monotonic() if child.deaf_since is None else child.deaf_since
            self._selector.unregister(child.channel.socket)
        for message in messages or ():
            match message:
                case Ready():
                    child.serving_since = time.monotonic()
                    self._note_started()
                case Leave():
                    self._stop()
                case Ask() | Answer() | Watch() | Said():
                    self._exchange.take(child, message)

    def _note_started(self) -> None:
        """End the start once every worker serves."""
        if not self._started and all(slot.child is not None and slot.child.serving_since for slot in self._slots):
            self._started = True
            notify.ready()

    # Death

    def _bury_dead(self) -> None:
        for slot in self._slots:
            if slot.child is not None:
                pid, status = os.waitpid(slot.child.pid, os.WNOHANG)
                if pid:
                    self._bury(slot, slot.child, os.waitstatus_to_exitcode(status))

    def _bury(self, slot: Slot, child: Child, code: int) -> None:
        """Deal with the end of a worker; a negative code is a signal."""
        if child.deaf_since is None:
            self._hear(child)
        if child.deaf_since is None:
            self._selector.unregister(child.channel.socket)
        words = last_words(child.words)
        child.close()
        pause = slot.vacate(time.monotonic())
        self._exchange.gone(child)
        if self._stopping:
            self._exit_code = self._exit_code or (EXIT_FAILED if code else 0)
        elif child.serving_since is None and not self._started:
            self._give_up(words, code)
        else:
            self._mourn(child, code, words, pause)

    def _mourn(self, child: Child, code: int, words: Failure | None, pause: float) -> None:
        """Report the loss; the worker is replaced, unless none has served for too long."""
        self._exchange.restarts += 1
        served, now = child.serving_since is not None, time.monotonic()
        values: dict[str, object] = {"worker": child.number, "pid": child.pid, "again_in_seconds": round(pause, 1)}
        values |= {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}
        if words is not None:
            values["error"] = str(words.error)
        say = self._voice.warning if code else self._voice.info
        say("Worker ended" if served else "Worker could not start", **values)
        if served or self._serves():
            self._served_at = now
        elif now - self._served_at > _GIVE_UP_SECONDS:
            self._give_up(words, code)

    def _give_up(self, words: Failure | None, code: int) -> None:
        """Give up because no worker can start, with the words of the last, as a single process would."""
        if words is not None:
            self._broken = words.error
        elif code == EXIT_SETTINGS:
            self._exit_code = EXIT_SETTINGS
        else:
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            self._broken = LogError(f"a worker ended {how} before it served anybody")
        self._stop()

    def _stop(self) -> None:
        """Have all workers drain and end. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        notify.stopping()
        self._kill_at = time.monotonic() + self._settings.shutdown_grace_seconds + _STORE_SECONDS
        for child in self._children():
            child.channel.send(Stop())

    def _kill_late(self, now: float) -> None:
        """Kill those whose time to end by themselves is up."""
        if self._kill_at is not None and self._kill_at <= now:
            self._kill_at, self._exit_code = None, EXIT_FAILED
            for child in self._children():
                child.kill()
        for child in self._children():
            if child.deaf_since is not None and child.deaf_since + _DEAF_SECONDS <= now:
                child.deaf_since = now
                child.kill()


def supervise(settings: Settings, work: Work) -> int:
    """Run `settings.workers` processes as one server; returns the exit code.

    Raises:
        SettingsError, LogError, OSError: as for `Supervisor.run`.
    """
    return Supervisor(settings, work).run()
