"""The interface's pages: `/v1/internal/ui/*`."""
