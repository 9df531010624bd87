"""The checks that this process runs: which they are, and what becomes of their results.

Stands between the engine, which knows the definitions and who owns which, and the runner, which knows how to look
at a target. Owns no status and no schedule. On a shared log each check has one owner; it moves when a replica goes,
keeps its status while it moves, and a replica that has lost the store stops before another one begins.
Source: `DESIGN.md` §3, Members, and §4; agent.md §8.
"""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from registry.api.metrics_figures import CheckFigures, HistogramFigures
from registry.api.transitions import Transitions
from registry.checks.base import Result
from registry.checks.exposed import exposed
from registry.checks.figures import BOUNDS_SECONDS, Spread
from registry.checks.runner import CheckRunner
from registry.clock import Clock, TimerHandle
from registry.core.engine import Engine
from registry.model.check import CheckDefinition

LOOK_SECONDS = 0.5  # between two looks at the store and at who owns what
SILENT_SECONDS = 3.0  # away from the store for longer, our work may have moved to another replica

CheckKey = tuple[str, str]  # folded node and folded id


class _Given(NamedTuple):
    """What the runner was told about a check."""

    check_id: str
    create_index: int
    definition: CheckDefinition  # as it was registered
    proxy: str | None  # address of the proxy through which it is run
    port: int


class Duties:
    """Feeds one runner from one engine."""

    def __init__(self, engine: Engine, clock: Clock, transitions: Transitions) -> None:
        self._engine = engine
        self._transitions = transitions
        self._clock = clock
        self._runner: CheckRunner | None = None
        self._given: dict[Hashable, _Given] = {}  # by `CheckKey`
        self._timer: TimerHandle | None = None
        self._cut_off = False
        self._settled: tuple[object, ...] = ()  # among whom the work was divided

    def start(self, runner: CheckRunner) -> None:
        """Run what the state holds, and follow its changes from then on."""
        self._runner = runner
        self._engine.watch_checks(self._changed)
        self._transitions.look(None)
        self._look_at_all(taken_over=True)
        if self._engine.shared:
            self._look_around()

    async def stop(self) -> None:
        """Stop running and reporting."""
        self._engine.watch_checks(None)
        if self._timer is not None:
            self._timer.cancel()
        if self._runner is not None:
            await self._runner.close()

    def report(self, key: Hashable, result: Result) -> None:
        """Pass a result to the engine, for the check as it was when the run began."""
        given = self._given.get(key)
        if given is not None:
            since = self._runner.due_at(key) if self._runner is not None else None
            self._engine.report(given.check_id, given.create_index, result.status, result.output, since)

    def figures(self) -> CheckFigures:
        """The runner's figures."""
        if self._runner is None:
            return CheckFigures()
        found = self._runner.figures()
        return CheckFigures(
            given=found.checks,
            running=found.running,
            queued=found.queued,
            results=dict(found.results),
            seconds={kind: _histogram(spread) for kind, spread in found.durations.items()},
            lag=_histogram(found.lag),
            cancelled=found.cancelled,
            errors=found.errors,
        )

    def _changed(self, keys: Iterable[CheckKey] | None) -> None:
        self._transitions.look(keys)
        if keys is None:
            self._look_at_all(taken_over=True)
        else:
            for key in keys:
                self._look_at(key)

    def _look_around(self) -> None:
        """Look now and then at members and store, whose coming and going is no change of a check."""
        self._timer = self._clock.call_later(LOOK_SECONDS, self._look_around)
        cut_off = self._engine.contact().silent_seconds > SILENT_SECONDS
        state = self._engine.state
        settled = (state.members, self._engine.keeps_house and not state.members)
        if (cut_off, settled) != (self._cut_off, self._settled):
            self._cut_off, self._settled = cut_off, settled
            self._look_at_all(taken_over=True)

    def _look_at_all(self, *, taken_over: bool = False) -> None:
        assert self._runner is not None
        state = self._engine.state
        wanted = dict.fromkeys(state.local_check_ids.values())
        for key in [key for key in self._given if key not in wanted]:
            del self._given[key]
            self._runner.stop(key)
        for key in wanted:
            self._look_at(key, taken_over=taken_over)

    def _look_at(self, key: CheckKey, *, taken_over: bool = False) -> None:
        assert self._runner is not None
        check = self._engine.state.checks.get(key[0], {}).get(key[1])
        runs = check.runs if check is not None and check.local is not None else None
        if check is None or runs is None or runs.ttl_ns > 0 or runs.interval_ns <= 0:
            mine = False
        else:
            mine = not self._cut_off and self._engine.owns_check(check.id)
        given = self._given.get(key)
        if check is None or runs is None or not mine:
            if given is not None:
                del self._given[key]
                self._runner.stop(key)
            return
        wanted = _Given(check.id, check.create_index, runs, self._engine.state.exposed_at(check), check.exposed_port)
        if given != wanted:
            self._given[key] = wanted
            if given is not None and given.create_index != wanted.create_index:
                self._runner.stop(key)  # a run under way is of a check that is gone
            elif given is not None and given.definition == runs:
                taken_over = True  # the same check by another way
            where = runs if wanted.proxy is None else exposed(runs, wanted.proxy, wanted.port)
            self._runner.run(key, where, taken_over=taken_over)


def _histogram(spread: Spread) -> HistogramFigures:
    return HistogramFigures(BOUNDS_SECONDS, tuple(spread.buckets), spread.sum_seconds)
