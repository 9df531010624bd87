"""An agent's metadata as Consul's Meta and back: what fits, what is left out, what writing it back means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from registry.model.agent import CONSUL, CREATED, OPTIINFRA, Agent
from registry.model.agent_meta import shown_meta, taken_in, with_shown_meta
from registry.model.meta import meta_problem
from registry.model.service import Instance


def agent(metadata: dict[str, Any] | None = None, **fields: Any) -> Agent:
    return Agent(source=OPTIINFRA, metadata=metadata or {}, **fields)


def shown(metadata: dict[str, Any], **fields: Any) -> dict[str, str]:
    meta = shown_meta("id", agent(metadata, **fields))
    del meta["agent_source"]
    return meta


def row(stored: Agent) -> Instance:
    return with_shown_meta(Instance(node="n", id="id", name="cost", agent=stored))


def written_back(old: Instance, **pairs: str | None) -> Agent:
    """The agent after a Consul client has registered it with these pairs changed, None for one it left out."""
    meta = {**(old.meta or {}), **{key: value for key, value in pairs.items() if value is not None}}
    for key in [key for key, value in pairs.items() if value is None]:
        del meta[key]
    found = taken_in(old, Instance(node="n", id="id", name="cost", meta=meta)).agent
    assert found is not None
    return found


def test_reserved_keys_come_first_and_defaults_are_not_shown() -> None:
    meta = shown_meta("id", agent({"a": "b"}, name="label", version="1.0", namespace="ns", cluster="c", state=CREATED))
    assert list(meta.items()) == [
        ("name", "label"), ("version", "1.0"), ("namespace", "ns"), ("cluster", "c"), ("state", "created"),
        ("agent_source", "optiinfra"), ("a", "b"),
    ]  # fmt: skip
    assert shown_meta("id", agent(name="id")) == {"agent_source": "optiinfra"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"), (1, "1"), (45.5, "45.5"), (True, "true"), (False, "false"), (None, ""), (["a", 1], '["a",1]'),
        ({"b": 1, "a": None}, '{"a":null,"b":1}'), ("ü" * 256, "ü" * 256),
    ],
)  # fmt: skip
def test_values_become_strings(value: Any, text: str) -> None:
    assert shown({"k": value}) == {"k": text}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a b.c", "a_b_c"), ("", "_"), ("ü", "_"), ("consul-x", "x-consul-x"), ("k" * 200, "k" * 128),
        ("agent_source", "meta_agent_source"), ("name", "name"), ("version", "meta_version"),
    ],
)  # fmt: skip
def test_keys_become_ones_that_consul_takes(key: str, text: str) -> None:
    assert shown({key: "v"}, version="1") == {"version": "1", text: "v"}


def test_keys_that_meet_are_told_apart_in_the_order_of_the_entries() -> None:
    assert shown({"a.b": 1, "a b": 2, "a_b": 3}) == {"a_b": "2", "a_b-2": "1", "a_b-3": "3"}
    long = "k" * 128
    assert shown({long: 1, long + "x": 2}) == {long: "1", "k" * 126 + "-2": "2"}


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    assert shown({"long": "x" * 513, "wide": "ü" * 257, "list": ["x" * 512], "fits": "x" * 512}) == {
        "fits": "x" * 512, "agent_meta_dropped": "3",
    }  # fmt: skip
    assert shown({"k": "v"}, name="n" * 513, version="1") == {"version": "1", "k": "v", "agent_meta_dropped": "1"}
    many = shown_meta("id", agent({f"k{number:03}": "" for number in range(100)}))
    assert len(many) == 64
    assert many["agent_meta_dropped"] == "38"
    assert "k061" in many
    assert "k062" not in many


def test_writing_back_what_was_read_changes_nothing() -> None:
    old = row(agent({"cpu": 45.5, "on": True, "none": None, "long": "x" * 600, "a b": ["x"]}, name="label"))
    assert taken_in(old, replace(old, agent=None)) == old


def test_a_field_that_was_too_long_to_be_shown_stays() -> None:
    old = row(agent(name="n" * 513, version="v" * 513))
    assert taken_in(old, replace(old, agent=None)) == old
    assert (written_back(old, version="2").name, written_back(old, version="2").version) == ("n" * 513, "2")


def test_a_changed_pair_is_a_string_a_missing_one_is_gone_a_new_one_is_there() -> None:
    old = row(agent({"cpu": 45.5, "on": True, "a b": 1, "long": "x" * 600}))
    assert written_back(old, cpu="50", on=None, a_b="2", new="n").metadata == {
        "cpu": "50", "a b": "2", "long": "x" * 600, "new": "n",
    }  # fmt: skip


def test_reserved_keys_set_their_fields() -> None:
    old = row(agent(name="label", version="1", namespace="ns", state=CREATED))
    new = written_back(old, name="other", version=None, namespace=None, state="paused", agent_source="consul")
    assert (new.name, new.version, new.namespace, new.state) == ("other", "", "default", "paused")
    assert (new.source, new.metadata) == (OPTIINFRA, {})


@pytest.mark.parametrize("word", ["gone", "", None])
def test_a_lifecycle_is_changed_by_its_words_alone(word: str | None) -> None:
    assert written_back(row(agent(state=CREATED)), state=word).state == CREATED


def test_a_consul_record_keeps_its_meta_as_it_was_written() -> None:
    old = Instance(node="n", id="id", name="web", meta={"a": "b"}, agent=Agent(source=CONSUL, state=CREATED))
    new = taken_in(old, Instance(node="n", id="id", name="web", meta={"c": "d"}))
    assert (new.meta, new.agent) == ({"c": "d"}, old.agent)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=600),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=140), json_values, max_size=80), st.sampled_from(["", "label"]))
def test_any_metadata_becomes_meta_that_consul_takes_and_survives_being_written_back(
    metadata: dict[str, Any], name: str
) -> None:
    old = row(agent(metadata, name=name))
    assert meta_problem(old.meta, "") is None
    assert taken_in(old, replace(old, agent=None)) == old
