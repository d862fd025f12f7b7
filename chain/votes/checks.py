"""What a verifier can find wrong, one name per check, and the shape of a finding."""

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """A check that failed. The names are stable: tests, tools and the chain's refusals use them."""

    # the file
    ARCHIVE_FORM = "archive_form"
    """Not the bytes that writing its records again gives (padding, header fields, trailing blocks)."""
    RECORD_HASH = "record_hash"
    """A record's name is not the SHA-256 of its body."""
    RECORD_ORDER = "record_order"
    """An event is not preceded by exactly the records it stands for."""
    EVENT_FORM = "event_form"
    """An event, setup, tally or owner record that is not canonical JSON of its shape."""
    EVENT_CHAIN = "event_chain"
    """Heights do not count up by one, or a parent is not the event before."""
    EVENT_ORDER = "event_order"
    """Events out of the order Setup, Ballot…, EndBallots, EncryptedTally, PartialDecryption…, Result."""

    # setup
    ELECTION_FORM = "election_form"
    TRUSTEES_FORM = "trustees_form"
    TRUSTEE_PROOF = "trustee_proof"
    """A trustee's key is no proper group member, or the proof of knowing the private key fails."""
    TRUSTEE_CERTIFICATE = "trustee_certificate"
    """A certificate or the signed coefficients of a threshold trustee do not verify."""
    TRUSTEE_KEY = "trustee_key"
    """A verification key is not the one the published coefficients give."""
    ELECTION_KEY = "election_key"
    """The election's key is not the product of its trustees' keys."""
    CREDENTIALS_FORM = "credentials_form"
    CREDENTIAL_MEMBER = "credential_member"
    """A public credential is no proper group member."""
    DUPLICATE_CREDENTIAL = "duplicate_credential"

    # ballots
    BALLOT_FORM = "ballot_form"
    """Not canonical JSON of a ballot, or another number of answers, choices or proofs than asked."""
    BALLOT_ELECTION = "ballot_election"
    """Made for another election (uuid or fingerprint)."""
    UNKNOWN_CREDENTIAL = "unknown_credential"
    BALLOT_SIGNATURE = "ballot_signature"
    BALLOT_MEMBER = "ballot_member"
    """A ciphertext outside the group, or with alpha = 1, which would be a vote in clear."""
    BALLOT_PROOF = "ballot_proof"
    """A choice is not shown to be 0 or 1, or the choices not within the question's bounds."""
    DUPLICATE_BALLOT = "duplicate_ballot"
    """The same ballot twice: a superseded vote put back undoes a revote."""

    # counting
    TALLY_COUNT = "tally_count"
    TALLY_WEIGHT = "tally_weight"
    TALLY_CIPHERTEXTS = "tally_ciphertexts"
    """The published encrypted tally is not the product of the last ballots."""
    DECRYPTION_FORM = "decryption_form"
    DECRYPTION_OWNER = "decryption_owner"
    """No such trustee."""
    DUPLICATE_DECRYPTION = "duplicate_decryption"
    DECRYPTION_PROOF = "decryption_proof"
    MISSING_DECRYPTION = "missing_decryption"
    """A result without the partial decryptions it needs."""
    RESULT_FORM = "result_form"
    RESULT_VALUE = "result_value"
    """The published result is not what the decrypted tally says."""

    # two archives
    NOT_A_PREFIX = "not_a_prefix"
    """The earlier archive is not the beginning of this one: something published was changed."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One failed check, in words for a person."""

    check: Check
    detail: str
    event: int | None = None
    """Height of the event of an archive that failed, None where no event is at fault."""

    def at(self, place: str) -> "Flaw":
        """The same flaw, saying where."""
        return Flaw(self.check, f"{place}: {self.detail}", self.event)

    def at_event(self, height: int, what: str = "") -> "Flaw":
        """The same flaw, naming the event, and what in it when there is more to say."""
        place = f"event {height}, {what}" if what else f"event {height}"
        return Flaw(self.check, f"{place}: {self.detail}", height)
