"""Which metadata a service may have, and what is said about a pair it may not (agent.md §6 step 5)."""

import pytest

from registry.model.meta import meta_problem


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {"a_B-9": ""},
        {"k" * 128: "v" * 512},
        {f"k{number}": "" for number in range(64)},
        {"Consul-upper": "not the reserved prefix"},
    ],
)
def test_takes_what_is_within_the_limits(meta):
    assert meta_problem(meta, "") is None


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        (("", "v"), "Key cannot be blank"),
        (("bad key!", "v"), "Key contains invalid characters"),
        (("é", "v"), "Key contains invalid characters"),
        (("a\n", "v"), "Key contains invalid characters"),
        (("k" * 129, "v"), "Key is too long (limit: 128 characters)"),
        (("consul-x", "v"), "Key prefix 'consul-' is reserved for internal use"),
        (("k", "v" * 513), "Value is too long (limit: 512 characters)"),
        (("k", "é" * 257), "Value is too long (limit: 512 characters)"),
    ],
)
def test_names_the_pair_and_its_first_fault(pair, problem):
    key, value = pair
    assert meta_problem({"fine": "x", key: value}, "") == f"Couldn't load metadata pair ('{key}', '{value}'): {problem}"


def test_counts_pairs_before_it_looks_at_them():
    crowded = {"": "", **{f"k{number}": "" for number in range(64)}}
    assert meta_problem(crowded, "") == "Node metadata cannot contain more than 64 key/value pairs"


def test_only_a_mesh_gateway_may_say_that_it_federates():
    meta = {"consul-wan-federation": "1"}
    assert meta_problem(meta, "mesh-gateway") is None
    assert meta_problem(meta, "terminating-gateway") is not None
    assert meta_problem({"consul-other": "1"}, "mesh-gateway") is not None
