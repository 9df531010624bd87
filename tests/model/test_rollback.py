"""A transaction that fails leaves nothing behind, whatever its operations did before the one that fails (txn.md §3)."""

from hypothesis import given
from hypothesis import strategies as st

from registry.commands import KeyOp, Transact
from registry.state.snapshot import digest
from tests.model.coordination import row_ops, transactions
from tests.model.histories import History, applied, content, examples, histories, lived

FAILING = KeyOp("get", b"no such key")
OF_ROWS = st.lists(row_ops, min_size=1, max_size=6).map(lambda ops: Transact(tuple(ops)))


@examples
@given(histories(), st.one_of(transactions, OF_ROWS), histories(longest=8))
def test_a_failed_transaction_restores_the_state_byte_for_byte(
    history: History, attempt: Transact, later: History
) -> None:
    """Compared with a state that took a transaction which did not even try; and both live on alike."""
    tried, written, _ = lived(history)
    untouched, _, _ = lived(written)
    index = len(written) + 1
    outcomes = [
        applied(tried, Transact((*attempt.ops, FAILING)), index),
        applied(untouched, Transact((FAILING,)), index),
    ]
    assert all(outcomes), "both are refused"
    assert digest(tried) == digest(untouched)
    assert content(tried) == content(untouched)
    for at, command in enumerate(later, index + 1):
        assert applied(tried, command, at) == applied(untouched, command, at)
    assert digest(tried) == digest(untouched)
