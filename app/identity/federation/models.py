"""Tables of federated logins: one login in progress, who is linked to whom, which agents may log in, and when they did.

Providers' subjects, agents' accounts and states are kept as keyed or plain hashes of high-entropy values only.
They exist only here; rows of an erased person go with `Register.erase`.
"""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField

from app.core.database import Row

HASH_CHARS: Final = 64


class FederationLogin(Row):
    """One login, by the hash of its state; everything else follows from the secret that only the app holds."""

    state_hash = CharField(max_length=HASH_CHARS, primary_key=True)
    provider = CharField(max_length=20)
    purpose = CharField(max_length=8)
    target = CharField(max_length=43)
    """Enrolment id, cid, or the agent's kid."""
    phase = CharField(max_length=8)
    logout_hash = CharField(max_length=HASH_CHARS, default="", index=True)
    sealed_id_token = BlobField(null=True)
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `federation_login`."""

        table_name = "federation_login"


class FederationLink(Row):
    """A provider's subject that is this person; one person may have several (a new name makes a new subject)."""

    subject_digest = CharField(max_length=HASH_CHARS, primary_key=True)
    provider = CharField(max_length=20)
    cid = CharField(max_length=43, index=True)
    acr = CharField(max_length=64)
    linked_at = BigIntegerField()

    class Meta:
        """Table `federation_link`."""

        table_name = "federation_link"


class FederatedDraft(Row):
    """An enrolment that a provider vouched for and no agent has signed yet."""

    enrolment = CharField(max_length=22, primary_key=True)
    cid = CharField(max_length=43, index=True)
    provider = CharField(max_length=20)
    acr = CharField(max_length=64)
    hits = CharField(max_length=20, default="")
    """Kinds of duplicate index that met, comma-separated: an agent decides."""
    at = BigIntegerField()

    class Meta:
        """Table `federated_draft`."""

        table_name = "federated_draft"


class AgentAccess(Row):
    """A professional account that may speak for one agent's key."""

    account_digest = CharField(max_length=HASH_CHARS, primary_key=True)
    kid = CharField(max_length=43, index=True)
    granted_by = CharField(max_length=43)
    granted_at = BigIntegerField()

    class Meta:
        """Table `agent_access`."""

        table_name = "agent_access"


class AgentLogin(Row):
    """The last professional login, with second factor, of one agent's key."""

    kid = CharField(max_length=43, primary_key=True)
    acr = CharField(max_length=64)
    at = BigIntegerField()
    expires_at = BigIntegerField()

    class Meta:
        """Table `agent_login`."""

        table_name = "agent_login"


TABLES: Final = (FederationLogin, FederationLink, FederatedDraft, AgentAccess, AgentLogin)
