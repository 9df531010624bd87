"""The benchmark: this registry and a real Consul on one machine, in one run, under one load."""
