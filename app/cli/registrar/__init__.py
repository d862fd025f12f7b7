"""`beffroi registrar`: the program of a body that issues credentials, on a machine of its own.

`keyring` blind-signing keys, sealed · `register` the election as the chain proves it · `memory` what was signed, for
ever · `signing` the checks and the signatures · `command` the command line.
"""
