"""A Consul-compatible registry of services and agents over one replicated log."""

__version__ = "0.1.0"
