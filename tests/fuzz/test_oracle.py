"""The fuzzer's own judgement: the faults it is there for are seen."""

import pytest

from registry.api.dialects.consul.errors import TABLE
from registry.commands import Command
from registry.errors import NotFound
from tests.fuzz import oracle
from tests.fuzz.findings import Findings
from tests.fuzz.target import target
from tests.fuzz.wire import Answer, Malformed, parsed_head

JSON = {"content-type": "application/json", "date": "today"}
TEXT = {"content-type": "text/plain; charset=utf-8", "date": "today"}
DEREGISTER = b"PUT /v1/agent/service/deregister/web HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def test_every_500_of_the_table_has_a_known_text() -> None:
    """A reason that lets any text through would let any fault of ours through."""
    open_ended = {reason for reason, (status, text) in TABLE.items() if status == 500 and "{problem}" in text}
    assert open_ended == oracle.PROBLEMS.keys()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(500, TEXT, b"Internal error; the server's log has the details", False), id="a crash"),
        pytest.param(Answer(500, TEXT, b"", False), id="a 500 without a text"),
        pytest.param(Answer(502, TEXT, b"", False), id="a status of nobody"),
        pytest.param(Answer(503, TEXT, b"The registry's store cannot take writes", False), id="a store that is away"),
        pytest.param(Answer(200, JSON, b'{"a":1,"a":2}', False), id="a key twice"),
        pytest.param(Answer(200, JSON, b'{"a":NaN}', False), id="no number"),
        pytest.param(Answer(200, JSON, b'{"a":"\xff"}', False), id="no text"),
        pytest.param(Answer(200, JSON, b'{"a":1', False), id="half a body"),
        pytest.param(Answer(200, {**JSON, "content-encoding": "gzip"}, b"x", False), id="no gzip"),
        pytest.param(Answer(200, {**JSON, "x-consul-index": "7"}, b"[]", False), id="an index alone"),
        pytest.param(Answer(400, TEXT, b'Traceback (most recent call last):\n  File "a"', False), id="our insides"),
    ],
)
def test_an_answer_that_must_not_be_is_seen(answer: Answer) -> None:
    assert oracle.problems("/v1/agent/services", answer)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, 'Failed to create boolean expression evaluator: Selector "Foo" is not valid'),
        (500, "No path to datacenter"),
        (500, "1 error occurred:\n\t* Port or SocketPath must be set for a connect-proxy\n\n"),
        (404, "Unknown service ID \"x\". Ensure that the service ID is passed, not the service name."),
    ],
)  # fmt: skip
def test_what_consul_says_too_is_let_pass(status: int, text: str) -> None:
    assert oracle.problems("/v1/agent/services", Answer(status, TEXT, text.encode(), False)) == []


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_head_that_is_none_is_seen(head: bytes) -> None:
    with pytest.raises(Malformed):
        parsed_head(head)


async def test_a_refusal_that_changes_something_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async with target(Findings()) as server:
        engine = server.server.engine

        async def change_and_refuse(command: Command) -> None:
            engine.state.virtual_numbers["web"] = 7
            raise NotFound("service", id="web")

        assert (await server.exchange("PUT", DEREGISTER))[1] == []
        monkeypatch.setattr(engine, "propose", change_and_refuse)
        assert (await server.exchange("PUT", DEREGISTER))[1] == ["the state has changed"]
        monkeypatch.undo()
        engine.state.virtual_numbers.clear()


async def test_a_state_that_its_log_does_not_give_again_is_seen() -> None:
    findings = Findings()
    async with target(findings) as server:
        server.server.engine.state.virtual_numbers["web"] = 7
    assert "recovery" in str(findings)
