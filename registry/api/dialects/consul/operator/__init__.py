"""What operators ask and tell: `/v1/operator/*` and `/v1/snapshot`."""
