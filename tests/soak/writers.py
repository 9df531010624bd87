"""Those who write: some keep rows of their own and change them all the time, some come, are seen and go.

Owns the pace and the proof at the end: what is there is what was acknowledged. Which writes there are is
`tests/crash/operations.py`.
"""

import asyncio
import itertools
import json
import random

from tests.crash.ledger import Ledger
from tests.crash.observation import Observation
from tests.crash.operations import operation
from tests.fuzz.wire import Connection
from tests.processes import ServerProcess
from tests.soak.tally import Tally

WRITERS, WRITER_SECONDS = 5, 0.15  # between two writes of one
GUESTS, GUEST_SECONDS = 2, 0.2


class Writers:
    """Clients whose rows are known to the last one."""

    def __init__(self, server: ServerProcess, tally: Tally, chance: random.Random) -> None:
        self.ledgers = [Ledger(f"c{place}") for place in range(WRITERS)]
        self._server, self._tally, self._chance = server, tally, chance
        self._numbers = itertools.count(1)

    async def write(self, ledger: Ledger, over: asyncio.Event) -> None:
        """One of them, until it is over; it gives up when it loses its connection, since then it knows no more."""
        connection = await self._server.connected()
        try:
            while not over.is_set():
                await asyncio.sleep(self._chance.uniform(0, 2 * WRITER_SECONDS))
                await self._change(connection, ledger)
        except (OSError, EOFError) as error:
            self._tally.wrong("writers", repr(error))
        finally:
            await connection.close()

    async def _change(self, connection: Connection, ledger: Ledger) -> None:
        method, target, body, status, after = operation(ledger.owner, next(self._numbers), ledger.certain, self._chance)
        ledger.begin(after)
        answer = await connection.ask(method, target, body)
        self._tally.judge("writers", answer.status == status, f"{method} {target} is answered {answer}, not {status}")
        if answer.status == status:
            ledger.acknowledge()

    def problems(self, found: Observation) -> list[str]:
        """Where the rows are not those that were acknowledged."""
        return [line for ledger in self.ledgers for line in ledger.settle(found.of(ledger.owner))]


class Guests:
    """Clients that leave nothing behind: every service, node and check has a name that no other ever had."""

    def __init__(self, server: ServerProcess, tally: Tally, chance: random.Random) -> None:
        self._server, self._tally, self._chance = server, tally, chance
        self._numbers = itertools.count(1)

    async def visit(self, over: asyncio.Event) -> None:
        """One of them, until it is over."""
        connection = await self._server.connected()
        try:
            while not over.is_set():
                await asyncio.sleep(self._chance.uniform(0, 2 * GUEST_SECONDS))
                await self._visit(connection, f"guest-{next(self._numbers)}")
        except (OSError, EOFError) as error:
            self._tally.wrong("guests", repr(error))
        finally:
            await connection.close()

    async def _visit(self, connection: Connection, name: str) -> None:
        health, status, at_home = f"/v1/health/service/{name}", f"/v1/health/checks/{name}", f"/v1/catalog/node/{name}"
        body = json.dumps({"Name": name, "Check": {"TTL": "10s", "Status": "passing"}}).encode()
        node = json.dumps({"Node": name, "Address": "10.0.0.1", "Service": {"Service": name}}).encode()
        await self._ask(connection, "PUT", "/v1/agent/service/register", body)
        await self._ask(connection, "PUT", "/v1/catalog/register", node)
        await self._expect(connection, health, 2)
        await self._ask(connection, "PUT", f"/v1/agent/check/fail/service:{name}?note={name}")
        await self._expect(connection, f"{status}?filter=Status==critical", 1)
        await self._ask(connection, "GET", at_home)
        await self._ask(connection, "PUT", f"/v1/agent/service/deregister/{name}")
        await self._ask(connection, "PUT", "/v1/catalog/deregister", json.dumps({"Node": name}).encode())
        await self._expect(connection, health, 0)

    async def _ask(self, connection: Connection, method: str, target: str, body: bytes = b"") -> None:
        answer = await connection.ask(method, target, body)
        self._tally.judge("guests", answer.status == 200, f"{method} {target} is answered {answer}")

    async def _expect(self, connection: Connection, target: str, count: int) -> None:
        answer = await connection.ask("GET", target)
        right = answer.status == 200 and len(json.loads(answer.body)) == count
        self._tally.judge("guests", right, f"{target} does not show {count}: {answer}")
