"""Configuration files: ours in TOML, Consul's in JSON, and several of them together."""

import json

import pytest

from registry.errors import SettingsError
from registry.settings import Definition
from registry.settings.sources import settings_from


@pytest.fixture
def read(tmp_path):
    """Settings from files given by name and text, in this order."""

    def settings(**files):
        paths = []
        for name, text in files.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
            paths.append(str(path))
        return settings_from({"config_file": paths}, {})

    return settings


def refusal(read, **files):
    with pytest.raises(SettingsError) as caught:
        read(**files)
    return str(caught.value)


def unhonoured(settings):
    keys = [key for notice in settings.notices for key in notice.values["keys"]]
    return [key.rpartition(": ")[2] for key in keys]


def test_the_keys_of_consul_that_are_honoured(read):
    settings = read(
        a_json={
            "node_name": "n1",
            "node_meta": {"rack": "7"},
            "datacenter": "East",
            "data_dir": "/srv/consul",
            "ports": {"http": 8600, "sidecar_min_port": 1000, "sidecar_max_port": 2000},
            "client_addr": "0.0.0.0",
            "bind_addr": "192.0.2.1",
            "log_level": "WARN",
            "log_json": True,
            "enable_script_checks": True,
            "enable_local_script_checks": True,
            "check_update_interval": "10m",
            "check_output_max_size": 100,
            "default_query_time": "1m",
            "max_query_time": "2m",
            "translate_wan_addrs": True,
            "http_config": {
                "block_endpoints": ["/v1/agent"],
                "response_headers": {"X-A": "b"},
                "allow_write_http_from": ["127.0.0.0/8"],
                "use_cache": False,
                "max_header_bytes": 1000,
            },
            "limits": {"kv_max_value_size": 10, "txn_max_req_len": 20},
            "telemetry": {"prometheus_retention_time": "60s", "disable_hostname": True},
        }
    )
    assert (settings.node, settings.node_meta, settings.datacenter) == ("n1", {"rack": "7"}, "east")
    assert (settings.data_dir, settings.http_port) == ("/srv/consul", 8600)
    assert (settings.sidecar_min_port, settings.sidecar_max_port) == (1000, 2000)
    assert (settings.bind, settings.advertise) == ("0.0.0.0", "192.0.2.1")
    assert (settings.log_level, settings.log_format) == ("warn", "json")
    assert settings.enable_script_checks
    assert settings.enable_local_script_checks
    assert (settings.check_update_interval_seconds, settings.check_output_max_bytes) == (600, 100)
    assert (settings.default_query_seconds, settings.max_query_seconds) == (60, 120)
    assert settings.translate_wan_addrs
    assert settings.block_endpoints == ("/v1/agent",)
    assert settings.response_headers == {"X-A": "b"}
    assert settings.allow_write_http_from == ("127.0.0.0/8",)
    assert (settings.use_cache, settings.max_header_bytes) == (False, 1000)
    assert (settings.kv_max_value_bytes, settings.txn_max_request_bytes) == (10, 20)
    assert (settings.prometheus_retention_seconds, settings.telemetry_disable_hostname) == (60, True)
    assert settings.notices == ()


def test_where_consul_listens_for_servers_does_not_open_the_http_interface(read):
    """`bind_addr` is Consul's address between servers; only `client_addr` moves the HTTP interface."""
    settings = read(a_json={"bind_addr": "192.0.2.1"})
    assert settings.bind == "127.0.0.1"


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
def test_every_address_is_none_to_advertise(read, every):
    assert read(a_json={"bind_addr": every}).advertise == ""


def test_the_closer_key_counts_wherever_it_stands(read):
    settings = read(
        a_json={"addresses": {"http": "192.0.2.1"}, "advertise_addr": "192.0.2.2"},
        b_json={"client_addr": "192.0.2.3", "bind_addr": "192.0.2.4"},
    )
    assert (settings.bind, settings.advertise) == ("192.0.2.1", "192.0.2.2")


