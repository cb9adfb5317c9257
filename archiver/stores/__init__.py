"""Stores: places where objects are put once, read, listed and locked.

One interface (`base.Store`, five verbs), two implementations: a folder that records locks, an S3 bucket that enforces
them. There is no overwrite and no delete anywhere on this floor.
"""
