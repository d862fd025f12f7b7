"""Shared energy at the API: meter files in, coefficients out, statements, invoices, pictures, each one's own view.

Readings stay here, sealed under a key per member (`keys`); the chain holds roots and sums. `convention`, `month`,
`statements`, `documents`, `charts` and `audit` are pure; `readings`, `results`, `service` hold the rows.
"""
