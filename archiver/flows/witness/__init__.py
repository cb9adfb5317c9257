"""Somebody else who remembers the log, demands consistency and cosigns."""
