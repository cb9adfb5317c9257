"""RFC 3161 tokens over checkpoints, asked for when they are due."""
