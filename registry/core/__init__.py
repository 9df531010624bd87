"""The engine: one path for writes, one for reads, and what happens by itself as time goes by."""
