"""Checks of our own node that go from one status to another, told as they happen.

Owns the words of those lines and who says them: of several replicas on one log the owner of the check, whoever
found its new status. A check that is new, or gone, is no transition: its registration is told by `witness.py`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from registry.core.engine import Engine
from registry.events import Events
from registry.model.check import ALIAS, CRITICAL, PASSING, Check

LONGEST_OUTPUT = 200  # characters of the first line of what the check says
_EXPIRED = "TTL expired"  # what the text of a check begins with once nobody has refreshed it


class _Seen(NamedTuple):
    """A check as it was."""

    create_index: int
    status: str


class Transitions:
    """Remembers the statuses of the local checks of one engine, and says when one changes."""

    def __init__(self, engine: Engine, events: Events) -> None:
        self._engine = engine
        self._say = events.agent
        self._seen: dict[tuple[str, str], _Seen] = {}  # by folded node and folded id

    def look(self, keys: Iterable[tuple[str, str]] | None) -> None:
        """Look at the checks of these keys, or at all of them: they were written or removed."""
        state = self._engine.state
        if keys is None:
            keys = {**dict.fromkeys(self._seen), **dict.fromkeys(state.local_check_ids.values())}
        for key in keys:
            check = state.checks.get(key[0], {}).get(key[1])
            if check is None or check.local is None:
                self._seen.pop(key, None)
                continue
            before = self._seen.get(key)
            self._seen[key] = _Seen(check.create_index, check.status)
            if before is None or before.create_index != check.create_index or before.status == check.status:
                continue
            if self._engine.owns_check(check.id):
                self._tell(check, before.status)

    def _tell(self, check: Check, before: str) -> None:
        by = _found_by(check)
        message = "Check missed TTL, is now critical" if by == "deadline" else f"Check is now {check.status}"
        values = {"check": check.id, "service": check.service_id, "node": check.node, "from": before}
        say = self._say.info if check.status == PASSING else self._say.warning
        say(message, **values, to=check.status, output=_first_line(check.output), by=by)


def _found_by(check: Check) -> str:
    """What brought the status: a `run` of ours, the `deadline` of a TTL, a `client`, or what an `alias` follows."""
    if check.type == ALIAS:
        return "alias"
    if check.runs is not None and check.runs.interval_ns > 0:
        return "run"
    if check.runs is not None and check.runs.ttl_ns > 0 and check.status == CRITICAL:
        return "deadline" if check.output.startswith(_EXPIRED) else "client"
    return "client"


def _first_line(output: str) -> str:
    line = output.lstrip().partition("\n")[0].rstrip()
    return line if len(line) <= LONGEST_OUTPUT else line[: LONGEST_OUTPUT - 1] + "…"
