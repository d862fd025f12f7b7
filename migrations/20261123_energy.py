"""Shared energy: what the chain says, and sealed readings, statements, orders and contracts."""

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


def _models(db):
    class Operation(Model):
        operation = CharField(max_length=32, primary_key=True)
        pmo = CharField(max_length=40, index=True)
        status = CharField(max_length=8)
        version = IntegerField()
        waiting = IntegerField(default=0)
        step_s = IntegerField()
        zone = CharField(max_length=24)
        regime = CharField(max_length=12)
        territory = CharField(max_length=8)
        adapter = CharField(max_length=32, index=True)
        correction_days = IntegerField()
        gate_s = IntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_operation"

    class OperationVersion(Model):
        operation = CharField(max_length=32)
        version = IntegerField()
        from_day = CharField(max_length=10)
        key_kind = CharField(max_length=24)
        key_hash = CharField(max_length=43)
        convention = CharField(max_length=43)
        terms = TextField()
        is_in_force = BooleanField(default=False)

        class Meta:
            database = db
            table_name = "energy_operation_version"
            primary_key = CompositeKey("operation", "version")

    class Membership(Model):
        operation = CharField(max_length=32)
        account = CharField(max_length=43, index=True)
        status = CharField(max_length=8)
        version = IntegerField()
        from_day = CharField(max_length=10, default="")
        until_day = CharField(max_length=10, default="")
        reason = CharField(max_length=16, default="")
        asked = TextField(default="")

        class Meta:
            database = db
            table_name = "energy_membership"
            primary_key = CompositeKey("operation", "account")

    class PointRow(Model):
        operation = CharField(max_length=32)
        point = CharField(max_length=43)
        name = CharField(max_length=24, index=True)
        account = CharField(max_length=43, index=True)
        side = CharField(max_length=8)
        technology = CharField(max_length=16, default="")
        peak_w = BigIntegerField(default=0)
        from_day = CharField(max_length=10, default="")
        until_day = CharField(max_length=10, default="")

        class Meta:
            database = db
            table_name = "energy_point"
            primary_key = CompositeKey("operation", "point")

    class Consent(Model):
        operation = CharField(max_length=32)
        account = CharField(max_length=43)
        purpose = CharField(max_length=16)
        act = CharField(max_length=12)
        given_at = BigIntegerField()
        withdrawn_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "energy_consent"
            primary_key = CompositeKey("operation", "account", "purpose")

    class ContractRow(Model):
        contract = CharField(max_length=43, primary_key=True)
        operation = CharField(max_length=32, index=True)
        seller = CharField(max_length=43, index=True)
        buyer = CharField(max_length=43, index=True)
        state = CharField(max_length=12)
        last = CharField(max_length=43)
        start_day = CharField(max_length=10)
        end_day = CharField(max_length=10, default="")
        effect_day = CharField(max_length=10, default="")

        class Meta:
            database = db
            table_name = "energy_contract"

    class ContractStepRow(Model):
        contract = CharField(max_length=43)
        number = IntegerField()
        step = CharField(max_length=12)
        transaction = CharField(max_length=43)
        previous = CharField(max_length=43, default="")
        effect_day = CharField(max_length=10, default="")
        height = BigIntegerField()
        time = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_contract_step"
            primary_key = CompositeKey("contract", "number")

    class DayRow(Model):
        operation = CharField(max_length=32)
        day = CharField(max_length=10)
        state = CharField(max_length=12)
        count = IntegerField()
        steps = IntegerField()
        readings = CharField(max_length=43)
        readings_version = IntegerField()
        version = IntegerField(default=0)
        root = CharField(max_length=43, default="")
        totals = TextField(default="")
        witnesses = CharField(max_length=255, default="")
        open_challenges = IntegerField(default=0)
        allocated_at = BigIntegerField(default=0)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_day"
            primary_key = CompositeKey("operation", "day")

    class DayVersion(Model):
        operation = CharField(max_length=32)
        day = CharField(max_length=10)
        kind = CharField(max_length=10)
        version = IntegerField()
        root = CharField(max_length=43)
        previous = CharField(max_length=43, default="")
        readings_version = IntegerField()
        roots = TextField()
        payload_hash = CharField(max_length=64)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_day_version"
            primary_key = CompositeKey("operation", "day", "kind", "version")

    class Challenge(Model):
        challenge = CharField(max_length=43, primary_key=True)
        operation = CharField(max_length=32, index=True)
        day = CharField(max_length=10)
        version = IntegerField()
        account = CharField(max_length=43)
        verdict = CharField(max_length=8, default="")
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_challenge"

    class OrderRow(Model):
        operation = CharField(max_length=32)
        start = BigIntegerField()
        commitment = CharField(max_length=43)
        account = CharField(max_length=43, index=True)
        seq = IntegerField()
        is_standing = BooleanField(default=True)

        class Meta:
            database = db
            table_name = "energy_order"
            primary_key = CompositeKey("operation", "start", "commitment")

    class MonthRow(Model):
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        number = IntegerField()
        root = CharField(max_length=43)
        previous = CharField(max_length=43, default="")
        count = IntegerField()
        totals = TextField()
        payload_hash = CharField(max_length=64)
        height = BigIntegerField()
        time = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_month"
            primary_key = CompositeKey("operation", "month", "number")

    class Holding(Model):
        account = CharField(max_length=43)
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        energy_wh = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_holding"
            primary_key = CompositeKey("account", "operation", "month")

    class CreditLine(Model):
        id = CharField(max_length=72, primary_key=True)
        account = CharField(max_length=43, index=True)
        other = CharField(max_length=43, default="")
        kind = CharField(max_length=8)
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        energy_wh = BigIntegerField()
        height = BigIntegerField()
        time = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_credit_line"

    class ConventionRow(Model):
        commitment = CharField(max_length=43, primary_key=True)
        operation = CharField(max_length=32, index=True)
        document = TextField()
        salt = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "energy_convention"

    class MemberFile(Model):
        operation = CharField(max_length=32)
        account = CharField(max_length=43)
        sealed = BlobField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_member_file"
            primary_key = CompositeKey("operation", "account")

    class PointLookup(Model):
        operation = CharField(max_length=32)
        digest = CharField(max_length=64)
        point = CharField(max_length=43)
        account = CharField(max_length=43, index=True)

        class Meta:
            database = db
            table_name = "energy_point_lookup"
            primary_key = CompositeKey("operation", "digest")

    class MeterFile(Model):
        operation = CharField(max_length=32)
        digest = CharField(max_length=64)
        form = CharField(max_length=12)
        first_day = CharField(max_length=10)
        last_day = CharField(max_length=10)
        columns = IntegerField()
        revision = IntegerField()
        at = BigIntegerField()
        by = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "energy_meter_file"
            primary_key = CompositeKey("operation", "digest")

    class MeterDay(Model):
        operation = CharField(max_length=32)
        day = CharField(max_length=10)
        series = CharField(max_length=40)
        revision = IntegerField()
        account = CharField(max_length=43, index=True)
        sealed = BlobField()

        class Meta:
            database = db
            table_name = "energy_meter_day"
            primary_key = CompositeKey("operation", "day", "series", "revision")

    class SharedDay(Model):
        operation = CharField(max_length=32)
        day = CharField(max_length=10)
        series = CharField(max_length=40)
        version = IntegerField()
        account = CharField(max_length=43, index=True)
        sealed = BlobField()

        class Meta:
            database = db
            table_name = "energy_shared_day"
            primary_key = CompositeKey("operation", "day", "series", "version")

    class StatementFile(Model):
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        number = IntegerField()
        account = CharField(max_length=43, index=True)
        root = CharField(max_length=43)
        sealed = BlobField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_statement_file"
            primary_key = CompositeKey("operation", "month", "number", "account")

    class IssueRow(Model):
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        number = IntegerField()
        root = CharField(max_length=43)
        versions = TextField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_issue"
            primary_key = CompositeKey("operation", "month", "number")

    class InvoiceFile(Model):
        number = CharField(max_length=64, primary_key=True)
        operation = CharField(max_length=32)
        month = CharField(max_length=7)
        issue = IntegerField()
        seller = CharField(max_length=43, index=True)
        buyer = CharField(max_length=43, index=True)
        sealed = BlobField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_invoice_file"
            indexes = ((("operation", "month"), False),)

    class OrderFile(Model):
        operation = CharField(max_length=32)
        start = BigIntegerField()
        commitment = CharField(max_length=43)
        account = CharField(max_length=43, index=True)
        sealed = BlobField()

        class Meta:
            database = db
            table_name = "energy_order_file"
            primary_key = CompositeKey("operation", "start", "commitment")

    class ContractFile(Model):
        contract = CharField(max_length=43, primary_key=True)
        operation = CharField(max_length=32)
        account = CharField(max_length=43, index=True)
        sealed = BlobField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_contract_file"

    class Reconciled(Model):
        operation = CharField(max_length=32)
        first_day = CharField(max_length=10)
        last_day = CharField(max_length=10)
        digest = CharField(max_length=43)
        difference_wh = BigIntegerField()
        beyond = IntegerField()
        tolerance_wh = BigIntegerField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "energy_reconciled"
            primary_key = CompositeKey("operation", "first_day", "last_day", "digest")

    return (
        Operation,
        OperationVersion,
        Membership,
        PointRow,
        Consent,
        ContractRow,
        ContractStepRow,
        DayRow,
        DayVersion,
        Challenge,
        OrderRow,
        MonthRow,
        Holding,
        CreditLine,
        ConventionRow,
        MemberFile,
        PointLookup,
        MeterFile,
        MeterDay,
        SharedDay,
        StatementFile,
        IssueRow,
        InvoiceFile,
        OrderFile,
        ContractFile,
        Reconciled,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
