"""Loyalty without a network: what tills and phones signed meanwhile, judged when it comes in.

`batches` items each judged by itself · `late` purchases a till wrote down · `records` `codes` what is kept and shown ·
`allowances` the lock and its end · `claims` what shops took · `frauds` proofs against a phone · `till` the reference
library of a till, without I/O.
Reads: accounts, roles, parameters.  Writes: namespace loyalty, the status of an account whose key was caught.
"""
