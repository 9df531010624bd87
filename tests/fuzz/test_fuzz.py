"""Random and mutated requests: no crash, no 5xx that Consul would not give, no change from a refused request.

`findings.py` says how many and how to repeat a run.
"""

import random
from collections.abc import Callable

import pytest

from registry.api.dialects.consul.routes import endpoint
from registry.api.dialects.own.pages import endpoint as pages
from tests.fuzz import oracle
from tests.fuzz.broken import broken
from tests.fuzz.drafts import Draft
from tests.fuzz.findings import REQUESTS, SEED, Findings
from tests.fuzz.seeds import MAKERS, OFTEN, requests_for
from tests.fuzz.spoilers import spoiled
from tests.fuzz.target import Target, target
from tests.fuzz.wire import Answer

CONNECTIONS = REQUESTS // 4
A_LIFE = 500  # requests to one server: so that its state, which is hashed after each of them, stays small
PAUSES_SECONDS = (1.0, 11.0, 75.0)  # a TTL runs out, a critical service is reaped
ROUTES = [(one.method, one.path) for one in (*endpoint, *pages)]
WEIGHTS = [OFTEN.get(path, 1.0) for _, path in ROUTES]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 + REQUESTS / 50)]
Show = Callable[[str], None]


async def test_odd_requests(show: Show) -> None:
    """Requests to every route, most of them spoiled, one after the other."""
    findings = Findings()
    for first in range(0, REQUESTS, A_LIFE):
        async with target(findings) as server:
            for number in range(first, min(first + A_LIFE, REQUESTS)):
                await ask_one(number, server, findings)
    show(findings.figures(f"{REQUESTS:,} odd requests"))
    assert not findings.kinds, str(findings)


async def test_broken_bytes(show: Show) -> None:
    """Bytes that are no requests, or not whole ones, or several; each on a connection of its own."""
    findings = Findings()
    for first in range(0, CONNECTIONS, A_LIFE):
        async with target(findings) as server:
            for number in range(first, min(first + A_LIFE, CONNECTIONS)):
                await pour_one(number, server, findings)
    show(findings.figures(f"{CONNECTIONS:,} broken connections"))
    assert not findings.kinds, str(findings)


async def ask_one(number: int, server: Target, findings: Findings) -> None:
    """Make up request `number`, ask it, and look at what comes."""
    chance = random.Random(f"{SEED} {number}")
    draft, request_id = draft_of(chance), f"f{number}"
    if chance.random() < 0.5:  # the others may be known again by their bytes
        draft.headers.insert(0, ("X-Request-Id", request_id))
    raw = draft.bytes()
    answer, wrong = await server.exchange(draft.method, raw, may_be_cut=draft.headless)
    if answer is not None:
        findings.counts[str(answer.status)] += 1
        wrong += [*oracle.problems(draft.target(), answer), *belongs(draft, answer)]
    for kind in wrong:
        findings.add(kind, raw, answer, where=f"#{number}")
    if chance.random() < 0.01:
        await server.pass_time(chance.choice(PAUSES_SECONDS))


def draft_of(chance: random.Random) -> Draft:
    """A request to some route, with nothing or something wrong about it."""
    [(method, path)] = chance.choices(ROUTES, weights=WEIGHTS)
    return spoiled(requests_for(method, path, chance), chance)


def belongs(draft: Draft, answer: Answer) -> list[str]:
    """What tells that the answer is not this request's, or none for its version of HTTP."""
    found = []
    sent = dict(draft.headers[:1]).get("X-Request-Id", "")
    if sent.startswith("f") and answer.headers.get("x-request-id", sent) != sent:
        found.append(f"the answer is another request's: {answer.headers['x-request-id']}")
    if draft.version == "1.0" and "transfer-encoding" in answer.headers:
        found.append("a client of HTTP/1.0 knows no chunks")
    return found


async def pour_one(number: int, server: Target, findings: Findings) -> None:
    """Make up connection `number`, and look at what comes back."""
    sent = broken(random.Random(f"{SEED} broken {number}"))
    answers, wrong = await server.pour(sent.pieces, half_close=sent.half_close)
    findings.counts["answer"] += len(answers)
    findings.counts[sent.kind] += 1
    for answer in answers:
        wrong += oracle.problems(oracle.ANY_QUERY, answer)
    for kind in wrong:
        findings.add(kind, b"|".join(sent.pieces), *answers, where=f"#{number} {sent.kind}")


def test_every_route_that_is_built_is_asked() -> None:
    assert {path for _, path in ROUTES} == MAKERS.keys()
