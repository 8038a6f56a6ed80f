"""Text -> text."""
