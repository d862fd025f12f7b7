"""Federated logins: a real OpenID provider (npm oidc-provider), a real browser's redirects, the running API."""
