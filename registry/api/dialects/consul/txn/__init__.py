"""Transactions: `/v1/txn`."""
