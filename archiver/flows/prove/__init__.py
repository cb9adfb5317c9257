"""One record or a range of bytes shown to somebody without the rest."""
