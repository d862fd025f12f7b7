"""The voter's own side of an election, for any client.

`keys` secret of a vote out of the words · `kit` words and their picture, the retyping · `request` blind requests and
the registration · `audit` a ballot opened for a second device · `revote` an earlier ballot called back. Making the
ballot itself is `chain.votes.ballot`.
"""
