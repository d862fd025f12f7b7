"""Settlement: what shops owe each other for points spent elsewhere, netted once a week into few payments.

`netting` the arithmetic, pure · `records` what is kept · `obligations` the by-product of every spend and refund ·
`closing` the weekly batch at block end · `marks` acknowledged, disputed, paid · `overdue` what happens when it is not ·
`standing`, `members` who may give and take · `guarantee` shops that failed · `watch` what circulates.
An obligation is in millicents (thousandths of a euro cent), because a point may be worth less than a cent; payments
are in cents. `records`, `netting`, `obligations` and `standing` know nothing of the loyalty ledger, which calls them.
Reads: programme versions, issuers' totals, shops.  Writes: namespace settlement.  Never: a lot, a bank account.
"""
