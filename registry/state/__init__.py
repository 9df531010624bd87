"""The state: tables in memory that are a pure function of the log. No clock, no chance, no I/O."""
