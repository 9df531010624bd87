"""What the log says of a registration that DNS could not name (dialects.md M-29)."""

import json
from typing import Any

import pytest

from tests.contract.fr0g.conftest import Shapes

PLAIN = {"id": "a", "name": "web", "tags": ["v2", "api"]}


async def warnings(shapes: Shapes, *bodies: dict[str, Any]) -> list[list[str]]:
    """The names that were warned of while these services were registered."""
    listener = shapes.server.app.events.listen("warning", as_json=True)
    for body in bodies:
        assert (await shapes.fr0g.put("/v1/agent/service/register", body)).status == 200
    listener.close()
    lines = b"".join([chunk async for chunk in listener.chunks()]).splitlines()
    told = [json.loads(line) for line in lines]
    return [one["names"] for one in told if one["@message"] == "Type or capabilities are no DNS labels"]


@pytest.mark.parametrize(
    ("changed", "names"),
    [({}, []), ({"name": "cost_agent"}, [["cost_agent"]]), ({"tags": ["v2", "a b", "-c"]}, [["a b", "-c"]])],
)
async def test_names_that_are_no_labels_are_told_in_one_line(
    shapes: Shapes, changed: dict[str, Any], names: list[list[str]]
) -> None:
    assert await warnings(shapes, {**PLAIN, **changed}) == names


async def test_a_sign_of_life_does_not_tell_it_again(shapes: Shapes) -> None:
    body = {**PLAIN, "name": "cost_agent"}
    assert await warnings(shapes, body, body, body) == [["cost_agent"]]
