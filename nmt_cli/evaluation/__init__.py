"""Texts -> numbers: how good an output is, whether two differ by more than chance, and what is wrong with a bad one.

Knows no model and no torch: whatever wrote the text is judged alike.
"""
