"""2D-Doc: the State-recognised signed barcode on invoices and notices, read and verified as a proof of residence.

`code` (the format), `trust` (who may sign), `picture` (Data Matrix), `residence` (the verdict at the desk).
"""
