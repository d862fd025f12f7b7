"""I25: what city hall forgets of a person changes nothing the chain holds."""

from app.core.database import connected
from app.identity.register import Register
from tests.api.identity import desk_kit as kit


def test_erasing_a_citizens_file_changes_no_root_and_no_point(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 3_000, till)
    _, cid = kit.written(street)
    street.town.lab.produce()
    street.town.follow()
    before = street.api.get("/v1/status").body["app_hash"]
    with connected():
        Register(street.town.config).erase(cid, now_s=street.clock())
        assert Register(street.town.config).read_file(cid) is None
    for _ in range(3):
        street.town.lab.produce()
    street.town.follow()
    assert street.api.get("/v1/status").body["app_hash"] == before
    assert street.balance(ana) == 30
