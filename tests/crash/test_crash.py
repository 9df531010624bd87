"""kill -9 under load: what was acknowledged is there after the next start, whole, and under no lower index.

`CRASH_ROUNDS` says how often the server is killed while it writes (default 3; `make crash` takes 50), a third of
that for each of the other moments. `CRASH_SEED` repeats the choices of an earlier run, though not its timing.
"""

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import blows
from tests.crash.blows import Blow
from tests.crash.campaign import Campaign

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
OTHER_ROUNDS = -(-ROUNDS // 3)
SEED = os.environ.get("CRASH_SEED") or str(random.SystemRandom().randrange(10**6))
ROUND_SECONDS = 20  # a round takes one or two; a machine may be busy
SNAPSHOTS = ("--snapshot-min-bytes", "4096")  # one every few writes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 + ROUND_SECONDS * ROUNDS)]
MakeCampaign = Callable[..., Campaign]


@pytest.fixture
def campaign(tmp_path: Path, request: pytest.FixtureRequest) -> MakeCampaign:
    """`campaign(name, *flags)`: a server that has not been started yet, and its clients."""
    return lambda name, *flags: Campaign(name, tmp_path / "data", SEED, *flags)


@pytest.mark.parametrize(
    ("blow", "rounds", "flags"),
    [
        pytest.param(blows.while_writing, ROUNDS, (), id="while-writing"),
        pytest.param(blows.while_snapshotting, OTHER_ROUNDS, SNAPSHOTS, id="while-snapshotting"),
        pytest.param(blows.while_stopping, OTHER_ROUNDS, (), id="while-stopping"),
        pytest.param(blows.while_starting, OTHER_ROUNDS, SNAPSHOTS, id="while-starting"),
    ],
)
async def test_nothing_acknowledged_is_lost(
    blow: Blow, rounds: int, flags: tuple[str, ...], campaign: MakeCampaign, capsys: pytest.CaptureFixture[str]
) -> None:
    """No acknowledged write lost, none half done, no status changed, no index lower, still the same node."""
    crashes = campaign(blow.__name__.replace("_", " "), *flags)
    problems = await crashes.run(rounds, blow)
    with capsys.disabled():
        print(f"\n  {crashes.figures()}, {len(problems)} lost or wrong (CRASH_SEED={SEED})")
    assert not problems, "\n".join([f"CRASH_SEED={SEED}", *problems[:30]])


async def test_a_store_that_forgets_is_found_out(campaign: MakeCampaign) -> None:
    """The check itself: the newest records are taken out of the file so well that the server sees no damage."""
    crashes = campaign("forgetful")
    await crashes.run(0, blows.while_writing)
    await crashes.server.start()
    try:
        await crashes.crash(blows.while_writing)
        _forget_newest(crashes.server.database, batches=6)
        await crashes.server.start()
        problems = "\n".join(await crashes.audit())
    finally:
        await crashes.server.kill()
    assert "has become" in problems or "gone" in problems
    assert "after" in problems, "an index went back"


def _forget_newest(database: Path, *, batches: int) -> None:
    """Take the newest batches away as if they had never been written."""
    with closing(sqlite3.connect(database)) as file, file:
        [(keep, time)] = file.execute(
            "SELECT idx, time FROM records WHERE remaining = 0 ORDER BY idx DESC LIMIT 1 OFFSET ?", (batches,)
        )
        file.execute("DELETE FROM records WHERE idx > ?", (keep,))
        file.execute("UPDATE meta SET last_index = ?, last_time = ?", (keep, time))
