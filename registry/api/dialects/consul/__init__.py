"""Consul's HTTP API.

The parts: `dialect.py` puts them together, `routes.py` is the table, `routing.py` how a request finds its
row, one file for each area of endpoints, `wire*.py` what answers look like, `godecode.py` how bodies are
read, `errors.py` the words for errors.
"""
