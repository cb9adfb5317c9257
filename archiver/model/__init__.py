"""The words of the archive: policy, items, tables, statements, keys, holds, findings. Pure values, no I/O."""
