"""API keys: what they may do, how they are recognised, and each service's own copy of their records."""
