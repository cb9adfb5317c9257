"""Derived tables: what dialects read in the rows of batches, written beside the evidence, and derived again."""
