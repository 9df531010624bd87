"""kill -9 in the midst of locks and check-and-sets: what all clients were told can have happened in one order.

`CRASH_ROUNDS` and `CRASH_SEED` are those of `test_crash.py`.
"""

import asyncio
import random
from pathlib import Path

import pytest

from tests.crash.server import Process
from tests.crash.test_crash import ROUND_SECONDS, ROUNDS, SEED
from tests.linear.clients import Clients

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 + ROUND_SECONDS * ROUNDS)]


class Server(Process):
    """The one door there is."""

    name = "server"


async def test_keys_and_locks_are_linear_over_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server, chance = Server(tmp_path / "data", "--snapshot-min-bytes", "16384"), random.Random(f"linear {SEED}")
    clients = Clients([server], chance)
    problems: list[str] = []
    try:
        await server.start()
        for _ in range(ROUNDS):
            await clients.start()
            await clients.worked(chance.randint(30, 150))
            await asyncio.sleep(chance.uniform(0, 0.003))
            await server.kill()
            await server.start()
            await clients.worked(60)
            await clients.stop()
            problems += clients.problems()
            if problems:
                break
    finally:
        await clients.close()
        await server.kill()
    with capsys.disabled():
        print(f"\n  keys and locks: {ROUNDS} kills, {clients.done:,} answers, {clients.unknown} without one, "
              f"{len(problems)} keys that cannot be (CRASH_SEED={SEED})")  # fmt: skip
    assert not problems, "\n".join([f"CRASH_SEED={SEED}", *problems[:3]])
