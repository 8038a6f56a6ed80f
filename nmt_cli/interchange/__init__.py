"""Models of other toolkits: taken in, and given out."""
