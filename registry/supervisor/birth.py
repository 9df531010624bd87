"""The birth of a worker: a fork, what the child must close, and its last words if it fails.

Owns the child's life from the fork to its exit code. What it does in between is handed in.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn, Protocol

import msgspec

from registry.errors import LogError, SettingsError
from registry.supervisor.messages import Failure
from registry.supervisor.place import Place

EXIT_FAILED = 1
EXIT_SETTINGS = 2
_WORDS_BYTES = 4096  # a pipe takes that much at once even if nobody reads

# A terminal sends its signals to the whole group; what they mean for the workers is up to the parent.
_ACTIONS = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.SIG_IGN,
    signal.SIGHUP: signal.SIG_IGN,
    signal.SIGCHLD: signal.SIG_DFL,
}

Work = Callable[[Place], int]


class Closeable(Protocol):
    """What the parent holds and a child must not."""

    def close(self) -> None:
        """Close it."""


class Born(NamedTuple):
    """A child: its process, the parent's end of the line, and the pipe that carries its last words."""

    pid: int
    line: socket.socket
    words: int


def born(work: Work, number: int, workers: int, ports: tuple[int, ...], parents: Iterable[Closeable]) -> Born:
    """Fork a worker.

    Args:
        parents: what the parent has open. A child that kept it would hide the parent's end from its siblings.
    Raises:
        OSError: the machine has no room for another process.
    """
    ours, theirs = socket.socketpair()
    words, speak = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, _ACTIONS)  # until the child has its own actions
    try:
        pid = os.fork()
        if pid == 0:
            _live(work, Place(number, workers, ports, theirs), speak, (*parents, ours), old)
    except OSError:
        ours.close()
        os.close(words)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        theirs.close()
        os.close(speak)
    return Born(pid, ours, words)


def _live(work: Work, place: Place, speak: int, parents: Iterable[Closeable], mask: Iterable[int]) -> NoReturn:
    """Live the whole life of the child, which never returns into the parent's stack."""
    code = EXIT_FAILED
    try:
        signal.set_wakeup_fd(-1)
        for number, action in _ACTIONS.items():
            signal.signal(number, action)
        for one in parents:
            one.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work(place)
    except SettingsError as error:
        code = EXIT_SETTINGS
        os.write(speak, msgspec.msgpack.encode(Failure.of(error)))
    except (LogError, OSError) as error:
        os.write(speak, msgspec.msgpack.encode(Failure.of(error)))
    except Exception:  # the worker's main: whatever went wrong is told once, with its traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def last_words(words: int) -> Failure | None:
    """What a worker that has ended said about the reason, if anything."""
    os.set_blocking(words, False)
    try:
        data = os.read(words, _WORDS_BYTES)
    except BlockingIOError:  # a child of the worker still has the other end open
        return None
    return msgspec.msgpack.decode(data, type=Failure) if data else None
