"""The files of a snapshot, written to a folder as they were."""
