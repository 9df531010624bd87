"""Logs: durable order. `base.py` is the contract, each other file a backend."""
