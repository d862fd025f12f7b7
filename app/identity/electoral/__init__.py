"""The electoral axis off the chain: the register's extract, whom it names, and what the chain says of both.

`extract` (the file), `matching` (who is in it), `models` and `service` (the chain's word in SQL), `api`.
"""
