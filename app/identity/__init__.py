"""Who is a citizen: desk enrolment, pending identities, batches to the chain, key rotation and status.

Civil data never leaves this package in clear except towards the citizen and the clerk at the desk.
"""
