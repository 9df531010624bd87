"""The commands beside `serve`, and what all of them share.

`options.py` turns rows of the settings into flags, `stores.py` has the commands that work on a store.
"""
