"""The suites of the interface run in memory, or on whatever kind of store `TEST_STORE` names."""

import pytest

from registry import testing
from tests.stores import CHOSEN, empty_store, server_over


@pytest.fixture(autouse=True)
def _on_the_chosen_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if CHOSEN not in ("", "memory"):
        monkeypatch.setattr(testing, "server", server_over(lambda: empty_store(CHOSEN, request)))
