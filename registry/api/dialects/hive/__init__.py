"""The Neural Hive-Mind's registry over gRPC.

The parts: `server.py` puts them together, `edge.py` is what every call passes through, `service.py` the calls,
`watch.py` the one that streams, `wire.py` what agents look like, `filters.py` and `ranking.py` which are found and in
what order, `errors.py` the words for errors, `security.py` who may call. `service_registry.proto` is the interface;
`generated/` is made of it by `scripts/protos`. Nothing but `figures.py` may be imported where grpcio is missing.
Source: dialects.md §5.
"""
