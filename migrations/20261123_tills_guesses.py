"""Wrong PINs by employee; counts of before are dropped, so a locked till may try again."""

from peewee import CharField, CompositeKey, IntegerField, Model


def _before(db):
    class TillGuess(Model):
        till = CharField(max_length=43, primary_key=True)
        wrong = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "till_guess"

    return TillGuess


def _after(db):
    class TillGuess(Model):
        till = CharField(max_length=43)
        employee = CharField(max_length=22)
        wrong = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "till_guess"
            primary_key = CompositeKey("till", "employee")

    return TillGuess


def up(_migrator, db):
    db.drop_tables((_before(db),))
    db.create_tables((_after(db),), safe=False)


def down(_migrator, db):
    db.drop_tables((_after(db),))
    db.create_tables((_before(db),), safe=False)
