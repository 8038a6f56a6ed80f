"""Batches -> better weights."""
