"""Strings to ids and back. Knows no torch, no files of a corpus and no model."""
