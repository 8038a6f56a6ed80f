"""Measurements, each alone on the machine; ``make bench`` runs them all. Every claim of speed comes from here."""
