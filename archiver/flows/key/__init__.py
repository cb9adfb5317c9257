"""Keys that follow each other, end and are revoked, by statements of the log."""
