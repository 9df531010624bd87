"""The same registry and client as for Consul's endpoints."""

from tests.contract.consul.conftest import consul as consul
