"""Where an archive stands, from local records or from a store."""
