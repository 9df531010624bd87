"""What is registered, whoever sends it: the agent, the catalog, a transaction or a configuration file.

The order of the parts: `bodies*.py` fields and types, `validation*.py` what is refused, and the rest what it becomes.
"""
