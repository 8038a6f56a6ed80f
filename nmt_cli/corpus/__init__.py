"""Files -> checked pairs -> ids -> batches."""
