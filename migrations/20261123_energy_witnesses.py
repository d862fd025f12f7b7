"""Names of a day's witnesses without a limit: sixteen bodies pass 255 characters."""

from peewee import CharField, TextField


def up(migrator, _db):
    migrator.migrate(migrator.alter_column_type("energy_day", "witnesses", TextField(default="")))


def down(migrator, _db):
    migrator.migrate(
        migrator.alter_column_type("energy_day", "witnesses", CharField(max_length=255, default=""))
    )
