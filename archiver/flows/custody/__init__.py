"""What happened to an item from collection to today, from the statements of the log."""
