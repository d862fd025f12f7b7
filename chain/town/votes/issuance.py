"""Credentials: registrars' keys, a citizen's request, blind signatures, the anonymous registration, the freeze.

    registrar.keys   phase sealed            each registrar publishes a modulus per station
    issue.request    phase issuance, opens <= t < issuance_closes
    issue.sign       phase issuance
    cred.register    phase registration, t < registration_closes      anonymous
    roll.freeze      phase registration, t >= registration_closes     then `sealing.start_freeze`

Reads: identities, rolls.  Writes: namespace votes, tables registrar, key, modulus, request, station, count, credential.
"""

from typing import Final

from chain.town.rules import AnonymousRules, Rules

RULES: Final[Rules] = {}
ANONYMOUS_RULES: Final[AnonymousRules] = {}
