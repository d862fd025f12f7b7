"""`beffroi trustee`: a trustee's part of an election, on a machine of a body outside city hall.

`vault` the sealed secrets · `memory` what was decrypted, for ever · `ceremony` making the key · `decryption` the one
partial decryption · `command` the command line. The election as the chain proves it is `app.cli.ballot_board`.
"""
