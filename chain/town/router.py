"""The whole town in one table: which rule answers which transaction."""

from chain.town import anchors, city, devices, identity, loyalty, opening, votes
from chain.town.energy import onchain as energy
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
            energy.RULES,
            anchors.RULES,
            votes.RULES,
        ),
        due=(city.DUE, identity.DUE, loyalty.DUE, settlement.DUE, energy.DUE, votes.DUE),
        namespaces=(
            *SYSTEM_NAMESPACES,
            *identity.NAMESPACES,
            *loyalty.NAMESPACES,
            *settlement.NAMESPACES,
            *energy.NAMESPACES,
            *anchors.NAMESPACES,
            *votes.NAMESPACES,
        ),
        starts=(identity.init_identity,),
        anonymous=votes.ANONYMOUS_RULES,
    )
