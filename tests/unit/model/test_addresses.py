"""What kind of address a text is, and the tagged addresses that follow from an instance's own (agent.md §6)."""

import pytest

from registry.model.addresses import default_addresses, ip_version, with_default_addresses
from registry.model.service import Instance, ServiceAddress


@pytest.mark.parametrize(
    ("address", "version"),
    [
        ("10.0.0.1", 4),
        ("255.255.255.255", 4),
        ("::ffff:1.2.3.4", 4),  # Go takes it for version 4
        ("::1", 6),
        ("2001:db8::1", 6),
        ("1:2:3:4:5:6:1.2.3.4", 6),
        ("", 0),
        ("host.example", 0),
        ("010.0.0.1", 0),
        ("1.2.3", 0),
        ("256.0.0.1", 0),
        ("fe80::1%eth0", 0),
        ("[::1]", 0),
        ("::1\x00", 0),
        ("1.2.3.4\x00", 0),
        ("١.٢.٣.٤", 0),
        ("\ud800", 0),
    ],
)
def test_tells_literal_addresses_from_names(address, version):
    assert ip_version(address) == version


@pytest.mark.parametrize(("address", "tags"), [("10.0.0.1", "ipv4"), ("2001:db8::1", "ipv6")])
def test_a_literal_address_is_also_the_lan_and_wan_address(address, tags):
    own = ServiceAddress(address, 80)
    assert default_addresses(address, 80, None) == {f"lan_{tags}": own, f"wan_{tags}": own}


def test_addresses_that_were_given_stay():
    wan = ServiceAddress("198.18.0.1", 81)
    addresses = default_addresses("10.0.0.1", 80, {"wan_ipv4": wan, "other": wan})
    assert addresses == {"wan_ipv4": wan, "other": wan, "lan_ipv4": ServiceAddress("10.0.0.1", 80)}


@pytest.mark.parametrize("address", ["", "host.example"])
def test_no_address_follows_from_a_name_or_from_none(address):
    assert default_addresses(address, 80, None) is None
    assert default_addresses(address, 80, {}) is None
    given = {"lan": ServiceAddress("x", 1)}
    assert default_addresses(address, 80, given) == given


def test_an_instance_gets_them_with_its_port():
    instance = Instance(node="n", id="a", name="a", address="10.0.0.1", port=21000)
    tagged = with_default_addresses(instance).tagged_addresses
    assert tagged is not None
    assert tagged["lan_ipv4"] == ServiceAddress("10.0.0.1", 21000)
