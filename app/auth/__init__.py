"""Device-key login: challenges, access tokens, and what a key is on the chain now."""
