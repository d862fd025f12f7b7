"""Belenios protocol version 1: ballots nobody can read, an election anybody can verify.

Groups, credentials, ballots with their proofs, trustees, tally, archive, verifier. The formats are those of
`belenios-tool` 2.0, byte for byte, so that a stranger's program can check us and we can check theirs.

Never: I/O, clock, chance. Whatever needs chance takes a `RandomBytes` (`chain.votes.randomness`).
Source: Belenios specification, version 2.0 (glondu/belenios, tag 2.0, doc/specification.tex).
"""
