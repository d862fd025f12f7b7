"""A scripted day in the town: three separate clients (clerk, till, phone) that know only the public API."""
