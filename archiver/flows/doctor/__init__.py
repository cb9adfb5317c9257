"""Everything that could break the promise of an archive, looked at and tried."""
