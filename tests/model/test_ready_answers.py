"""Answers kept ready are never stale, and who waits is woken: after every command, for every kind of topic."""

import pytest
from hypothesis import given

from registry.core.topics import Answer, Question, Topics
from registry.model import topic as topics
from registry.model.topic import Topic
from registry.state.changes import Changes
from registry.state.store import State
from registry.testing import FakeClock
from tests.makers import HERE, HERE_ID, NAMED, TABLES, about
from tests.model.coordination import KEYS, PREFIXES, QUERY_IDS, SESSION_IDS
from tests.model.histories import History, aimed, applied, examples, histories

NAMES = {
    topics.SERVICE: ["web", "db", "consul", "none"],
    topics.HEALTH: ["web", "db", "consul", "none"],
    topics.CONNECT: ["web", "db"],
    topics.CONNECT_HEALTH: ["web", "db"],
    topics.NODE: ["n1", "n2", HERE],
    topics.MISSING_NODE: ["n1", "n2", "aa", "aa00", HERE_ID],
    topics.NODE_PAGE: ["n1", "n2", HERE],
    topics.NODE_CHECKS: ["n1", "n2", HERE],
    topics.SERVICE_CHECKS: ["web", "db"],
    topics.SERVICE_CHECKS_BY_NODE: ["web", "db"],
    topics.STATE: ["passing", "critical", "odd"],
    topics.STATE_BY_NODE: ["passing", "critical", "odd"],
    topics.LOCAL_SERVICE: ["web", "WEB", "web-sidecar-proxy"],
    topics.SESSION: SESSION_IDS,
    topics.PREPARED_ONE: QUERY_IDS,
    topics.COORDINATE: ["n1", "n2"],
    topics.KEY: [topics.of_key(key)[1] for key in KEYS],
    topics.KEYS_UNDER: [topics.of_prefix(prefix)[1] for prefix in PREFIXES],
}
QUESTIONS = [about(topic) for topic in TABLES] + [about((kind, name)) for kind in NAMED for name in NAMES[kind]]

# A change of these answers always comes under a new index. Elsewhere the contract has none: checks picked by their
# node change with rows that no index of checks counts, and of two services through which one is reached the older
# may go without moving the maximum (health.md §2.4). A deletion of a whole tree leaves one trace, under its own prefix,
# so that a longer one may show an older one (kv.md §3); events have no index of the log.
TOLD_BY_INDEX = {
    topics.NODES[0],
    topics.SERVICES[0],
    topics.CHECKS[0],
    topics.CATALOG[0],
    topics.SERVICE,
    topics.HEALTH,
    topics.NODE,
    topics.NODE_PAGE,
    topics.NODE_CHECKS,
    topics.SERVICE_CHECKS,
    topics.STATE,
    topics.SESSIONS[0],
    topics.SESSION,
    topics.PREPARED[0],
    topics.PREPARED_ONE,
    topics.KEY,
}
NOTHING = b"null"


def kept() -> tuple[State, Topics]:
    state, ready = State(), Topics(FakeClock())
    ready.state = state
    return state, ready


def advanced(state: State, ready: Topics, index: int, command: object) -> dict[Topic, None]:
    changes = Changes()
    applied(state, aimed(state, command), index, changes)  # type: ignore[arg-type]
    ready.changed(changes)
    touched = dict(changes.topics)
    for key in changes.keys:
        touched[topics.of_key(key)] = None
        touched |= {topics.of_prefix(key[:length]): None for length in range(len(key) + 1)}
    return touched


def test_every_kind_of_topic_is_asked_about() -> None:
    kinds = {value for name, value in vars(topics).items() if isinstance(value, str) and name.isupper()}
    tables = {value for name, value in vars(topics).items() if isinstance(value, tuple) and name.isupper()}
    assert kinds == NAMED.keys() == NAMES.keys()
    assert tables == TABLES.keys()


@examples
@given(histories())
def test_an_answer_from_memory_is_what_a_fresh_one_would_be(history: History) -> None:
    state, ready = kept()
    for index, command in enumerate(history, 1):
        advanced(state, ready, index, command)
        for question in QUESTIONS:
            answer = ready.answer(question)
            assert answer.body == question.encode(question.query(state)), (question.topic, command)
            assert answer.index == state.index(question.topic)


@examples
@given(histories())
def test_a_change_that_a_reader_can_see_wakes_him(history: History) -> None:
    """A body that differs has touched its topic, and, where the index tells, under a higher index."""
    state, ready = kept()
    before = {question: ready.answer(question) for question in QUESTIONS}
    for index, command in enumerate(history, 1):
        touched = advanced(state, ready, index, command)
        for question in QUESTIONS:
            old, new = before[question], ready.answer(question)
            before[question] = new
            if new.body != old.body and (question.topic[0] != topics.MISSING_NODE or old.body == NOTHING):
                assert question.topic in touched, (question.topic, command)
                assert new.index == index or question.topic[0] not in TOLD_BY_INDEX, (question.topic, command)


@examples
@given(histories())
def test_who_is_woken_under_a_higher_index_finds_it_to_be_that_of_the_command(history: History) -> None:
    """Indexes never come from anywhere else, and never go down but where a name or a node has gone."""
    state, ready = kept()
    before: dict[Question, Answer] = {question: ready.answer(question) for question in QUESTIONS}
    for index, command in enumerate(history, 1):
        advanced(state, ready, index, command)
        for question in QUESTIONS:
            old, new = before[question].index, ready.answer(question).index
            before[question] = ready.answer(question)
            assert new in (old, index) or may_fall_back(state, question.topic), (question.topic, old, new, command)


def may_fall_back(state: State, topic: Topic) -> bool:
    """A name without rows of its own shows an index of the tables or of the last extinction."""
    kind, name = topic
    if kind in (topics.CONNECT, topics.CONNECT_HEALTH, topics.MISSING_NODE):
        return True  # that of other rows, whichever are in the answer
    return bool(name) and not state.has(topic)


@pytest.mark.parametrize("limit", [1, 3])
@examples
@given(histories())
def test_a_small_memory_forgets_but_does_not_lie(limit: int, history: History) -> None:
    state = State()
    ready = Topics(FakeClock(), answers_per_topic=limit, answers_bytes=limit * 1000)
    ready.state = state
    for index, command in enumerate(history, 1):
        advanced(state, ready, index, command)
        for question in QUESTIONS[:12] + [about(topics.CHECKS, key=number) for number in range(3)]:
            assert ready.answer(question).body == question.encode(question.query(state))
            assert 0 <= ready.bytes <= limit * 1000
