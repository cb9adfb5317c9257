"""The catalog: what the log and its items say, indexed for quick answers (SQLite in the state folder).

It holds nothing that the store does not hold; `archiver catalog rebuild` makes it again from there. Normal work and
rebuilding feed it through the same two doors, `absorb` for statements and `absorb_items` for the lines of a snapshot.
"""
