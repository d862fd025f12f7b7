"""The whole town in one table: which rule answers which transaction."""

from chain.town import anchors, city, devices, identity, loyalty, opening, votes
from chain.town.engine import SYSTEM_NAMESPACES
from chain.town.identity import electoral
from chain.town.rules import Router, build_router
from chain.town.settlement import tables as settlement


def town_router() -> Router:
    """Rules, due work, namespaces and first records of every domain of this release."""
    return build_router(
        rules=(
            opening.RULES,
            devices.RULES,
            city.RULES,
            identity.RULES,
            electoral.RULES,
            loyalty.RULES,
            settlement.RULES,
            anchors.RULES,
            votes.RULES,
        ),
        due=(city.DUE, identity.DUE, loyalty.DUE, settlement.DUE, votes.DUE),
        namespaces=(
            *SYSTEM_NAMESPACES,
            *identity.NAMESPACES,
            *loyalty.NAMESPACES,
            *settlement.NAMESPACES,
            *anchors.NAMESPACES,
            *votes.NAMESPACES,
        ),
        starts=(identity.init_identity,),
        anonymous=votes.ANONYMOUS_RULES,
    )
