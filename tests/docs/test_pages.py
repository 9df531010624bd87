"""What the pages tell people to type works, and says what the pages show."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.house import ROOT, House
from tests.docs.page import Section, sections

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [pytest.param(section, id=f"{page.stem}: {section.title}") for page in PAGES for section in sections(page)]

Enter = Callable[[Section], House]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    """A house for a section; all that was started in it ends with the test."""
    entered: list[House] = []

    def enter(section: Section) -> House:
        entered.append(House(tmp_path, section))
        return entered[-1]

    yield enter
    for house in entered:
        house.close()


@pytest.mark.slow
@pytest.mark.parametrize("section", EXAMPLES)
def test_the_examples_of_a_section_do_what_the_page_shows(section: Section, enter: Enter) -> None:
    house = enter(section)
    if missing := house.lacks(section):
        pytest.skip(f"there is no {', '.join(missing)} here")
    house.follow(section)
