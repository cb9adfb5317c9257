"""Declarations about an archive, filled from its log: Markdown and PDF."""
