"""Numbers -> figures: charts, attention maps and tables, as SVG, as one HTML page, or as lines for a terminal.

Knows no model and no torch: whoever measured something hands over numbers and words.
"""
