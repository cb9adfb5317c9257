"""A hold that is shown, extended, requested and approved to end, and released."""
