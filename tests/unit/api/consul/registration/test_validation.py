"""What the agent refuses, with which status, in which words and in which order (agent.md §6, §7.1, §8.2)."""

import pytest

from tests.unit.api.consul.registration.bodies import answer, check, service

VALID_SERVICE = {"Name": "x", "Port": 1}


def refused(**fields):
    return answer(service, {"Name": "x", **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Name": ""}, "Missing service name"),
        ({"Address": "0.0.0.0"}, "Invalid service address"),
        ({"Address": "::"}, "Invalid service address"),
        ({"Address": "[::]"}, "Invalid service address"),
        ({"Weights": {}}, "Invalid Weights: Passing must be greater than 0"),
        ({"Weights": {"Passing": -1, "Warning": 1}}, "Invalid Weights: Passing must be greater than 0"),
        ({"Weights": {"Passing": 1, "Warning": -1}}, "Invalid Weights: Warning must be greater or equal than 0"),
        ({"Weights": {"Passing": 65536}}, "Invalid Weights: DNS Weight must be between 0 and 65535"),
        ({"Weights": {"Passing": 1, "Warning": 65536}}, "Invalid Weights: DNS Weight must be between 0 and 65535"),
        (
            {"Meta": {"bad key!": "v"}},
            "Invalid Service Meta: Couldn't load metadata pair ('bad key!', 'v'): Key contains invalid characters",
        ),
        ({"Check": {"HTTP": "http://h"}},
         "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"),
        ({"Check": {"Interval": "10s"}}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Check": {"Notes": "n"}}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Checks": [{}]}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Check": {"TTL": "10s", "Status": "odd"}}, "Status for checks must 'passing', 'warning', 'critical'"),
        ({"Check": {"TTL": "10s", "Status": "Passing"}}, "Status for checks must 'passing', 'warning', 'critical'"),
        ({"Connect": {"SidecarService": {"Check": {"Interval": "1s"}}}},
         "Invalid check in sidecar_service: TTL must be > 0 for TTL checks"),
        ({"Connect": {"SidecarService": {"Check": {"TTL": "1s", "Status": "odd"}}}},
         "Status for checks must 'passing', 'warning', 'critical'"),
        ({"Connect": {"SidecarService": {"Meta": {"": "v"}}}},
         "Invalid SidecarService: Couldn't load metadata pair ('', 'v'): Key cannot be blank"),
        ({"Connect": {"SidecarService": {"Proxy": {"Upstreams": [{}]}}}},
         "Failed Validation: 1 error occurred:\n\t* upstream destination name cannot be empty\n\n"),
        ({"Connect": {"SidecarService": {"Connect": {"Native": True}}}},
         "Failed Validation: 1 error occurred:\n\t* A Proxy cannot also be Connect Native, only typical services\n\n"),
    ],
)  # fmt: skip
def test_a_service_is_refused_with_400(fields, text):
    assert refused(**fields) == (400, text)


@pytest.mark.parametrize(
    ("tagged", "text"),
    [
        ({"lan_ipv4": {"Address": "nonsense"}}, 'Service tagged address "lan_ipv4" must be a valid ipv4 address'),
        ({"wan_ipv4": {"Address": "::1"}}, 'Service tagged address "wan_ipv4" must be a valid ipv4 address'),
        ({"lan_ipv6": {"Address": "1.2.3.4"}}, 'Service tagged address "lan_ipv6" must be a valid ipv6 address'),
        ({"lan_ipv6": {"Address": "::ffff:1.2.3.4"}}, 'Service tagged address "lan_ipv6" must be a valid ipv6 address'),
        ({"lan_ipv6": {"Address": ""}, "wan_ipv4": {"Address": ""}},
         'Service tagged address "wan_ipv4" must be a valid ipv4 address'),
    ],
)  # fmt: skip
def test_a_wrong_tagged_address_is_refused_with_500(tagged, text):
    assert refused(TaggedAddresses=tagged) == (500, text)
    assert refused(Port=1, Connect={"SidecarService": {"TaggedAddresses": tagged}}) == (500, text)


@pytest.mark.parametrize("tagged", [{"wan_ipv6": {"Address": "x"}}, {"lan": {"Address": "x"}}, {}])
def test_other_tagged_addresses_are_taken_as_they_are(tagged):
    assert refused(TaggedAddresses=tagged) == (200, "")


SCRIPTS_OFF = (
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
)


@pytest.mark.parametrize("field", ["Args", "ScriptArgs", "script_args"])
def test_script_checks_need_permission(field):
    definition = {field: ["/bin/true"], "Interval": "1s"}
    assert refused(Check=definition) == (500, SCRIPTS_OFF)
    assert refused(Port=1, Connect={"SidecarService": {"Check": definition}}) == (500, SCRIPTS_OFF)
    assert answer(check, {"Name": "c", **definition}) == (500, SCRIPTS_OFF)
    assert answer(check, {"Name": "c", **definition, "DockerContainerID": "d"}) == (500, SCRIPTS_OFF)
    assert answer(service, {"Name": "x", "Check": definition}, scripts=True) == (200, "")


