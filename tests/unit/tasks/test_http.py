"""Where a task is sent. What is sent and what the answer means: tests/contract/codevald/test_tasks.py."""

import pytest

from registry.model.service import Instance
from registry.tasks.http import address_of
from registry.tasks.runner import Refused


def agent(address: str, port: int = 8001) -> Instance:
    return Instance(node="n", id="a1", name="cost", address=address, port=port)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("10.0.0.1", "http://10.0.0.1:8001/task"),
        ("agent-1.local", "http://agent-1.local:8001/task"),
        ("::1", "http://[::1]:8001/task"),
    ],
)
def test_a_task_goes_to_the_address_of_its_agent(address: str, url: str) -> None:
    assert str(address_of(agent(address))) == url


@pytest.mark.parametrize(
    "address", ["", "h/admin?x=", "user@h", "h#", "h:80", "http://h", "a b", "h\r\nX: y", "[::1", "h?x"]
)
def test_what_is_no_address_gets_no_request(address: str) -> None:
    """Nothing that a registration says may choose another path or another server than it seems to."""
    with pytest.raises(Refused):
        address_of(agent(address))


def test_without_a_port_there_is_nobody_to_ask() -> None:
    with pytest.raises(Refused):
        address_of(agent("10.0.0.1", 0))
