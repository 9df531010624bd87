"""The KV store: `/v1/kv`."""
