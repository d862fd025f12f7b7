"""Routes of what was signed without a network: late earns, allowances and their certificates, claims, proofs of fraud.

A batch answers 201 as soon as one item counts; its data names every other item with its reason. Whoever sends it
again after a lost answer loses nothing: each item counts once.
"""

from typing import Any, Final

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_config, get_services, require_actor
from app.core.proofs import build_record_proof
from app.core.town_status import read_town_status
from app.loyalty import offline
from app.loyalty.api import read_chain_id
from app.loyalty.offline_schemas import AllowancesSchema, OfflineClaimsSchema, OfflineTermsSchema
from app.loyalty.schemas import ProofQuerySchema
from app.loyalty.value_api import OWN_ACCOUNT, SIGNERS_SHOP, TransactionRoute, add_route

blp = TownBlueprint(
    "loyalty-offline", __name__, url_prefix="/v1/loyalty/offline", description="Without a network"
)

_SHOP: Final = ("till", "shop_owner")
_CITIZENS: Final = ("citizen:identity", "citizen:loyalty", "citizen:sel", "citizen:energy")
TRANSACTIONS: Final = (
    TransactionRoute(
        "/earns",
        "loyalty.earn_batch",
        _SHOP,
        SIGNERS_SHOP,
        "Send purchases a till noted without a network; each note is judged by itself.",
    ),
    TransactionRoute(
        "/keys",
        "loyalty.offline_key",
        ("operator",),
        "the signing operator's programme",
        "Name the key that signs a programme's allowances.",
    ),
    TransactionRoute(
        "/allowances",
        "loyalty.allowance",
        ("citizen:loyalty",),
        OWN_ACCOUNT,
        "Lock own points to pay with where there is no network.",
    ),
    TransactionRoute(
        "/claims",
        "loyalty.offline_claim",
        _SHOP,
        SIGNERS_SHOP,
        "Claim payments taken without a network; each is judged by itself.",
    ),
    TransactionRoute(
        "/frauds",
        "loyalty.equivocation",
        (*_CITIZENS, *_SHOP, "operator", "auditor", "clerk"),
        "the account, shop or body of the signing key; the codes prove themselves",
        "Hand in codes that no honest phone signs together.",
    ),
)

for _route in TRANSACTIONS:
    add_route(blp, _route)


@blp.get("/programmes/<slug:programme>")
@access(PUBLIC, objects="none", rule="keys and figures are public")
@blp.arguments(ProofQuerySchema, location="query")
@blp.response(200, OfflineTermsSchema)
def get_terms(args: dict[str, Any], programme: str) -> dict[str, Any]:
    """See what a till pins before it is alone: a programme's key, with its proof on demand, and the figures."""
    chain = get_services().chain
    described = offline.describe_terms(get_config(), programme, read_town_status(chain).params)
    if args["proof"]:
        record_id = b"offline_key/" + programme.encode()
        _, described["proof"] = build_record_proof(chain, "loyalty", record_id)
    return described


@blp.get("/allowances/me")
@access("citizen:loyalty", objects="self", rule="the account of the key that logged in")
@blp.response(200, AllowancesSchema)
def get_own_allowances() -> dict[str, Any]:
    """List own allowances, with the certificate the phone keeps."""
    account = require_actor().account
    return {"allowances": offline.list_allowances(get_config(), read_chain_id(), account)}


@blp.get("/claims")
@access(*_SHOP, objects="self", rule="claims of the own shop")
@blp.response(200, OfflineClaimsSchema)
def get_claims() -> dict[str, Any]:
    """List the own shop's claims, and what became of each."""
    return {"claims": offline.list_claims(require_actor().bodies)}
