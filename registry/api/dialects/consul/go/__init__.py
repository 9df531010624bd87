"""How Go reads and prints what Consul takes and gives: JSON, its types, texts and base64.

The order of the parts: `parse.py` bytes to a tree, `kinds.py` and `free.py` a value to a field, `decode.py` a tree to
the object of a request, `bodies.py` the whole way with the fast one before it; `encode.py` and `text.py` print.
"""
