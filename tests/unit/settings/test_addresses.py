"""Which address a server gives as its own."""

import pytest

from registry.settings import Settings
from registry.settings import addresses as settings_addresses
from registry.settings.addresses import advertised_address


@pytest.fixture
def interfaces(monkeypatch):
    """Sets the addresses of the machine's interfaces."""

    def given(*addresses):
        monkeypatch.setattr(settings_addresses, "interface_addresses", lambda: list(addresses))

    return given


def test_the_advertised_address_counts_first():
    assert advertised_address(Settings(advertise="192.0.2.1", bind="192.0.2.2")) == "192.0.2.1"


def test_else_the_address_that_is_listened_on():
    assert advertised_address(Settings(bind="192.0.2.2")) == "192.0.2.2"


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
def test_else_the_first_private_one_of_the_machine(interfaces, every):
    interfaces("127.0.0.1", "8.8.4.4", "169.254.1.1", "10.1.2.3", "192.168.1.1")
    assert advertised_address(Settings(bind=every)) == "10.1.2.3"


def test_the_shared_address_space_is_private(interfaces):
    """Source: RFC 6598; Consul counts it so too."""
    interfaces("100.64.3.3")
    assert advertised_address(Settings(bind="0.0.0.0")) == "100.64.3.3"


def test_a_machine_without_a_private_address_shows_the_loopback(interfaces):
    interfaces("127.0.0.1", "8.8.4.4")
    assert advertised_address(Settings(bind="0.0.0.0")) == "127.0.0.1"


def test_the_interfaces_of_this_machine_are_found():
    assert "127.0.0.1" in settings_addresses.interface_addresses()
