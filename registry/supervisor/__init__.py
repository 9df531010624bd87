"""Several processes as one server: `registry serve --workers N`.

`parent.py` starts the workers and stops them, `link.py` is a worker's end of the line to it. Between the two
go the messages of `messages.py`; `questions.py`, `sums.py` and `ledger.py` make one answer of many.

A worker is a fork of a parent that has no thread, no event loop and no connection. So settings, passwords
among them, are read once and travel nowhere; the modules are in memory once; and a worker that is started
again after an upgrade of the files on the disk still runs the program that its siblings run.
"""
