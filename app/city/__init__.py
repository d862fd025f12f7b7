"""The city: bodies, council, roles, acts."""