def test_keys_that_are_not_honoured_are_named_in_one_warning(read):
    settings = read(
        a_json={"retry_join": ["192.0.2.1"], "ui_config": {"enabled": True}, "ports": {"dns": 8600, "grpc": -1}},
        b_json={"autopilot": {"cleanup_dead_servers": False}, "limits": {"rpc_rate": 1}},
    )
    assert len(settings.notices) == 1
    assert settings.notices[0].level == "warning"
    assert unhonoured(settings) == [
        "retry_join", "ui_config.enabled", "ports.dns", "autopilot.cleanup_dead_servers", "limits.rpc_rate",
    ]  # fmt: skip
    assert "a.json: retry_join" in settings.notices[0].values["keys"][0]


def test_what_is_so_anyway_and_what_is_empty_needs_no_warning(read):
    settings = read(
        a_json={
            "server": True, "bootstrap_expect": 1, "ui": False, "disable_update_check": True, "retry_join": [],
            "acl": {"enabled": False}, "tls": {"defaults": {"verify_incoming": False}}, "encrypt": "",
            "verify_incoming": False, "ports": {"https": -1, "dns": 0}, "tokens": None, "telemetry": {},
            "default_intention_policy": "allow",
        }
    )  # fmt: skip
    assert settings.notices == ()


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"acl": {"enabled": True}}, "acl.enabled"),
        ({"ACL": {"Enabled": True}}, "acl.enabled"),
        ({"acl": [{"enabled": True}]}, "acl.enabled"),
        ({"acl_datacenter": "dc1"}, "acl_datacenter"),
        ({"default_intention_policy": "deny"}, "default_intention_policy"),
        ({"tls": {"defaults": {"verify_incoming": True}}}, "tls.defaults.verify_incoming"),
        ({"tls": {"https": {"ca_file": "/ca.pem"}}}, "tls.https.ca_file"),
        ({"tls": {"defaults": [{"cert_file": "/c.pem"}]}}, "tls.defaults.cert_file"),
        ({"verify_incoming": True}, "verify_incoming"),
        ({"verify_incoming_rpc": True}, "verify_incoming_rpc"),
        ({"verify_incoming_https": True}, "verify_incoming_https"),
        ({"verify_outgoing": True}, "verify_outgoing"),
        ({"verify_server_hostname": True}, "verify_server_hostname"),
        ({"encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="}, "encrypt"),
        ({"ports": {"https": 8501}}, "ports.https"),
        ({"ports": {"http": -1}}, "ports.http"),
        ({"ports": {"http": 0}}, "ports.http"),
        ({"key_file": "/k.pem"}, "key_file"),
        ({"auto_encrypt": {"tls": True}}, "auto_encrypt.tls"),
        ({"addresses": {"http": "unix:///run/consul.sock"}}, "addresses.http"),
        ({"client_addr": "{{ GetPrivateIP }}"}, "client_addr"),
        ({"client_addr": "127.0.0.1 192.0.2.1"}, "client_addr"),
    ],
)
def test_a_key_that_closes_something_refuses_the_start(read, tmp_path, document, key):
    """To go on without it would leave open what its author meant to close."""
    assert refusal(read, a_json=document).startswith(f"{tmp_path}/a.json: {key}: ")


def test_a_template_is_refused_as_what_it_is(read):
    """Source: Consul's agent configuration, go-sockaddr templates."""
    assert "is a template, which is not evaluated here" in refusal(read, a_json={"bind_addr": "{{ GetPrivateIP }}"})


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"ports": {"http": "8500"}}, "ports.http"),
        ({"ports": {"http": True}}, "ports.http"),
        ({"node_name": 7}, "node_name"),
        ({"enable_script_checks": "yes"}, "enable_script_checks"),
        ({"check_update_interval": "5 minutes"}, "check_update_interval"),
        ({"node_meta": ["a"]}, "node_meta"),
        ({"node_meta": {"a": 1}}, "node_meta"),
        ({"http_config": {"block_endpoints": [{"a": 1}]}}, "http_config.block_endpoints"),
        ({"service": "web"}, "service"),
        ({"checks": [{"name": "a"}, 7]}, "checks"),
    ],
)
def test_a_value_of_another_type_is_refused(read, tmp_path, document, key):
    assert refusal(read, a_json=document).startswith(f"{tmp_path}/a.json: {key}: ")


