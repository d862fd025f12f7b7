"""`beffroi trustee`: a trustee's part of an election, on a machine of a body outside city hall.

`vault` the sealed secrets · `memory` what was decrypted, for ever · `board` the election as the chain proves it ·
`ceremony` making the key · `decryption` the one partial decryption · `command` the command line.
"""
