"""The languages clients speak, one folder each; no dialect imports another."""
