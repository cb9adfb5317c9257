"""One run over the sources: what is seen, read, stored once and accounted for."""
