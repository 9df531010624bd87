"""Backups: a whole state as one file, from any store and into any store.

`contents.py` says what of a state is in a backup, `state_bin.py`, `envelope.py` and `reading.py` are the file,
`stores.py` the way from a log and back into one. The command line is `registry/cli`.
"""
