"""Options in, one call out: one file a command. Nothing heavy is imported outside a command's body."""
