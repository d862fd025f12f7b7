"""Routes of what was signed without a network: late earns in batches.

A batch answers 201 as soon as one item counts; its data names every other item with its reason. Whoever sends it
again after a lost answer loses nothing: each item counts once.
"""

from typing import Final

from app.core.blueprint import TownBlueprint
from app.loyalty.value_api import SIGNERS_SHOP, TransactionRoute, add_route

blp = TownBlueprint(
    "loyalty-offline", __name__, url_prefix="/v1/loyalty/offline", description="Without a network"
)

TRANSACTIONS: Final = (
    TransactionRoute(
        "/earns",
        "loyalty.earn_batch",
        ("till", "shop_owner"),
        SIGNERS_SHOP,
        "Send purchases a till noted without a network; each note is judged by itself.",
    ),
)

for _route in TRANSACTIONS:
    add_route(blp, _route)
