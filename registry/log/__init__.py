"""Logs, which make writes durable and put them in order. `base` is the contract, everything else backends."""
