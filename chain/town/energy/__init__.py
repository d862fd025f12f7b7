"""Energy: neighbours share their sun as French law defines it, to the watt-hour, in functions anybody can run again.

`rounding` largest remainder · `keys` six allocation keys, storage · `market` auctions · `money` nano-euros to cents ·
`calendar` local days as data · `intervals` life cycle and versions · `roots` salted commitments and openings ·
`regimes` perimeter and power by date · `tables` readings of many points · `enedis` curves in ·
`coefficients` coefficients out, the operator's result predicted and reconciled.
Reads: its arguments.  Writes: values.  Never: state, a clock, a file. Transactions come with the chain's part.
"""
