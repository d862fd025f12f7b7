"""Federation: logins in progress, linked subjects, vouched-for drafts, agents' professional accounts."""

from peewee import BigIntegerField, BlobField, CharField, Model


def _models(db):
    class FederationLogin(Model):
        state_hash = CharField(max_length=64, primary_key=True)
        provider = CharField(max_length=20)
        purpose = CharField(max_length=8)
        target = CharField(max_length=43)
        phase = CharField(max_length=8)
        logout_hash = CharField(max_length=64, default="", index=True)
        sealed_id_token = BlobField(null=True)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "federation_login"

    class FederationLink(Model):
        subject_digest = CharField(max_length=64, primary_key=True)
        provider = CharField(max_length=20)
        cid = CharField(max_length=43, index=True)
        acr = CharField(max_length=64)
        linked_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "federation_link"

    class FederatedDraft(Model):
        enrolment = CharField(max_length=22, primary_key=True)
        cid = CharField(max_length=43, index=True)
        provider = CharField(max_length=20)
        acr = CharField(max_length=64)
        hits = CharField(max_length=20, default="")
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "federated_draft"

    class AgentAccess(Model):
        account_digest = CharField(max_length=64, primary_key=True)
        kid = CharField(max_length=43, index=True)
        granted_by = CharField(max_length=43)
        granted_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "agent_access"

    class AgentLogin(Model):
        kid = CharField(max_length=43, primary_key=True)
        acr = CharField(max_length=64)
        at = BigIntegerField()
        expires_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "agent_login"

    return FederationLogin, FederationLink, FederatedDraft, AgentAccess, AgentLogin


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