def test_os_service_checks_are_not_implemented_unless_something_else_is_run():
    assert answer(check, {"Name": "c", "OSService": "s", "Interval": "1s"}) == (500, "not implemented")
    assert answer(check, {"Name": "c", "OSService": "s", "Interval": "1s", "TCP": "h:1"}) == (200, "")


def test_the_first_rule_that_is_broken_answers():
    """Each step makes one more field right, from the front of Consul's order to its end."""
    broken = {
        "Name": "",
        "Address": "::",
        "Weights": {},
        "Meta": {"": ""},
        "Connect": {"Native": True, "SidecarService": {"ID": "own", "Check": {"Interval": "1s"}, "Meta": {"": ""}}},
        "Check": {"Interval": "1s", "Status": "odd"},
        "Checks": [{"TTL": "1s", "Status": "odd"}],
        "TaggedAddresses": {"lan_ipv4": {"Address": "x"}},
    }
    repairs = [
        ("Missing service name", {"Name": "x"}),
        ("Invalid service address", {"Address": ""}),
        ("Invalid Weights", {"Weights": None}),
        ("Invalid Service Meta", {"Meta": None}),
        (
            "Validation failed",
            {"Port": 1, "Connect": {"SidecarService": {"Check": {"Interval": "1s"}, "Meta": {"": ""}}}},
        ),
        ("Invalid check: ", {"Check": {"Args": ["x"], "Interval": "1s"}}),
        ("Status for checks", {"Checks": None}),
        ("Invalid check in sidecar_service", {"Connect": {"SidecarService": {"Meta": {"": ""}}}}),
        ("Invalid SidecarService", {"Connect": None}),
        ("Service tagged address", {"TaggedAddresses": None}),
        ("Scripts are disabled", {"Check": None}),
    ]
    for text, repair in repairs:
        assert answer(service, broken)[1].startswith(text)
        broken |= repair
    assert answer(service, broken) == (200, "")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Name": "", "Status": "odd"}, "Missing check name"),
        ({"Status": "odd"}, "Bad check status"),
        ({"Status": "Passing", "TTL": "1s"}, "Bad check status"),
        ({}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"TTL": "-5s"}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"TTL": True}, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Shell": "/bin/sh", "DockerContainerID": "c", "Interval": "1s"},
         "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Interval": "1s", "TTL": "1s"}, "Invalid check: Interval and TTL cannot both be specified"),
        ({"HTTP": "h", "Interval": "1s", "TTL": "1s"}, "Invalid check: Interval and TTL cannot both be specified"),
        ({"AliasService": "a", "TTL": "1s"}, "Invalid check: TTL must be not be set for Alias checks"),
        ({"AliasNode": "a", "TTL": "1s"}, "Invalid check: TTL must be not be set for Alias checks"),
        ({"HTTP": "h", "Interval": "1s", "AliasService": "a"},
         "Invalid check: Interval cannot be set for Alias checks"),
        ({"TTL": "1s", "OutputMaxSize": -1}, "Invalid check: MaxOutputMaxSize must be positive"),
        ({"TCP": "h:1", "Interval": "1s", "FailuresBeforeWarning": 3, "FailuresBeforeCritical": 2},
         "Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical"),
    ],
)  # fmt: skip
def test_a_check_is_refused_with_400(fields, text):
    assert answer(check, {"Name": "c", **fields}) == (400, text)


@pytest.mark.parametrize("field", ["HTTP", "TCP", "UDP", "GRPC", "H2PING", "OSService"])
def test_every_active_check_needs_an_interval(field):
    text = "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks"
    assert answer(check, {"Name": "c", field: "x"}) == (400, text)
    assert answer(check, {"Name": "c", field: "x", "Interval": "-1s"}) == (400, text)
    assert answer(check, {"Name": "c", field: "x", "TTL": "1s"}) == (400, text)


@pytest.mark.parametrize(
    "fields",
    [
        {"Name": "odd name!", "Kind": "weird", "Port": 70000, "Tags": ["a", "a", ""], "Token": "t"},
        {"Port": -1},
        {"SocketPath": "/s"},
        {"ID": "consul"},
        {"Locality": {"Region": "r", "Zone": "z"}},
        {"Locality": {}},
        {"Check": {}, "Checks": []},
        {"Check": {"ServiceID": "ignored", "H2PingUseTLS": False, "Status": "", "OutputMaxSize": 0}},
        {"Check": {"TTL": "1s", "AliasService": ""}},
        {"Check": {"AliasService": "a", "Interval": "1s"}},
        {"Weights": {"Passing": 65535, "Warning": 0}},
    ],
)
def test_unusual_services_are_taken(fields):
    assert refused(**fields) == (200, "")
