"""An example that does not work is noticed, whatever is wrong with it."""

from pathlib import Path

import pytest

from tests.docs.house import House
from tests.docs.page import Section, sections

PAGE = """# Broken

## A section

```json shop.json
{{"service": {{"name": "shop", "port": 9}}}}
```

{block}
"""


def section_with(folder: Path, block: str) -> Section:
    page = folder / "page.md"
    page.write_text(PAGE.format(block=block))
    (section,) = sections(page)
    return section


def console(text: str) -> str:
    return f"```console\n{text}\n```"


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        console("$ curl localhost:8500/v1/status/leadr"),
        console("$ curl localhost:8500/v1/catalog/service/web\n[1]"),
        console('$ curl localhost:8500/v1/catalog/services\n{"consul":[…],"web":[]}'),
        console("$ curl -X PUT localhost:8500/v1/agent/service/register -d '{}'\n$ echo done\ndone"),
        console("$ echo forgotten\n$ echo done\ndone"),
        console("$ false"),
        console("$ false | true"),
        console("$ registry backup --data-dir nosuch x.backup\n…"),
        console("$ registry serve --config-file nosuch.json"),
        console("$ registry serve --config-file shop.json\n$ curl localhost:8500/v1/catalog/services\n{}"),
        "```python\nraise SystemExit(3)\n```",
        "```python\nprint(1)\n```\n\n```text\n2\n```",
        "```python\nimport warnings\nwarnings.warn('old')\n```",
    ],
)
def test_what_does_not_do_what_is_shown_fails(tmp_path: Path, block: str) -> None:
    section = section_with(tmp_path, block)
    house = House(tmp_path, section)
    try:
        with pytest.raises(AssertionError):
            house.follow(section)
    finally:
        house.close()


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("no heading\n\n```console\n$ true\n```", ["page"]),
        ("## One\n\n```json x.json\n{}\n```\n\n## Two\n\n```console\n$ true\n```", ["Two"]),
        ("## One\n\n```mermaid\nflowchart LR\n```\n\n    $ true\n", []),
    ],
)
def test_sections_are_those_with_something_to_run(tmp_path: Path, page: str, found: list[str]) -> None:
    (tmp_path / "page.md").write_text(page + "\n")
    assert [section.title for section in sections(tmp_path / "page.md")] == found


def test_output_may_leave_out_what_differs(tmp_path: Path) -> None:
    (step,) = section_with(tmp_path, console('$ x\n{"ID": "…", "Port": 80}')).steps[1:]
    assert step.printed('{"ID": "7c2a15d7", "Port": 80}\n')
    assert not step.printed('{"ID": "7c2a15d7", "Port": 8080}')
    assert not step.printed('{"ID": "7c2a15d7", "Port": 80} and more')
