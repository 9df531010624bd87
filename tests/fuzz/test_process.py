"""Odd requests to a server process with a durable store: it lives, and kill -9 takes nothing odd away."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.crash.server import Process
from tests.fuzz import oracle
from tests.fuzz.findings import REQUESTS, SEED, Findings
from tests.fuzz.test_fuzz import Show, belongs, draft_of
from tests.fuzz.wire import Answer, Connection, Malformed

COUNT = REQUESTS // 10
SILENCE_SECONDS = 5.0
FLAGS = ("--max-query-seconds", "0.05", "--default-query-seconds", "0.05", "--snapshot-min-bytes", "20000")
VIEWS = ("/v1/agent/services", "/v1/catalog/nodes", "/v1/catalog/services")  # no statuses: TTLs may run out meanwhile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(30 + REQUESTS / 50)]


async def test_odd_requests_survive_a_kill(tmp_path: Path, show: Show) -> None:
    """The process ends when it is killed and not before; what it showed then it shows again."""
    findings, server = Findings(), Process(tmp_path / "data", *FLAGS)
    await server.start()
    try:
        connection = await server.connected()
        for number in range(COUNT):
            assert server.runs, f"it has ended before request #{number}: {server.words()}"
            if connection.gone:
                connection = await server.connected()
            await ask_one(number, connection, findings)
        await connection.close()
        before = await views(server)
        await server.kill()
        await server.start()
        after = await views(server)
    finally:
        await server.kill()
    show(findings.figures(f"{COUNT:,} odd requests to a process"))
    assert not findings.kinds, str(findings)
    assert after == before


async def ask_one(number: int, connection: Connection, findings: Findings) -> None:
    """Make up request `number`, ask it, and look at what comes; the connection is of no use where nothing comes."""
    draft = draft_of(random.Random(f"{SEED} process {number}"))
    if "leave" in unquote(draft.target()):  # it would, and rightly
        return
    raw, answer = draft.bytes(), None
    try:
        connection.send(raw)
        async with asyncio.timeout(SILENCE_SECONDS):
            answer = await connection.answer(draft.method)
    except (Malformed, EOFError, OSError, TimeoutError) as error:
        if not (draft.headless and isinstance(error, ConnectionError)):
            findings.add(f"no answer: {error!r}", raw, where=f"#{number}")
    else:
        findings.counts[str(answer.status)] += 1
        for kind in (*oracle.problems(draft.target(), answer), *belongs(draft, answer)):
            findings.add(kind, raw, answer, where=f"#{number}")
    if answer is None or answer.closes:
        await connection.close()


async def views(server: Process) -> list[Any]:
    """What clients see of what was written."""
    connection = await server.connected()
    try:
        answers: list[Answer] = [await connection.ask("GET", path) for path in VIEWS]
    finally:
        await connection.close()
    return [json.loads(answer.body) for answer in answers]
