"""The catalog and its health: `/v1/catalog/*`, `/v1/health/*` and `/v1/coordinate/*`."""
