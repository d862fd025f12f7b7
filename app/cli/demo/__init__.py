"""A scripted day in the town: three separate clients (clerk, till, phone) that know only the public API.

`stage` runs the real processes · `story` acts and checks · `report` tells · `cast` who plays · `clerk`, `till`,
`phone`, `association` the clients, on `client`, `http`, `wallet`, `verify` · `sample` data of `beffroi up`.
"""
