"""Which source of a setting counts, what variables of other programs do, and reading files again."""

import pytest

from registry.errors import SettingsError
from registry.settings.sources import reread, settings_from


@pytest.fixture
def file(tmp_path):
    return tmp_path / "settings.toml"


def notices(settings, event):
    return [notice.values for notice in settings.notices if notice.event == event]


def test_flag_before_environment_before_file_before_default(file):
    file.write_text('node = "from-file"\ndatacenter = "file"\nhttp_port = 1\nlog_level = "debug"')
    flags = {"config_file": [str(file)], "node": ["from-flag"]}
    environment = {"REGISTRY_NODE": "from-environment", "REGISTRY_DATACENTER": "environment"}

    settings = settings_from(flags, environment)

    assert settings.node == "from-flag"
    assert settings.datacenter == "environment"
    assert settings.log_level == "debug"
    assert settings.log_format == "console"


def test_an_empty_variable_is_as_if_it_were_not_set():
    assert settings_from({}, {"REGISTRY_NODE": "", "REGISTRY_HTTP_PORT": ""}).http_port == 8500


def test_a_single_flag_given_twice_counts_the_last_time():
    assert settings_from({"http_port": ["1", "2"]}, {}).http_port == 2


def test_a_variable_holds_several_values_with_commas_between():
    settings = settings_from({}, {"REGISTRY_EXTRA_HTTP_PORTS": "8080, 8082", "REGISTRY_NODE_META": "rack:7,row:b"})
    assert settings.extra_http_ports == (8080, 8082)
    assert settings.node_meta == {"rack": "7", "row": "b"}


def test_files_can_be_named_in_the_environment(file):
    file.write_text("http_port = 9500")
    assert settings_from({}, {"REGISTRY_CONFIG_FILE": str(file)}).http_port == 9500


@pytest.mark.parametrize(
    ("environment", "port", "extra"),
    [
        ({"PORT": "8080"}, 8080, ()),
        ({"CVXC_SERVER_PORT": "8082"}, 8082, ()),
        ({"PORT": "8080", "CVXC_SERVER_PORT": "8082"}, 8080, ()),
        ({"REGISTRY_PORT": "9000"}, 9000, ()),
        ({"REGISTRY_PORT": "9000", "PORT": "8080"}, 9000, (8080,)),
        ({"REGISTRY_PORT": "9000", "PORT": "8080", "CVXC_SERVER_PORT": "8082"}, 9000, (8080, 8082)),
        ({"REGISTRY_HTTP_PORT": "9000", "PORT": "8080"}, 9000, (8080,)),
        ({"REGISTRY_PORT": "9000", "PORT": "9000"}, 9000, ()),
        ({"REGISTRY_PORT": "9000", "PORT": "8080", "REGISTRY_EXTRA_HTTP_PORTS": "8080,8081"}, 9000, (8080, 8081)),
    ],
)
def test_aliases_of_the_port_set_it_or_add_one(environment, port, extra):
    """Source: `dialects.md` §7.3."""
    settings = settings_from({}, environment)
    assert (settings.http_port, settings.extra_http_ports) == (port, extra)


def test_a_flag_for_the_port_leaves_no_room_for_aliases():
    settings = settings_from({"http_port": ["0"]}, {"REGISTRY_PORT": "9000", "PORT": "8080"})
    assert (settings.http_port, settings.extra_http_ports) == (0, ())
    assert not notices(settings, "setting taken from an alias")


def test_an_alias_that_took_effect_is_reported():
    settings = settings_from({}, {"REGISTRY_PORT": "9000", "PORT": "8080", "CVXC_SERVER_HOST": "0.0.0.0"})
    assert notices(settings, "setting taken from an alias") == [
        {"variable": "CVXC_SERVER_HOST", "setting": "bind", "value": "0.0.0.0"},
        {"variable": "PORT", "setting": "extra_http_ports", "value": 8080},
    ]


def test_our_name_of_a_variable_counts_before_an_alias():
    settings = settings_from({}, {"REGISTRY_HOST": "192.0.2.1", "CVXC_SERVER_HOST": "192.0.2.2"})
    assert settings.bind == "192.0.2.1"
    assert not settings.notices


def test_links_that_kubernetes_sets_are_not_settings():
    """Services called registry and service-registry make Kubernetes set these beside every container."""
    links = {
        "SERVICE_REGISTRY_PORT": "tcp://10.0.0.9:50051",
        "SERVICE_REGISTRY_SERVICE_HOST": "10.0.0.9",
        "METRICS_PORT": "tcp://10.0.0.9:9090",
        "REGISTRY_PORT": "tcp://10.0.0.9:8500",
        "REGISTRY_PORT_8500_TCP_ADDR": "10.0.0.9",
        "REGISTRY_SERVICE_HOST": "10.0.0.9",
        "REGISTRY_SERVICE_PORT": "8500",
    }
    settings = settings_from({}, links)
    assert (settings.http_port, settings.grpc_port, settings.metrics_port) == (8500, None, None)
    assert not settings.notices


