"""What models and search both know, so that they need not know each other: scores, states, the layout of rows."""
