"""Evidence-preservation archiver: snapshots that stay provable under a legal hold."""

__version__ = "0.1.0"
