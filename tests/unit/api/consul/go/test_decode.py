"""Bodies decode as Go decodes them: spelling, nulls, repetition, aliases, types, unknown keys (common.md §4)."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.api.dialects.consul.go import kinds
from registry.api.dialects.consul.go.bodies import Decoder
from registry.api.dialects.consul.go.decode import Body, Record, fields_by_key
from registry.api.dialects.consul.registration.bodies import CheckBody, CheckRegistration, ServiceBody
from registry.api.dialects.consul.registration.bodies_catalog import DeregisterBody, RegisterBody
from registry.errors import InvalidRequest
from tests.unit.api.consul.registration.bodies import CHECK, REGISTER, SERVICE, answer, sent

GO = "Request decode failed: "


def problem(decode, body):
    status, text = answer(lambda given: decode(sent(given)), body)
    assert status == 400
    assert text.startswith(GO)
    return text.removeprefix(GO)


# What is taken


def test_keys_match_in_any_case_and_the_last_of_a_repeated_one_wins():
    body = SERVICE(b'{"Name":"a","name":"b","NAME":"c","pORT":7}')
    assert (body.name, body.port) == ("c", 7)


def test_go_s_folding_takes_the_kelvin_sign_and_the_long_s():
    assert SERVICE('{"\u212aind":"k","Tag\u017f":["t"],"Addre\u017fs":"a"}'.encode()) == ServiceBody(
        kind="k", tags=["t"], address="a"
    )
    assert problem(SERVICE, '{"Addreß":"a"}') == 'json: unknown field "Addreß"'


def test_bytes_after_the_first_value_are_ignored():
    assert SERVICE(b'{"Name":"a"} {"Name":"b"}]\xff').name == "a"


def test_null_is_as_if_the_field_were_not_there():
    fields = ",".join(f'"{key}":null' for key, *_ in set(fields_by_key(ServiceBody).values()))
    assert SERVICE(f"{{{fields}}}".encode()) == ServiceBody()
    assert SERVICE(b'{"Port":80,"Port":null,"Name":"a","name":null}') == ServiceBody(port=80, name="a")
    assert SERVICE(b"null") == ServiceBody()


def test_null_inside_lists_and_maps_is_an_empty_text():
    body = SERVICE(b'{"Tags":[null,"a"],"Meta":{"a":null}}')
    assert (body.tags, body.meta) == (["", "a"], {"a": ""})


def test_repeated_maps_and_objects_are_merged():
    body = SERVICE(
        b'{"Meta":{"a":"1","c":"1"},"Weights":{"Passing":5},"Check":{"TTL":"10s","Name":"x"},"Checks":[{"TTL":"1s"}],'
        b'"Meta":{"b":"2","c":"2"},"Weights":{"Warning":3},"Check":{"Notes":"n"},"Checks":[{"Name":"y"},{"Name":"z"}]}'
    )
    assert body.meta == {"a": "1", "b": "2", "c": "2"}
    assert (body.weights.passing, body.weights.warning) == (5, 3)
    assert body.check == CheckBody(ttl="10s", name="x", notes="n")
    assert body.checks == [CheckBody(ttl="1s", name="y"), CheckBody(name="z")]


def test_a_repetition_hidden_by_an_escape_is_merged_too():
    assert SERVICE(rb'{"Meta":{"a":"1"},"\u004deta":{"b":"2"}}').meta == {"a": "1", "b": "2"}


def test_the_values_of_a_map_are_not_merged():
    body = SERVICE(b'{"TaggedAddresses":{"lan":{"Address":"a"},"lan":{"Port":1}}}')
    assert (body.tagged_addresses["lan"].address, body.tagged_addresses["lan"].port) == ("", 1)


def test_invalid_utf8_and_lone_surrogates_become_replacement_characters():
    assert SERVICE(b'{"Name":"a\xffb","Address":"\\ud800"}') == ServiceBody(name="a\ufffdb", address="\ufffd")


@pytest.mark.parametrize(
    ("sent_as", "nanoseconds"),
    [
        (b'"10s"', 10_000_000_000),
        (b'"-1m"', -60_000_000_000),
        (b"5", 5),
        (b"1.9", 1),
        (b"-1.9", -1),
        (b"1e3", 1000),
        (b"9007199254740993", 9007199254740992),
        (b"1e30", -(2**63)),
        (b"true", 0),
        (b"[1]", 0),
        (b'{"a":1}', 0),
        (b"null", 0),
    ],
)
def test_durations_are_texts_or_nanoseconds(sent_as, nanoseconds):
    assert CHECK(b'{"TTL":%b}' % sent_as).ttl == nanoseconds


@pytest.mark.parametrize(
    ("decode", "alias", "canonical"),
    [
        (SERVICE, '{"enable_tag_override":true}', '{"EnableTagOverride":true}'),
        (SERVICE, '{"tagged_addresses":{"a":{"port":1}}}', '{"TaggedAddresses":{"a":{"Port":1}}}'),
        (SERVICE, '{"Check":{"args":["x"]}}', '{"Check":{"ScriptArgs":["x"]}}'),
        (SERVICE, '{"Check":{"Args":["x"]}}', '{"Check":{"ScriptArgs":["x"]}}'),
        (SERVICE, '{"Check":{"script_args":["x"]}}', '{"Check":{"ScriptArgs":["x"]}}'),
        (SERVICE, '{"Check":{"docker_container_id":"c"}}', '{"Check":{"DockerContainerID":"c"}}'),
        (SERVICE, '{"Check":{"tls_server_name":"c"}}', '{"Check":{"TLSServerName":"c"}}'),
        (SERVICE, '{"Check":{"tls_skip_verify":true}}', '{"Check":{"TLSSkipVerify":true}}'),
        (SERVICE, '{"Check":{"tcp_use_tls":true}}', '{"Check":{"TCPUseTLS":true}}'),
        (SERVICE, '{"Check":{"grpc_use_tls":true}}', '{"Check":{"GRPCUseTLS":true}}'),
        (SERVICE, '{"Check":{"h2ping_use_tls":false}}', '{"Check":{"H2PingUseTLS":false}}'),
        (
            SERVICE,
            '{"Checks":[{"deregister_critical_service_after":"90m"}]}',
            '{"Checks":[{"DeregisterCriticalServiceAfter":"90m"}]}',
        ),
        (CHECK, '{"service_id":"s"}', '{"ServiceID":"s"}'),
        (CHECK, '{"disable_redirects":true}', '{"DisableRedirects":true}'),
        (SERVICE, '{"Connect":{"sidecar_service":{"port":1}}}', '{"Connect":{"SidecarService":{"Port":1}}}'),
        (SERVICE, '{"Proxy":{"destination_service_name":"d"}}', '{"Proxy":{"DestinationServiceName":"d"}}'),
        (SERVICE, '{"Proxy":{"local_service_port":1}}', '{"Proxy":{"LocalServicePort":1}}'),
        (SERVICE, '{"Proxy":{"mesh_gateway":{"Mode":"m"}}}', '{"Proxy":{"MeshGateway":{"Mode":"m"}}}'),
        (SERVICE, '{"Proxy":{"Upstreams":[{"local_bind_port":1}]}}', '{"Proxy":{"Upstreams":[{"LocalBindPort":1}]}}'),
        (
            SERVICE,
            '{"Proxy":{"Expose":{"Paths":[{"local_path_port":1}]}}}',
            '{"Proxy":{"Expose":{"Paths":[{"LocalPathPort":1}]}}}',
        ),
        (REGISTER, '{"Service":{"Proxy":{"local_service_port":1}}}', '{"Service":{"Proxy":{"LocalServicePort":1}}}'),
    ],
)  # fmt: skip
def test_aliases_stand_for_the_field(decode, alias, canonical):
    assert decode(alias.encode()) == decode(canonical.encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"ScriptArgs":["a"],"args":["b"],"script_args":["c"]}', ["a"]),
        ('{"script_args":["c"],"args":["b"]}', ["b"]),
        ('{"script_args":["c"],"args":[],"ScriptArgs":[]}', ["c"]),
    ],
)
def test_the_canonical_key_wins_when_it_says_anything(body, expected):
    assert CHECK(body.encode()).script_args == expected


def test_of_two_booleans_either_being_true_is_enough():
    assert CHECK(b'{"TLSSkipVerify":false,"tls_skip_verify":true}').tls_skip_verify
    assert CHECK(b'{"TLSSkipVerify":true,"tls_skip_verify":false}').tls_skip_verify


def test_lenient_objects_pass_over_unknown_keys_and_still_fold_known_ones():
    assert SERVICE(b'{"Connect":{"Unknown":[1],"native":true}}').connect.native
    definition = REGISTER(b'{"Check":{"Definition":{"Unknown":{},"http":"x"}}}').check.definition
    assert definition.http == "x"


def test_free_form_maps_keep_what_they_hold():
    config = b'{"a":1,"b":1.5,"c":[null,true,"x"],"d":{"E_e":{}},"big":9007199254740993,"a":2}'
    expected = {"a": 2, "b": 1.5, "c": [None, True, "x"], "d": {"E_e": {}}, "big": 9007199254740992.0}
    assert SERVICE(b'{"Proxy":{"Config":%b}}' % config).proxy.config == expected
    assert SERVICE(b'{"proxy":{"config":%b}}' % config).proxy.config == expected


# What is refused


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "EOF"),
        ('{"Name":"x",', "unexpected EOF"),
        ("{'Name': 'x'}", "invalid character '\\'' looking for beginning of object key string"),
        ('{"Name":"x"', "unexpected EOF"),
        ('{"Nonsense":1}', 'json: unknown field "Nonsense"'),
        ('{"nON\\u0073ense\\n":1}', 'json: unknown field "nONsense\\n"'),
        ('{"Check":{"Nonsense":1}}', 'json: unknown field "Nonsense"'),
        ('{"Checks":[{"check_id":"x"}]}', 'json: unknown field "check_id"'),
        ('{"Connect":{"SidecarService":{"Nonsense":1}}}', 'json: unknown field "Nonsense"'),
        ('{"Proxy":{"Upstreams":[{"Nonsense":1}]}}', 'json: unknown field "Nonsense"'),
        ('{"Weights":{"Nonsense":1}}', 'json: unknown field "Nonsense"'),
        ('{"Namespace":"default"}', 'json: unknown field "Namespace"'),
        ('{"Port":"80"}', "json: cannot unmarshal string into Go struct field .Port of type int"),
        ('{"Port":80.5}', "json: cannot unmarshal number 80.5 into Go struct field .Port of type int"),
        ('{"Port":80.0}', "json: cannot unmarshal number 80.0 into Go struct field .Port of type int"),
        ('{"Port":1e2}', "json: cannot unmarshal number 1e2 into Go struct field .Port of type int"),
        (
            '{"Port":9223372036854775808}',
            "json: cannot unmarshal number 9223372036854775808 into Go struct field .Port of type int",
        ),
        ('{"Port":true}', "json: cannot unmarshal bool into Go struct field .Port of type int"),
        ('{"Tags":"a"}', "json: cannot unmarshal string into Go struct field .Tags of type []string"),
        ('{"Tags":[1]}', "json: cannot unmarshal number into Go struct field .Tags of type string"),
        ('{"Meta":{"a":1}}', "json: cannot unmarshal number into Go struct field .Meta of type string"),
        ('{"Meta":[]}', "json: cannot unmarshal array into Go struct field .Meta of type map[string]string"),
        (
            '{"EnableTagOverride":"true"}',
            "json: cannot unmarshal string into Go struct field .EnableTagOverride of type bool",
        ),
        ('{"Checks":{}}', "json: cannot unmarshal object into Go struct field .Checks of type structs.CheckTypes"),
        (
            '{"Weights":{"Passing":"x"}}',
            "json: cannot unmarshal string into Go struct field Weights.Weights.Passing of type int",
        ),
        (
            '{"TaggedAddresses":{"lan":{"Port":"x"}}}',
            "json: cannot unmarshal string into Go struct field ServiceAddress.TaggedAddresses.Port of type int",
        ),
        ('{"Check":{"Notes":5}}', "json: cannot unmarshal number into Go struct field .Check of type string"),
        ('{"Check":{"TTL":1e400}}', "json: cannot unmarshal number 1e400 into Go struct field .Check of type float64"),
        (
            '{"Proxy":{"Config":{"a":[1e400]}}}',
            "json: cannot unmarshal number 1e400 into Go struct field .Proxy of type float64",
        ),
        ('{"Check":{"TTL":"nope"}}', 'time: invalid duration "nope"'),
        ('{"Check":{"TTL":""}}', 'time: invalid duration ""'),
        ('{"Check":{"TTL":"10"}}', 'time: missing unit in duration "10"'),
        ('{"Check":{"TTL":"10x"}}', 'time: unknown unit "x" in duration "10x"'),
        ('{"Check":{"TTL":"1.5.5s"}}', 'time: missing unit in duration "1.5.5s"'),
    ],
)
def test_says_what_consul_says(body, text):
    assert problem(SERVICE, body) == text


def test_names_the_type_of_a_body_that_is_no_object():
    assert problem(SERVICE, "[]") == (
        "json: cannot unmarshal array into Go value of type struct { "
        'EnableTagOverrideSnake bool "json:\\"enable_tag_override\\""; '
        'TaggedAddressesSnake map[string]structs.ServiceAddress "json:\\"tagged_addresses\\""; *structs.Alias }'
    )
    assert problem(CHECK, "[]") == (
        "json: cannot unmarshal array into Go value of type struct { Interval interface {}; Timeout interface {}; "
        "TTL interface {}; DeregisterCriticalServiceAfter interface {}; "
        'Args []string "json:\\"args\\""; ScriptArgsSnake []string "json:\\"script_args\\""; '
        'DeregisterCriticalServiceAfterSnake interface {} "json:\\"deregister_critical_service_after\\""; '
        'DockerContainerIDSnake string "json:\\"docker_container_id\\""; '
        'TLSServerNameSnake string "json:\\"tls_server_name\\""; TLSSkipVerifySnake bool "json:\\"tls_skip_verify\\""; '
        'TCPUseTLSSnake bool "json:\\"tcp_use_tls\\""; GRPCUseTLSSnake bool "json:\\"grpc_use_tls\\""; '
        'ServiceIDSnake string "json:\\"service_id\\""; H2PingUseTLSSnake bool "json:\\"h2ping_use_tls\\""; '
        'DisableRedirectsSnake bool "json:\\"disable_redirects\\""; *structs.Alias }'
    )
    assert problem(REGISTER, "[]") == "json: cannot unmarshal array into Go value of type structs.RegisterRequest"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"Namespace":"default"}', 'json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature'),
        (
            '{"Service":{"Namespace":"d"}}',
            'json: unknown field "Namespace" - Namespaces are a Consul Enterprise feature',
        ),
        ('{"Partition":"default"}', 'json: unknown field "Partition"'),
        ('{"Service":{"Name":"x"}}', 'json: unknown field "Name"'),
        ('{"Service":{"tagged_addresses":{}}}', 'json: unknown field "tagged_addresses"'),
        (
            '{"Service":{"Port":"1"}}',
            "json: cannot unmarshal string into Go struct field NodeService.Service.Port of type int",
        ),
        ('{"Check":{"Definition":{"Interval":"zz"}}}', 'time: invalid duration "zz"'),
        (
            '{"CreateIndex":-1}',
            "json: cannot unmarshal number -1 into Go struct field RegisterRequest.CreateIndex of type uint64",
        ),
    ],
)
def test_the_catalog_says_what_consul_says(body, text):
    assert problem(REGISTER, body) == text


def test_an_index_may_use_all_64_bits():
    assert REGISTER(b'{"CreateIndex":18446744073709551615}').create_index == 2**64 - 1


@pytest.mark.parametrize("decode", [SERVICE, REGISTER])
def test_a_null_among_checks_is_refused(decode):
    assert problem(decode, '{"Checks":[null]}').startswith("json: cannot unmarshal null")


def test_of_several_problems_the_first_is_told_but_those_inside_a_check_come_first():
    assert problem(SERVICE, '{"Foo":1,"Port":"x"}') == 'json: unknown field "Foo"'
    assert problem(SERVICE, '{"Port":"x","Check":{"TTL":"bogus"}}') == 'time: invalid duration "bogus"'
    assert problem(SERVICE, '{"Check":{"Foo":1,"TTL":"bogus"}}') == 'json: unknown field "Foo"'
    assert problem(SERVICE, '{"Check":{"TTL":"a","Timeout":"b","Interval":"c"}}') == 'time: invalid duration "c"'
    assert problem(SERVICE, '{"Foo":1,"Port":') == "unexpected EOF"


@pytest.mark.parametrize(
    "body",
    [
        b'{"Proxy":{"Config":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}}",
        b'{"Connect":{"SidecarService":' * 4000 + b"{}" + b"}}" * 4000,
        b'{"Nonsense":' + b"[" * 20000,
    ],
    ids=["config", "sidecars", "beyond go's limit"],
)
def test_hostile_nesting_is_refused_not_fatal(body):
    assert "max depth" in problem(SERVICE, body) or problem(SERVICE, body) == 'json: unknown field "Nonsense"'


def test_nesting_that_nobody_looks_at_is_taken():
    deep = b"[" * 5000 + b"]" * 5000
    assert SERVICE(b'{"Name":"a","Connect":{"Unknown":%b}}' % deep).name == "a"


# The two ways


def test_a_body_that_is_spelled_exactly_takes_the_fast_way(monkeypatch):
    monkeypatch.setattr(Decoder, "slowly", None)
    body = SERVICE(
        b'{"ID":"a","Name":"a","Tags":["t"],"Address":"h","Port":1,"Meta":{"k":"v"},"Weights":null,"Proxy":null,'
        b'"Check":{"TTL":"10s","Header":{"a":["b"]}},"Checks":null}\n'
    )
    assert (body.name, body.check.ttl) == ("a", 10_000_000_000)


TEXTS = st.sampled_from(["", "a", "web", "10s", "1x", "é", "\u2028", "\ufffd", '"', "\\", "a/b"])
ODD_VALUES = [
    "null", "true", "0", "-1", "1.5", "80.0", "1e3", "1e400", "-0", "9223372036854775807", "9223372036854775808",
    "123456789012345678901", '"x"', '""', '"10s"', '"\\ud800"', '"\\u0041"', "[]", "{}", "[null]", '{"a":null}',
]  # fmt: skip
ODD = st.sampled_from(ODD_VALUES)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def values(kind, depth):
    """Values for a field: mostly right, sometimes anything."""
    if isinstance(kind, Record):
        right = objects(kind.body, depth + 1)
    elif isinstance(kind, kinds.List):
        right = st.lists(values(kind.element, depth + 1), max_size=2).map(lambda items: f"[{','.join(items)}]")
    elif isinstance(kind, kinds.Map):
        right = st.lists(st.tuples(TEXTS.map(quoted), values(kind.element, depth + 1)), max_size=2).map(joined)
    elif isinstance(kind, kinds.Text):
        right = TEXTS.map(quoted)
    elif isinstance(kind, kinds.Whole):
        right = st.integers(-5, 70000).map(str)
    elif isinstance(kind, kinds.Truth):
        right = st.sampled_from(["true", "false"])
    elif isinstance(kind, kinds.Duration):
        right = st.sampled_from(['"10s"', '"1h30m"', "5", "1.5", "60000000000", '"bogus"'])
    else:
        right = ODD
    return st.integers(0, 19).flatmap(lambda chance: ODD if chance == 0 else right)


def joined(members):
    return "{" + ",".join(f"{key}:{value}" for key, value in members) + "}"


def objects(body: type[Body], depth: int = 0) -> st.SearchStrategy[str]:
    """Objects with fields of a body, spelled exactly or by an alias; now and then a key stands twice."""
    if depth > 5:
        return st.just("{}")
    fields = sorted(set(fields_by_key(body).values()))
    member = st.sampled_from(fields).flatmap(
        lambda field: st.tuples(st.just(f'"{field[0]}"'), st.deferred(lambda: values(field[2], depth)))
    )
    return st.lists(member, max_size=5).map(joined)


def result(decode, body):
    try:
        return decode(body)
    except InvalidRequest as error:
        return error.values["problem"]


@pytest.mark.slow
@pytest.mark.parametrize("body", [ServiceBody, CheckRegistration, RegisterBody, DeregisterBody])
@settings(deadline=None)
@given(data=st.data())
def test_both_ways_give_the_same(body, data):
    decoder = Decoder(body)
    given_body = data.draw(objects(body)).encode()
    assert result(decoder, given_body) == result(decoder.slowly, given_body)


@pytest.mark.slow
@settings(deadline=None)
@given(st.binary(max_size=60) | objects(ServiceBody).map(str.encode), st.randoms(use_true_random=False))
def test_broken_bytes_are_a_body_or_a_decode_error(body, chance):
    broken = bytearray(body)
    for _ in range(chance.randrange(3)):
        if broken:
            broken[chance.randrange(len(broken))] = chance.randrange(256)
    for decoder in (SERVICE, CHECK, REGISTER):
        with contextlib.suppress(InvalidRequest):
            decoder(bytes(broken))
