"""Consul's HTTP API.

`dialect.py` puts the parts together, `routes.py` is the table of endpoints, `routing.py` how a request finds its row,
`errors.py` the words for errors. `params.py`, `reads.py` and `selectors.py` are what endpoints have in common:
parameters, answers, filters. Each folder is an area of endpoints, but for three that areas share: `go/` is how Go reads
and prints JSON, `registration/` the way from a body to a command, `wire/` the JSON of rows.
"""
