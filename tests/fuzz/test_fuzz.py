"""Random and mutated requests: no crash, no 5xx that Consul would not give, no change from a refused request.

`FUZZ_REQUESTS` says how many (default 2,000; `make fuzz` takes 20,000), `FUZZ_SEED` repeats a run. A short run
always asks the same, a long one something new each time.
"""

import os
import random
import time
from collections import Counter

import pytest

from registry.api.dialects.consul.errors import TABLE
from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.own.pages import endpoint as pages
from tests.fuzz import oracle
from tests.fuzz.broken import broken
from tests.fuzz.drafts import Draft, spoiled
from tests.fuzz.seeds import MAKERS, OFTEN, requests_for
from tests.fuzz.target import Target, target
from tests.fuzz.wire import Answer

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
SHORT = 2000
SEED = os.environ.get("FUZZ_SEED") or ("1" if REQUESTS <= SHORT else str(random.SystemRandom().randrange(10**6)))
A_LIFE = 500  # requests: so that the state, which is hashed after each of them, stays small
PAUSES_SECONDS = (1.0, 11.0, 75.0)  # a TTL runs out, a critical service is reaped
SHOWN = 12  # findings of a run
ROUTES = [(one.method, one.path) for one in (*endpoint, *pages)]
WEIGHTS = [OFTEN.get(path, 1.0) for _, path in ROUTES]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 + REQUESTS / 50)]


class Findings:
    """What went wrong, each kind of it once."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, kind: str, story: str) -> None:
        """Note one; kinds are told apart by what went wrong, not by the request."""
        self.kinds[kind] += 1
        self.first.setdefault(kind, story)

    def __str__(self) -> str:
        shown = [f"{count} x {kind}\n    {self.first[kind]}" for kind, count in self.kinds.most_common(SHOWN)]
        return "\n".join([f"FUZZ_SEED={SEED} FUZZ_REQUESTS={REQUESTS}", *shown])


async def test_odd_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """Requests that are right or almost, to every route, one after the other."""
    findings, statuses, begun = Findings(), Counter[int](), time.perf_counter()
    for first in range(0, REQUESTS, A_LIFE):
        async with target(lambda text, life=first: findings.add("recovery", f"life {life}: {text}")) as server:  # type: ignore[misc]
            for number in range(first, min(first + A_LIFE, REQUESTS)):
                await ask_one(number, server, findings, statuses)
    seconds = time.perf_counter() - begun
    with capsys.disabled():
        counts = ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))
        print(f"\n  {REQUESTS:,} odd requests in {seconds:.1f} s ({counts}), "
              f"{sum(findings.kinds.values())} wrong (FUZZ_SEED={SEED})")  # fmt: skip
    assert not findings.kinds, str(findings)


async def test_broken_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no requests, or not whole ones, or several; each on a connection of its own."""
    findings, kinds, begun = Findings(), Counter[str](), time.perf_counter()
    count = REQUESTS // 4
    for first in range(0, count, A_LIFE):
        async with target(lambda text, life=first: findings.add("recovery", f"life {life}: {text}")) as server:  # type: ignore[misc]
            for number in range(first, min(first + A_LIFE, count)):
                await pour_one(number, server, findings, kinds)
    seconds = time.perf_counter() - begun
    with capsys.disabled():
        counts = ", ".join(f"{count:,} x {kind}" for kind, count in sorted(kinds.items()))
        print(f"\n  {count:,} broken connections in {seconds:.1f} s ({counts}), "
              f"{sum(findings.kinds.values())} wrong (FUZZ_SEED={SEED})")  # fmt: skip
    assert not findings.kinds, str(findings)


async def pour_one(number: int, server: Target, findings: Findings, kinds: Counter[str]) -> None:
    """Make up connection `number`, and look at what comes back."""
    sent = broken(random.Random(f"{SEED} broken {number}"))
    answers, wrong = await server.pour(sent.pieces, half_close=sent.half_close)
    kinds["answers"] += len(answers)
    kinds[sent.kind] += 1
    for answer in answers:
        wrong += oracle.problems("?%", answer)  # what was asked is not known: any 500 for a query will do
    for kind in wrong:
        story = f"#{number} {sent.kind}: {kind}\n    {shortened(b''.join(sent.pieces))}\n    -> "
        findings.add(kind[:60], story + "; ".join(map(told, answers)))


async def ask_one(number: int, server: Target, findings: Findings, statuses: Counter[int]) -> None:
    """Make up request `number`, ask it, and look at what comes."""
    chance = random.Random(f"{SEED} {number}")
    draft = draft_of(chance)
    request_id = f"f{number}" if chance.random() < 0.5 else ""
    if request_id:
        draft.headers.insert(0, ("X-Request-Id", request_id))
    raw = draft.bytes()
    answer, wrong = await server.exchange(draft.method, raw)
    if answer is not None:
        statuses[answer.status] += 1
        wrong += oracle.problems(draft.target(), answer)
        if request_id and answer.headers.get("x-request-id", request_id) != request_id:
            wrong.append(f"the answer is another request's: {answer.headers['x-request-id']}")
        if draft.version == "1.0" and "transfer-encoding" in answer.headers:
            wrong.append("a client of HTTP/1.0 knows no chunks")
    for kind in wrong:
        findings.add(kind[:60], f"#{number} {kind}\n    {shortened(raw)}\n    -> {told(answer)}")
    if chance.random() < 0.01:
        await server.pass_time(chance.choice(PAUSES_SECONDS))


def draft_of(chance: random.Random) -> Draft:
    """A request to some route, with nothing or something wrong about it."""
    [(method, path)] = chance.choices(ROUTES, weights=WEIGHTS)
    return spoiled(requests_for(method, path, chance), chance)


def shortened(data: bytes) -> str:
    return repr(data) if len(data) < 3000 else f"{data[:1500]!r} ... {data[-1000:]!r} ({len(data)} bytes)"


def told(answer: Answer | None) -> str:
    return "nothing" if answer is None else f"{answer.status} {answer.headers} {shortened(answer.body[:600])}"


def test_every_route_that_is_built_is_asked() -> None:
    assert {path for _, path in ROUTES} == MAKERS.keys()


def test_every_500_of_the_table_has_a_known_text() -> None:
    """A reason that lets any text through would let any fault of ours through."""
    open_ended = {reason for reason, (status, text) in TABLE.items() if status == 500 and "{problem}" in text}
    assert open_ended == oracle.PROBLEMS.keys()
    loose = {reason for reason, pattern in oracle.ALLOWED_500.items() if pattern.fullmatch("Internal error; the log has it")}
    assert not loose
