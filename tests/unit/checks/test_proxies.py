"""Which targets are asked through a proxy."""

import pytest

from registry.checks import urls
from registry.checks.proxies import proxy_for


@pytest.mark.parametrize(
    ("exceptions", "url", "through"),
    [
        ("", "http://far.test/", True),
        ("*", "http://far.test/", False),
        ("far.test", "http://far.test/", False),
        ("far.test", "http://FAR.test/", False),
        ("far.test", "http://so.far.test/", False),
        ("far.test", "http://sofar.test/", True),
        (".far.test", "http://so.far.test/", False),
        (".far.test", "http://far.test/", True),
        ("*.far.test", "http://so.far.test/", False),
        ("far.test:8080", "http://far.test:8080/", False),
        ("far.test:8080", "http://far.test/", True),
        ("other, 10.0.0.0/8", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://11.1.2.3/", True),
        ("10.0.0.0/8", "http://far.test/", True),
        ("10.0.0.0/99,x/y", "http://10.1.2.3/", True),
        ("fd00::/8", "http://[fd00::1]/", False),
        ("10.1.2.3", "http://10.1.2.3:99/", False),
        ("10.1.2.3:80", "http://10.1.2.3:99/", True),
        ("2.3", "http://10.1.2.3/", True),
        ("[fd00::1]:80", "http://[fd00::1]/", False),
        ("fd00::1", "http://[fd00:0::1]/", False),
        (",:80,", "http://far.test/", True),
        ("", "http://localhost/", False),
        ("", "http://127.9.9.9/", False),
        ("", "http://[::1]/", False),
        ("", "http://:80/", False),
        ("", "https://far.test/", False),
    ],
)
def test_the_environment_says_which_targets_are_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, through: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    proxy = proxy_for(urls.read(url, "Get"))
    assert (proxy is not None) == through
    if proxy is not None:
        assert str(proxy.address) == "proxy.test:3128"
