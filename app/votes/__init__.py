"""Votes as city hall runs them and as anybody reads them: drafts, rolls, the public box, results, complaints.

Casting is not here: registrations and ballots go to a relay (`app.relay`), which knows no account.
"""
