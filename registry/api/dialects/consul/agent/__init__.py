"""The agent's interface: `/v1/agent/*`."""
