"""Energy: neighbours share their sun as French law defines it, to the watt-hour, in functions anybody can run again.

`rounding` largest remainder · `keys` six allocation keys, storage · `market` auctions · `money` nano-euros to cents ·
`calendar` local days as data · `intervals` life cycle and versions · `roots` salted commitments and openings ·
`regimes` perimeter and power by date · `tables` readings of many points · `enedis` curves in ·
`coefficients` coefficients out, the operator's result predicted and reconciled · `perimeter` `commitments` `batches`
what the chain is told of all that · `records` what it keeps · `onchain` the transactions.
Reads: its arguments, and in `onchain` the state.  Writes: values, records.  Never: a clock, a file.
"""
