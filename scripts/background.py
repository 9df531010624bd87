"""Start the registry in the background and stop it again: what `scripts/start` and `scripts/stop` run.

Its output goes to logs/registry.log, its process id to logs/registry.pid; LOGS names another folder. A process is
signalled only when it is the one that was recorded: it carries the path of its pid file in its environment.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = (ROOT / os.environ.get("LOGS", "logs")).resolve()
PID_FILE, LOG_FILE = LOGS / "registry.pid", LOGS / "registry.log"
MARK = "REGISTRY_PID_FILE"  # in the environment of the process that the file names
START_SECONDS = float(os.environ.get("START_SECONDS", "30"))
STOP_SECONDS = float(os.environ.get("STOP_SECONDS", "15"))  # more than a stop with 5,000 waiting readers takes


def recorded() -> int | None:
    """The process that the pid file names, if it runs and is ours."""
    try:
        pid = int(PID_FILE.read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if state != "Z" and f"{MARK}={PID_FILE}".encode() in environment else None


def start(flags: list[str]) -> int:
    """Start it and wait until it answers; 0 when it does, also when it did already."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with _alone():
        if (pid := recorded()) is not None:
            print(f"start: it runs already, process {pid}")
            return 0
        return _started(flags)


@contextmanager
def _alone() -> Iterator[None]:
    """Of several who start it at once each waits for the one before; the lock ends with its holder."""
    folder = os.open(LOGS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _started(flags: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"{folder}/ready")
        told.settimeout(0.1)
        with LOG_FILE.open("ab") as log:
            begin = log.tell()
            process = subprocess.Popen(
                [sys.executable, "-m", "registry", "serve", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=ROOT,
                env={**os.environ, MARK: str(PID_FILE), "NOTIFY_SOCKET": f"{folder}/ready"},
            )  # fmt: skip
        PID_FILE.write_text(f"{process.pid}\n")
        until = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < until:
            if _is_ready(told):
                print(f"start: process {process.pid} answers; its log is {LOG_FILE}")
                return 0
    if process.poll() is None:
        print(f"start: no answer within {START_SECONDS:g} s; process {process.pid} goes on, see {LOG_FILE}")
        return 1
    PID_FILE.unlink(missing_ok=True)
    print(f"start: it ended with exit code {process.returncode}:\n{_said_since(begin)}", file=sys.stderr)
    return process.returncode or 1


def _is_ready(told: socket.socket) -> bool:
    try:
        return b"READY=1" in told.recv(4096)
    except TimeoutError:
        return False


def _said_since(begin: int) -> str:
    with LOG_FILE.open("rb") as log:
        log.seek(begin)
        return b"".join(log.readlines()[-20:]).decode(errors="replace")


def stop(clean_logs: bool) -> int:
    """Stop it and wait until it is gone; 0 when it is, also when it was."""
    pid = recorded()
    if pid is None:
        print("stop: it does not run")
    else:
        os.kill(pid, signal.SIGTERM)
        if not _gone(STOP_SECONDS):
            print(f"stop: process {pid} is still there after {STOP_SECONDS:g} s and is killed")
            os.kill(pid, signal.SIGKILL)
            _gone(5.0)
        print(f"stop: process {pid} has ended")
    PID_FILE.unlink(missing_ok=True)
    if clean_logs:
        LOG_FILE.unlink(missing_ok=True)
        with suppress(OSError):  # of a folder that is not there, or holds what others have put into it
            LOGS.rmdir()
    return 0


def _gone(seconds: float) -> bool:
    until = time.monotonic() + seconds
    while recorded() is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def main() -> int:
    """Carry out one of the two."""
    what, *flags = sys.argv[1:]
    if what == "start":
        return start(flags)
    if flags not in ([], ["--clean-logs"]):
        print("usage: scripts/stop [--clean-logs]", file=sys.stderr)
        return 2
    return stop(bool(flags))


if __name__ == "__main__":
    sys.exit(main())
