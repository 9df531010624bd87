"""The work of agents: who runs which task, and where it is done.

Owns nothing that lasts: queues, what of them is under way, and counts are the state's (`state/tasks.py`).
Source: dialects.md §4.3.
"""
