"""Rows of the model as JSON, where several areas show them."""
