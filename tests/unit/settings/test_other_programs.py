"""Variables that other programs' deployments set: which setting each is, and who wins (dialects.md §6.4, §7.3)."""

import pytest

from registry.errors import SettingsError
from registry.settings.sources import settings_from

TAKEN = "setting taken from an alias"


def notices(settings, event):
    return [notice.values for notice in settings.notices if notice.event == event]


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("READ_TIMEOUT", "7s", "request_head_seconds", 7.0),
        ("WRITE_TIMEOUT", "7s", "answer_stall_seconds", 7.0),
        ("IDLE_TIMEOUT", "60s", "keepalive_seconds", 60.0),
        ("HEALTH_CHECK_INTERVAL", "20s", "fr0g_check_interval_seconds", 20.0),
        ("SERVICE_TIMEOUT", "3m", "fr0g_ttl_seconds", 180.0),
        ("HEARTBEAT_TIMEOUT_SECONDS", "90", "hive_ttl_seconds", 90.0),
        ("CVXC_AGENT_MAX_INSTANCES", "7", "codevald_max_agents", 7),
        ("SERVICE_REGISTRY_PORT", "50052", "grpc_port", 50052),
        ("REDIS_URL", "redis://10.0.0.9:6379", "store", "redis://10.0.0.9:6379"),
    ],
)
def test_a_name_of_another_program_sets_ours_and_is_reported(variable, text, name, value):
    settings = settings_from({}, {variable: text})
    assert getattr(settings, name) == value
    assert notices(settings, TAKEN) == [{"variable": variable, "setting": name, "value": value}]


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("REGISTRY_FR0G_PORT", "8501", "fr0g_port", 8501),
        ("REGISTRY_SHAPE", "fr0g", "shape", "fr0g"),
        ("METRICS_PORT", "9090", "metrics_port", 9090),
        ("GRPC_PORT", "50051", "grpc_port", 50051),
    ],
)
def test_a_name_of_ours_is_not_worth_a_line(variable, text, name, value):
    settings = settings_from({}, {variable: text})
    assert (getattr(settings, name), settings.notices) == (value, ())


def test_the_ports_are_the_main_one_the_further_ones_and_that_of_the_fr0g_shape():
    settings = settings_from(
        {}, {"REGISTRY_PORT": "1", "PORT": "2", "METRICS_PORT": "3", "REGISTRY_FR0G_PORT": "4"}
    )  # fmt: skip
    assert settings.http_ports == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("environment", "store", "variables"),
    [
        ({"REDIS_ADDR": "cache:6380"}, "redis://cache:6380/0", ["REDIS_ADDR"]),
        ({"REDIS_ADDR": "cache"}, "redis://cache:6379/0", ["REDIS_ADDR"]),
        ({"REDIS_ADDR": "[::1]:6380"}, "redis://[::1]:6380/0", ["REDIS_ADDR"]),
        (
            {"REDIS_ADDR": "a:1", "REDIS_DB": "2", "REDIS_PASSWORD": "p@/w"}, "redis://:p%40%2Fw@a:1/2",
            ["REDIS_ADDR", "REDIS_PASSWORD", "REDIS_DB"],
        ),
        ({"ETCD_ENDPOINTS": "a:1,b:2"}, "redis://a:1/0", ["ETCD_ENDPOINTS"]),
        ({"ETCD_ENDPOINTS": '["redis://a:1", "b:2"]'}, "redis://a:1/0", ["ETCD_ENDPOINTS"]),
        ({"REDIS_ADDR": "a:1", "ETCD_ENDPOINTS": "b:2"}, "redis://a:1/0", ["REDIS_ADDR"]),
        ({"REDIS_PASSWORD": "x", "REDIS_DB": "1"}, "", []),
    ],
)  # fmt: skip
def test_parts_of_an_address_are_put_together(environment, store, variables):
    settings = settings_from({}, environment)
    assert settings.store == store
    assert [one["variable"] for one in notices(settings, TAKEN)] == variables


@pytest.mark.parametrize("ours", ["REGISTRY_STORE", "REDIS_URL"])
def test_a_whole_url_counts_before_its_parts(ours):
    settings = settings_from({}, {ours: "redis://whole:1", "REDIS_ADDR": "part:1"})
    assert settings.store == "redis://whole:1"


@pytest.mark.parametrize(
    "environment",
    [
        {"REDIS_URL": "redis://:hunter2@a:1"},
        {"REDIS_ADDR": "a:1", "REDIS_PASSWORD": "hunter2"},
    ],
)
def test_a_password_is_not_reported(environment):
    settings = settings_from({}, environment)
    assert "hunter2" in settings.store
    assert "hunter2" not in repr(settings.notices)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"REDIS_ADDR": "user:secret@a:1"}, "REDIS_ADDR, for store: it is not host:port"),
        ({"REDIS_ADDR": "a:port"}, "REDIS_ADDR, for store: it is not host:port"),
        ({"ETCD_ENDPOINTS": "[1]"}, "ETCD_ENDPOINTS, for store: it is neither host:port nor a JSON list of such texts"),
        ({"REDIS_ADDR": "a:1", "REDIS_DB": "x"}, "REDIS_DB, for store: it is not a whole number"),
    ],
)
def test_what_is_no_address_is_named_and_not_shown(environment, message):
    with pytest.raises(SettingsError) as caught:
        settings_from({}, environment)
    assert str(caught.value) == message


def test_codevaldcortexs_database_is_reported_once_as_without_effect():
    settings = settings_from({}, {"CVXC_DATABASE_HOST": "db", "CVXC_DATABASE_PORT": "8529"})
    assert notices(settings, "environment variables without effect") == [
        {"variables": ["CVXC_DATABASE_HOST", "CVXC_DATABASE_PORT"]}
    ]
    assert len(settings.notices) == 1
