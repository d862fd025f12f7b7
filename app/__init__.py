"""The town's API: relays signed transactions, projects the chain into SQL, serves phones, tills and city hall."""
