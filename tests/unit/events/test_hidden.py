"""What looks like a secret is not shown, and what does not stays as it is."""

import pytest

from registry.events.hidden import without_secrets, without_values


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("/v1/kv/a?token=s3cret&dc=dc1", "/v1/kv/a?token=<hidden>&dc=dc1"),
        ("/v1/kv/a?dc=dc1&token=s3cret", "/v1/kv/a?dc=dc1&token=<hidden>"),
        ("/v1/kv/a?dc=dc1;token=s3cret", "/v1/kv/a?dc=dc1;token=<hidden>"),
        ("GET /?%74oken=s3cret HTTP/1.1", "GET /?%74oken=<hidden> HTTP/1.1"),
        ("/?TOKEN=s3cret&TOKEN=s3cret", "/?TOKEN=<hidden>&TOKEN=<hidden>"),
        ("http://me:s3cret@host/x", "http://me:<hidden>@host/x"),
        ("redis://:s3c/r@et@host:1/0", "redis://:<hidden>@host:1/0"),
        ("https://h/?access_token=s3cret#x", "https://h/?access_token=<hidden>#x"),
        ("https://h/?password=s3cret", "https://h/?password=<hidden>"),
        ("https://h/?api-key=s3cret", "https://h/?api-key=<hidden>"),
        ("{'Authorization': ('Bearer s3cret',)}", "{'Authorization': ('<hidden>',)}"),
        ("Authorization: Bearer s3cret", "Authorization: <hidden>"),
        ("X-Consul-Token: s3cret", "X-Consul-Token: <hidden>"),
    ],
)
def test_what_looks_like_a_secret_is_masked(written: str, shown: str) -> None:
    assert without_secrets(written) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Synced service",
        "/v1/health/service/web?passing=1&index=7",
        "http://10.0.0.1:8500/x?tag=a",
        "a=b",
        "?token=",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_of_a_problem_what_it_quotes_is_left_out() -> None:
    assert without_values(r'time: invalid duration "s3\"cret" in \'x\'') == r'time: invalid duration "…" in \'x\''
    assert without_values("Key 'a' is bad, 'b' too") == 'Key "…" is bad, "…" too'
