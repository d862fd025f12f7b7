"""FranceConnect, FranceConnect+ and ProConnect: who somebody is, on the word of the State's identity providers.

`settings` (the providers of this town), `fetch` (the only way out), `oidc` (the protocol), `claims` (what they
say, as a civil record), `logins` (one login from start to end), `citizens` and `agents` (what a login is for).
"""
