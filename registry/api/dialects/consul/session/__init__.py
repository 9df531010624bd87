"""Sessions: `/v1/session/*`."""
