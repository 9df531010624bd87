"""The state is a function of the log: replayed it is the same byte for byte, however it is replayed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from registry.commands import (
    ChangeKey,
    Command,
    Register,
    RegisterLocal,
    RegisterLocalCheck,
    SetAutopilot,
    SetMaintenance,
    Transact,
    UpdateCheck,
)
from registry.commands.codec import decoded, encoded
from registry.model.node import Node
from registry.model.pair import Pair
from registry.model.service import Instance
from registry.state.changes import Changes
from registry.state.snapshot import Frozen, digest, restored
from registry.state.store import State
from tests.model import replay
from tests.model.histories import History, aimed, applied, content, examples, histories, lived, moment_of

Row = TypeVar("Row", Node, Instance, Pair)

TOP = Path(__file__).parents[2]


@examples
@given(histories())
def test_a_replay_from_bytes_gives_the_same_state_and_the_same_refusals(history: History) -> None:
    state, written, refusals = lived(history)
    again, _, refused_again = lived(decoded(encoded(command)) for command in written)
    assert digest(again) == digest(state)
    assert refused_again == refusals


@examples
@given(histories(), st.data())
def test_a_snapshot_and_its_tail_give_the_same_state(history: History, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(history)), label="entries before the snapshot")
    state, written, refusals = lived(history)
    before, _, _ = lived(written[:cut])
    after = restored(chunk for chunk in Frozen(before).chunks() if chunk)
    outcomes = [applied(after, command, index) for index, command in enumerate(written[cut:], cut + 1)]
    assert outcomes == refusals[cut:]
    assert digest(after) == digest(state)


@examples
@given(histories())
def test_a_snapshot_read_and_taken_again_is_the_same(history: History) -> None:
    state, _, _ = lived(history)
    assert digest(restored(chunk for chunk in Frozen(state).chunks() if chunk)) == digest(state)


@examples
@given(histories())
def test_indexes_that_jump_change_nothing_but_the_numbers(history: History) -> None:
    """Nothing in the state counts commands."""
    sparse, dense = State(), State()
    for number, command in enumerate(map(without_index, history), 1):
        refusal = applied(dense, aimed(dense, command), number)
        assert applied(sparse, aimed(sparse, command), 10 * number, moment=number) == refusal
    assert sparse.nodes() == [tenfold(row) for row in dense.nodes()]
    assert [one for _, one in sparse.all_placed()] == [tenfold(one) for _, one in dense.all_placed()]
    assert list(sparse.kv.pairs.values()) == [tenfold(pair) for pair in dense.kv.pairs.values()]
    assert [replace(one, create_index=0) for one in sparse.sessions.rows.values()] == [
        replace(one, create_index=0) for one in dense.sessions.rows.values()
    ]


def without_index(command: Command) -> Command:
    """The command without the index that it names by chance."""
    match command:
        case UpdateCheck():
            return replace(command, create_index=0)
        case ChangeKey(op=op):
            return ChangeKey(replace(op, index=0))
        case Transact(ops=ops):
            return Transact(tuple(replace(op, index=0) for op in ops))
        case SetAutopilot():
            return replace(command, cas=None)
    return command


def tenfold(row: Row) -> Row:
    return replace(row, create_index=10 * row.create_index, modify_index=10 * row.modify_index)


def test_two_processes_with_other_hash_seeds_agree(tmp_path: Path) -> None:
    """Nothing depends on the order of a set, which differs from process to process."""
    written: list[History] = []

    @settings(max_examples=60, database=None)
    @given(histories())
    def collect(history: History) -> None:
        written.append(lived(history)[1])

    collect()
    recorded = tmp_path / "histories"
    recorded.write_bytes(replay.recorded(written))
    here = "\n".join(digest(lived(history)[0]) for history in written)
    assert [_replayed(recorded, seed) for seed in ("0", "1", "4242")] == [here] * 3


def _replayed(recorded: Path, seed: str) -> str:
    command = [sys.executable, "-m", "tests.model.replay", str(recorded)]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def forget_what_is_over(state: State, index: int) -> None:
    """Lock-delays and traces of deletions that every write of keys throws away, whatever else becomes of it."""
    state.kv.reap(moment_of(index))


@examples
@given(histories())
def test_a_refused_command_changes_nothing_and_wakes_nobody(history: History) -> None:
    state = State()
    for index, command in enumerate(history, 1):
        forget_what_is_over(state, index)
        before, changes = content(state), Changes()
        if applied(state, aimed(state, command), index, changes):
            assert content(state) == before
            assert not changes
            assert state.applied == index


@examples
@given(histories())
def test_a_command_said_to_change_nothing_changes_nothing(history: History) -> None:
    """It would be answered without an entry in the log, so it may neither change, nor wake, nor be refused."""
    state = State()
    for index, command in enumerate(history, 1):
        promised = state.changes_nothing(command)
        forget_what_is_over(state, index)
        before, changes = content(state), Changes()
        refusal = applied(state, aimed(state, command), index, changes)
        if promised:
            assert (refusal, content(state), bool(changes)) == ("", before, False)


@examples
@given(histories())
def test_a_write_given_twice_changes_nothing_the_second_time(history: History) -> None:
    """Else every restart of a registering process would move indexes and wake watchers (Consul #9266)."""
    state = State()
    for index, command in enumerate(history, 1):
        refusal = applied(state, aimed(state, command), 2 * index)
        if refusal or not says_each_thing_once(command):
            continue
        forget_what_is_over(state, 2 * index + 1)
        before, changes = content(state), Changes()
        promised = state.changes_nothing(command)
        applied(state, command, 2 * index + 1, changes)
        assert (content(state), bool(changes)) == (before, False)
        assert promised or not isinstance(command, Register | RegisterLocal)


def says_each_thing_once(command: Command) -> bool:
    """Whether no check or instance is named twice in it, once so and once so."""
    match command:
        case Register(checks=checks):
            ids = [check.id for check in checks]
        case RegisterLocal(service=service, sidecar=sidecar):
            ids = [one.id for part in (service, sidecar) if part is not None for one in part.checks]
            if sidecar is not None and sidecar.default_checks:
                ids = [one.id for one in service.checks]
        case RegisterLocalCheck() | UpdateCheck() | SetMaintenance():
            return True
        case ChangeKey(op=op):
            return op.verb in ("set", "lock", "delete", "delete-tree")
        case _:
            return False
    return len({one.lower() for one in ids}) == len(ids)
