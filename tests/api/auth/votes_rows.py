"""Rows of the authorisation matrix for votes: who publishes, decides, keeps a key."""

from secrets import token_bytes

import msgspec

from chain.town.votes_schemas import (
    ElectionCreate,
    ElectionRestart,
    TrusteeKeyGiven,
    VoteCalendar,
    VoteProof,
)
from chain.votes.groups import get_group
from chain.votes.randomness import draw_scalar
from chain.votes.trustees import make_trustee_key
from tests.api.auth.matrix_world import Asked, Row, World
from tests.api.votes.hall_kit import Hall
from tests.api.votes.votes_kit import draft_request

VOTE_OFFICES = (("registrar", "coop"), ("trustee", "mairie"), ("trustee", "dehors"))
PLACES = {
    "registrars": ["coop"],
    "registrars_threshold": 1,
    "trustees": ["mairie", "dehors"],
}
"""Within the four bodies of the matrix: more would be more seats in its council."""
REFUSED_BY_CHAIN = frozenset({403, 404, 409})


def _draft(world: World) -> ElectionCreate:
    asked = Asked("/v1/votes/drafts", draft_request(world.street.clock(), **PLACES))
    drafted = world.ask("POST", asked, "supervisor")
    assert drafted.status_code == 201, drafted.json
    return msgspec.convert(drafted.json["body"], ElectionCreate)


def _publish(world: World, sender: str) -> Asked:
    return world.tx("/v1/votes/elections", _draft(world), sender, world.signers["supervisor"])


def _published(world: World) -> ElectionCreate:
    body = _draft(world)
    signer = world.signers["supervisor"]
    asked = world.tx("/v1/votes/elections", body, "body:commerces", signer)
    assert world.ask("POST", asked, "supervisor").status_code == 201
    return body


def _restart(world: World, sender: str) -> Asked:
    body = _published(world)
    again = ElectionRestart(body.election, "single", body.trustees, body.trustees_threshold)
    return world.tx("/v1/votes/decisions", again, sender, world.signers["supervisor"])


def _give_key(world: World, place: int) -> Asked:
    election, group = _published(world).election, get_group("Ed25519")
    assert group is not None
    made = make_trustee_key(group, draw_scalar(group, token_bytes), token_bytes)
    proof = VoteProof(made.pok.challenge, made.pok.response)
    given = TrusteeKeyGiven(election, place, made.public_key, proof)
    return world.tx("/v1/votes/offices", given, "body:mairie", world.signer("a trustee"))


def _issuing(world: World) -> Hall:
    """An election in which citizens of this town may ask: one for all, since a registrar's key serves once."""
    if "issuing" in world.kept:
        return world.kept["issuing"]
    hall = world.kept["issuing"] = Hall(world.street.town, world.signers["supervisor"], "commerces")
    soon = world.street.clock() + 100  # logins of the matrix last ten minutes
    dates = (soon, soon + 3_600, soon + 7_200, soon + 10_800, soon + 14_400, soon + 18_000)
    calendar = dict(zip(VoteCalendar.__struct_fields__, dates, strict=True))
    hall.prepare(policy="budget", legal_kind="budget_participatif", calendar=calendar, **PLACES)
    return hall


def _request(world: World, cid: str) -> Asked:
    signer = world.signers["citizen:identity"]
    _, body = _issuing(world).make_request(signer, world.objects[cid])
    return world.tx("/v1/votes/requests", body, signer.kid, signer)


VOTES_ROWS = {
    "POST /v1/votes/requests": Row(
        "citizen:identity",
        own=lambda w: _request(w, "cid"),
        other=lambda w: _request(w, "other cid"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/votes/elections": Row(
        "supervisor",
        own=lambda w: _publish(w, "body:commerces"),
        other=lambda w: _publish(w, "body:mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/votes/decisions": Row(
        "supervisor",
        own=lambda w: _restart(w, "body:commerces"),
        other=lambda w: _restart(w, "body:mairie"),
        refused=REFUSED_BY_CHAIN,
    ),
    "POST /v1/votes/offices": Row(
        "a trustee",
        own=lambda w: _give_key(w, 1),
        other=lambda w: _give_key(w, 2),
        refused=REFUSED_BY_CHAIN,
    ),
}
