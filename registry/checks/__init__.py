"""Health checks that are run from here: one probe for each type, and the runner that keeps their times.

Owns what is sent to a target and what its answer means. Which replica runs a check, and what becomes of a
result, is decided by those who hand the runner its definitions.
"""
