"""The log in Redis: any number of processes on many machines over one truth. The protocol: docs/redis.md."""
