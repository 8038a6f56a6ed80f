"""Measuring this machine: how fast our engine learns and translates on it, and how much of what it could do that is."""
