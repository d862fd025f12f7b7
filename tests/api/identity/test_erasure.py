"""Erasure of one person, with all that a thief may hold afterwards."""

from app.core.database import connected
from app.core.projector import Projector
from app.identity.civil import compute_commitment
from app.identity.models import DuplicateIndex, Person
from app.identity.register import Register
from app.identity.retention import purge
from app.wiring import build_projections
from chain.codec.canonical import b64url_decode, b64url_encode
from tests.api.conftest import Town, close_database
from tests.api.identity import desk_kit as kit
from tests.api.identity.test_rights import end, me
from tests.api.identity.thief import steal
from tests.canary import canary, civil_of, guess_with_key, search, tokens
from tests.journeys.kit import Street


def test_after_erasure_nothing_tells_whether_the_person_was_enrolled(tmp_path):
    """The drill in small: erase, run the daily job, search everything again; the thief has the index key too."""
    street = Street(Town(tmp_path))
    phone, cid = kit.written(street, **canary(0))
    _, other = kit.written(street, **canary(1))
    opening = phone.read_identity()["opening"]
    me(street, phone, "requests", {"kind": "rectification", "wanted": canary(0)})
    kit.read(street.clerk, cid)
    saved = {p: p.read_bytes() for p in street.town.config.person_keys.rglob("*") if p.is_file()}
    with connected():
        sealed_before = bytes(Person.get_by_id(cid).sealed)
    end(street, cid)
    with connected():
        purge(Register(street.town.config), now_s=street.clock())
    places = steal(street)
    assert search(places, [canary(0)]) == []
    register = Register(street.town.config)
    key = register.index.current().key
    found = guess_with_key(tokens(places), [civil_of(canary(0)), civil_of(canary(1))], key)
    assert [person.family_name for person in found] == [canary(1)["family_name"]]
    stolen = tokens(places)
    civil = civil_of({**kit.CIVIL, **canary(0)})
    commitment = compute_commitment(civil, b64url_decode(opening["salt"]))
    assert b64url_encode(commitment).encode() in places["signed payloads"], (
        "the chain keeps an orphan"
    )
    assert all(compute_commitment(civil, salt) != commitment for salt in stolen)
    # a dump of last night is as dead: the only key that opens its sealed file is gone
    assert not register.keys._path(cid).exists()
    for path in saved:
        left = path.read_bytes() if path.exists() else b""
        assert cid not in path.name or left == b"", path
    assert sealed_before not in b"".join(places.values())
    with connected():
        assert not DuplicateIndex.select().where(DuplicateIndex.cid == cid).exists()
        assert register.read_file(other) is not None
        before = sorted(map(repr, Person.select().tuples()))
        Projector(street.town.lab.client(), street.town.lab.genesis, build_projections()).rebuild()
        assert sorted(map(repr, Person.select().tuples())) == before
    close_database()
