"""What every domain shares: configuration, database, problems, idempotency, chain client, projector."""