def test_a_misspelt_variable_of_ours_is_reported():
    settings = settings_from({}, {"REGISTRY_HTTP_PROT": "9500", "HOME": "/"})
    assert notices(settings, "environment variables that are no setting") == [{"variables": ["REGISTRY_HTTP_PROT"]}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("http_port", "eighty", "--http-port: 'eighty' is not a whole number"),
        ("http_port", "65536", "--http-port: 65536 is not a port (0 to 65535)"),
        ("http_port", "-1", "--http-port: -1 is not a port (0 to 65535)"),
        ("bind", "nowhere", "--bind: 'nowhere' is not an IP address"),
        ("max_query_seconds", "soon", "--max-query-seconds: 'soon' is not a duration such as 300, 90s or 5m"),
        ("max_query_seconds", "0s", "--max-query-seconds: 0 is not allowed"),
        ("check_update_interval_seconds", "-5s", "--check-update-interval-seconds: '-5s' is less than 0"),
        ("answers_per_topic", "0", "--answers-per-topic: 0 is less than 1"),
        ("log_level", "loud", "--log-level: 'loud' is none of debug, info, warn, error"),
        ("log_format", "xml", "--log-format: 'xml' is none of console, json"),
        ("datacenter", "dc 1", "--datacenter: 'dc 1' may hold only letters, digits, - and _"),
        ("node", "", "--node: '' is not a printable text"),
        ("node_meta", "rack", "--node-meta: 'rack' is not KEY:VALUE"),
        (
            "node_meta",
            "a b:1",
            "--node-meta: Couldn't load metadata pair ('a b', '1'): Key contains invalid characters",
        ),
        ("response_headers", "A B: c", "--response-headers: 'A B' or its value cannot stand in a header"),
        ("allow_write_http_from", "10/8", "--allow-write-http-from: '10/8' is not a network such as 10.0.0.0/8"),
        ("block_endpoints", "v1/kv", "--block-endpoints: 'v1/kv' is not a path: it does not begin with /"),
        ("dev", "perhaps", "--dev: 'perhaps' is neither true nor false"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line(name, text, message):
    with pytest.raises(SettingsError) as caught:
        settings_from({name: [text]}, {})
    assert str(caught.value) == message


def test_a_bad_variable_is_named_even_where_it_is_an_alias():
    with pytest.raises(SettingsError, match="^PORT, for http_port: 'web' is not a whole number$"):
        settings_from({}, {"PORT": "web"})


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("0.25", 0.25), ("1h30m", 5400), ("250ms", 0.25)])
def test_durations_are_seconds_or_what_go_writes(text, seconds):
    assert settings_from({"slow_request_seconds": [text]}, {}).slow_request_seconds == seconds


@pytest.mark.parametrize(("text", "level"), [("TRACE", "debug"), ("err", "error"), ("Warning", "warn")])
def test_log_levels_have_many_names(text, level):
    assert settings_from({"log_level": [text]}, {}).log_level == level


def test_a_datacenter_is_kept_in_lower_case():
    """Source: Consul's agent configuration, `datacenter`."""
    assert settings_from({"datacenter": ["DC-East"]}, {}).datacenter == "dc-east"


def test_reading_again_takes_what_can_be_changed_and_names_the_rest(file):
    file.write_text('log_level = "info"\nkv_max_value_bytes = 10\ndatacenter = "a"\n[[services]]\nname = "web"')
    settings = settings_from({"config_file": [str(file)]}, {})
    file.write_text('log_level = "debug"\nkv_max_value_bytes = 20\ndatacenter = "b"\n[[services]]\nname = "db"')

    again = reread(settings)

    assert again.settings.log_level == "debug"
    assert again.settings.kv_max_value_bytes == 20
    assert again.settings.datacenter == "a"
    assert again.not_reloadable == ("datacenter",)
    assert [definition.body for definition in again.settings.definitions] == [{"name": "db"}]


def test_reading_again_still_prefers_flags_and_the_environment_of_the_start(file):
    file.write_text("")
    flags = {"config_file": [str(file)], "log_level": ["warn"]}
    settings = settings_from(flags, {"REGISTRY_KV_MAX_VALUE_BYTES": "10"})
    file.write_text('log_level = "debug"\nkv_max_value_bytes = 20')

    again = reread(settings)

    assert (again.settings.log_level, again.settings.kv_max_value_bytes) == ("warn", 10)
    assert again.not_reloadable == ()


def test_files_that_became_unusable_are_refused_when_read_again(file):
    file.write_text("")
    settings = settings_from({"config_file": [str(file)]}, {})
    file.write_text("http_port = ")
    with pytest.raises(SettingsError, match="settings.toml: cannot be decoded"):
        reread(settings)