def test_definitions_come_as_they_stand_with_their_file(read, tmp_path):
    settings = read(
        a_json={"service": {"name": "web", "Port": 80}, "checks": [{"id": "c1"}, {"id": "c2"}]},
        b_toml='[[services]]\nname = "db"\n[services.check]\nttl = "10s"\n[[checks]]\nname = "disk"',
    )
    a, b = f"{tmp_path}/a.json", f"{tmp_path}/b.toml"
    assert settings.definitions == (
        Definition(a, "service", {"name": "web", "Port": 80}),
        Definition(a, "check", {"id": "c1"}),
        Definition(a, "check", {"id": "c2"}),
        Definition(b, "service", {"name": "db", "check": {"ttl": "10s"}}),
        Definition(b, "check", {"name": "disk"}),
    )


def test_a_later_file_wins_tables_are_merged_and_lists_joined(read):
    settings = read(
        a_json={"node_meta": {"a": "1", "b": "1"}, "log_level": "debug", "http_config": {"block_endpoints": ["/a"]}},
        b_toml='log_level = "warn"\nblock_endpoints = ["/b"]\n[node_meta]\nb = "2"',
    )
    assert settings.log_level == "warn"
    assert settings.node_meta == {"a": "1", "b": "2"}
    assert settings.block_endpoints == ("/a", "/b")


@pytest.mark.parametrize("name", ["a_json", "a_toml"])
@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_an_empty_file_says_nothing(read, name, text):
    assert read(**{name: text}).notices == ()


def test_a_key_of_ours_that_does_not_exist_is_refused_with_the_nearest_one(read, tmp_path):
    message = refusal(read, a_toml="http_prot = 9500")
    assert message == f"{tmp_path}/a.toml: http_prot: is not a setting; did you mean http_port?"


def test_a_file_cannot_name_further_files(read):
    assert "config_file: is not a setting" in refusal(read, a_toml='config_file = "b.toml"')


@pytest.mark.parametrize(
    ("name", "text"),
    [("a_json", "{"), ("a_json", "[" * 100_000), ("a_json", "[1]"), ("a_toml", "a ="), ("a_yaml", "a: 1")],
)
def test_a_file_that_cannot_be_decoded_is_refused_by_name(read, tmp_path, name, text):
    message = refusal(read, **{name: text})
    assert message.startswith(f"{tmp_path}/{name.replace('_', '.')}")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["a_hcl", "z_hcl"])
def test_hcl_is_refused_and_says_what_to_write_instead(read, tmp_path, name):
    path = f"{tmp_path}/{name.replace('_', '.')}"
    message = refusal(read, b_json={}, **{name: 'datacenter = "dc1"'})
    assert message == f"{path}: HCL is not read; write it as JSON with the same keys, or as TOML with ours"


def test_a_directory_is_read_by_name_after_the_files(tmp_path):
    folder = tmp_path / "conf.d"
    (folder / "sub.json").mkdir(parents=True)
    (folder / "20.toml").write_text('node = "twenty"')
    (folder / "10.json").write_text('{"node_name": "ten", "datacenter": "ten"}')
    (folder / "README").write_text("not a setting")
    first = tmp_path / "first.toml"
    first.write_text('datacenter = "first"\nhealth_service_name = "first"')

    settings = settings_from({"config_dir": [str(folder)], "config_file": [str(first)]}, {})

    assert (settings.node, settings.datacenter, settings.health_service_name) == ("twenty", "ten", "first")


def test_the_order_in_a_directory_is_that_of_the_names(tmp_path):
    names = ["5", "1", "8", "3", "9", "2", "7", "4", "6"]
    for name in names:
        (tmp_path / f"{name}.json").write_text(json.dumps({"http_config": {"block_endpoints": [f"/{name}"]}}))
    settings = settings_from({"config_dir": [str(tmp_path)]}, {})
    assert settings.block_endpoints == tuple(f"/{name}" for name in sorted(names))


def test_hcl_in_a_directory_refuses_the_start(tmp_path):
    (tmp_path / "acl.hcl").write_text("acl { enabled = true }")
    with pytest.raises(SettingsError, match=r"acl\.hcl: HCL is not read"):
        settings_from({"config_dir": [str(tmp_path)]}, {})


@pytest.mark.parametrize("name", ["config_file", "config_dir"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    missing = str(tmp_path / "missing.json")
    with pytest.raises(SettingsError) as caught:
        settings_from({name: [missing]}, {})
    assert str(caught.value) == f"{missing}: cannot be read: No such file or directory"
