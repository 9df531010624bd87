"""Choosing a log by its url."""

import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import SettingsError
from registry.log.base import Log, Stored
from registry.log.open import open_log
from tests.backends.stores import Clock, records


def opened(url: str, clock: Clock) -> Log:
    return open_log(url, now=clock.now, elapsed=clock.elapsed, writer="w")


async def test_memory_is_a_fresh_log_each_time(clock: Clock) -> None:
    for _ in range(2):
        log = opened("memory:", clock)
        await log.open()
        assert await log.append(1, records(b"one")) == Stored(1, clock.unix)
        await log.close()


@pytest.mark.parametrize("name", ["registry.db", "with space & 100%?#.db"])
async def test_a_sqlite_path_is_taken_literally(clock: Clock, tmp_path: Path, name: str) -> None:
    log = opened(f"sqlite:///{tmp_path}/{name}", clock)
    await log.open()
    await log.append(1, records(b"one"))
    await log.close()
    assert (tmp_path / name).is_file()


async def test_a_sqlite_path_may_be_relative(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = opened("sqlite:///data/registry.db", clock)
    await log.open()
    await log.close()
    assert (tmp_path / "data" / "registry.db").is_file()


@pytest.mark.parametrize(
    "url", ["", "nothing", "mysql://host/x", "memory:x", "sqlite:", "sqlite://x", "sqlite:///", "sqlite:///x/"]
)
def test_a_url_without_a_backend_names_the_setting(clock: Clock, url: str) -> None:
    with pytest.raises(SettingsError, match="^store: "):
        opened(url, clock)


def test_backends_are_imported_when_they_are_chosen() -> None:
    code = "import sys, registry.log.open; sys.exit('sqlite3' in sys.modules or 'registry.log.memory' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
