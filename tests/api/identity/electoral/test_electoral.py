"""The commission matches an extract of the register with the enrolled, signs, and the town shows what came of it."""

import json
from itertools import count

import pytest
from click.testing import CliRunner

from app.cli.demo.client import login
from app.cli.demo.http import new_key
from app.cli.electoral import electoral as command
from app.core.database import connected, write
from app.identity.electoral.extract import ExtractMalformed, count_stations, read_extract
from app.identity.electoral.matching import compute_root, match_extract
from app.identity.electoral.service import add_months, compute_age_years, describe_axes
from app.identity.models import IdentityRow
from chain.town.application import StoreReader
from chain.town.envelope import build_transaction
from chain.town.identity import axes as chain_axes
from chain.town.schemas import (
    ElectoralEnrol,
    ElectoralImport,
    ElectoralStrike,
    ElectorEntry,
    StationCount,
)
from tests.api.conftest import Town, close_database
from tests.journeys.kit import Street
from tests.town.town_kit import GENESIS_S, key

HEADER = "Nom de naissance;Nom d’usage;Prénoms;Date de naissance;Code commune de naissance;Code du bureau de vote"
NONCES = count(1)


def line(
    family="LEFEVRE", given="Ana Marie", born="29/02/1984", place="59350", station="0001", usage=""
):
    return f"{family};{usage};{given};{born};{place};{station}"


def extract(*lines: str, header: str = HEADER) -> bytes:
    return "\r\n".join(["\ufeff" + header, *lines, ""]).encode()


def crowd(station: str, size: int):
    """Electors of the station whom the town does not know."""
    return [
        line(f"INCONNU {chr(65 + n % 26)}{chr(65 + n // 26)}", station=station) for n in range(size)
    ]


@pytest.fixture
def enrolled(tmp_path):
    """(street, phones): Ana, her twin Rose and Bob, active on the chain."""
    street = Street(Town(tmp_path))
    phones = {name: street.new_phone(name) for name in ("ana", "bob")}
    street.enrol(phones["ana"], family_name="Lefèvre")
    street.enrol(phones["bob"], family_name="Diallo", given_names=["Bob"], birthdate="1951-00-00", birthplace="",
                 birthcountry="99335")  # fmt: skip
    clerk = street.clerk
    assert clerk.write_batch(clerk.read_batch()["attestations"]).is_ok
    for phone in phones.values():
        phone.read_identity()
    yield street, phones
    close_database()


def act(street, body, by="electoral_commission@dehors", sender="body:dehors"):
    signer, nonce = key(by), next(NONCES).to_bytes(16, "big")
    street.town.give_passkey(signer)
    until = street.clock() + 600
    tx = build_transaction(street.facts.town, sender, body, (signer,), nonce, until)
    token = login(street.api, signer)
    body = {"transaction": tx.decode()}
    return street.api.post("/v1/electoral/acts", body, token=token, key=new_key(), wait_s=5)


def match(street, raw):
    with connected():
        electors = read_extract(raw, now_s=street.clock())
        return match_extract(street.town.config, electors, root=compute_root(raw, bytes(32)))


def put_register(street, found, month="2027-06"):
    lines = tuple(StationCount(name, size) for name, size in found.stations.items())
    return act(street, ElectoralImport(found.root, month, lines))


def enrol(street, found, serial=1):
    return act(street, ElectoralEnrol(serial, tuple(ElectorEntry(*pair) for pair in found.entries)))


def own_axes(street, phone):
    return street.api.get("/v1/identity/me/axes", token=phone.identity_token).body


def verdicts(answer):
    return {policy["name"]: policy["unmet"] for policy in answer["policies"]}


def test_an_elector_found_in_the_extract_may_be_consulted(enrolled):
    street, phones = enrolled
    before = own_axes(street, phones["ana"])
    assert (
        before["identity"]["level"],
        before["residence"]["level"],
        before["electoral"]["level"],
    ) == (3, 3, 0)
    assert verdicts(before)["consultation"] == ["electoral"]

    found = match(street, extract(line(), *crowd("0001", 59)))
    assert (found.stations, len(found.entries), found.unknown) == ({"0001": 60}, 1, 59)
    assert put_register(street, found).status == 201
    assert enrol(street, found).status == 201
    after = own_axes(street, phones["ana"])
    assert after["electoral"] == {
        "level": 2,
        "method": "register",
        "expires_month": "2027-06",
        "station": "0001",
    }
    assert verdicts(after)["consultation"] == []
    shown = street.api.get("/v1/electoral/register").body
    assert shown["stations"] == [{"station": "0001", "imported": 60, "enrolled": 1}]
    assert verdicts(own_axes(street, phones["bob"]))["consultation"] == ["electoral"]


def test_a_presumed_birth_date_and_a_birth_abroad_match(enrolled):
    street, _ = enrolled
    header = HEADER + ";Code pays de naissance"
    bob = line("DIALLO", "Bob", "00/00/1951", "") + ";99335"
    assert len(match(street, extract(bob, header=header)).entries) == 1
    elsewhere = line("DIALLO", "Bob", "00/00/1951", "") + ";99243"
    found = match(street, extract(elsewhere, header=header))
    assert (found.entries, len(found.undecided)) == ((), 1)


def test_a_likeness_or_a_double_line_is_left_to_the_commission(enrolled):
    street, _ = enrolled
    namesake = line(given="Ana Rose")
    found = match(street, extract(namesake))
    assert found.entries == ()
    assert (found.undecided[0]["line"], list(found.undecided[0]["likeness"].values())) == (
        2,
        [["loose"]],
    )
    double = match(street, extract(line(), line(station="0002")))
    assert (double.entries, [entry["line"] for entry in double.undecided]) == ((), [2, 3])


def test_who_is_not_active_is_not_matched(enrolled):
    street, _ = enrolled
    with connected(), write():
        IdentityRow.update(status="suspended").execute()
    found = match(street, extract(line()))
    assert (found.entries, found.undecided) == ((), ())


def test_only_the_commission_signs_and_struck_electors_are_gone(enrolled):
    street, phones = enrolled
    found = match(street, extract(line(), *crowd("0001", 59)))
    lines = (StationCount("0001", 60),)
    clerks = act(
        street,
        ElectoralImport(found.root, "2027-06", lines),
        by="clerk@mairie",
        sender="body:mairie",
    )
    assert (clerks.status, clerks.code) == (403, "auth_scope_missing")
    assert put_register(street, found).is_ok
    assert enrol(street, found).is_ok
    again = enrol(street, found)
    assert (again.status, again.code) == (409, "electoral_already")
    street.api.language = "fr"
    assert "radiez-la" in enrol(street, found).body["title"]
    assert act(street, ElectoralStrike(1, (found.entries[0][0],))).is_ok
    assert own_axes(street, phones["ana"])["electoral"]["level"] == 0
    assert street.api.get("/v1/electoral/register").body["stations"][0]["enrolled"] == 0


def test_the_next_import_asks_again_also_in_sql(enrolled):
    street, phones = enrolled
    found = match(street, extract(line(), *crowd("0001", 59)))
    for serial in (1, 2):
        assert put_register(street, found).is_ok
        assert own_axes(street, phones["ana"])["electoral"]["level"] == 0
        assert enrol(street, found, serial).is_ok
        assert own_axes(street, phones["ana"])["electoral"]["level"] == 2


def test_sql_and_chain_say_the_same_of_every_axis_as_time_passes(enrolled):
    street, phones = enrolled
    found = match(street, extract(line(), *crowd("0001", 59)))
    assert put_register(street, found).is_ok
    assert enrol(street, found).is_ok
    cid = phones["ana"].read_identity()["cid"]
    reader = StoreReader(street.town.lab.app._store)
    for days in (0, 200, 380, 420, 1_900):
        now_s = street.clock() + days * 86_400
        said = chain_axes.get_levels(reader, cid, now_s)
        with connected():
            shown = describe_axes(IdentityRow.get_by_id(cid), method="", now_s=now_s)
        held = tuple(shown[axis]["level"] for axis in ("identity", "residence", "electoral"))
        assert held == (said.identity, said.residence, said.electoral), days


def test_policies_are_public_figures_of_the_chain(enrolled):
    street, _ = enrolled
    policies = {p["name"]: p for p in street.api.get("/v1/identity/policies").body["policies"]}
    assert sorted(policies) == ["budget", "certificate", "consultation", "energy", "loyalty", "sel"]
    assert policies["consultation"] == {
        "name": "consultation", "identity": 2, "residence": 0, "electoral": 2, "age_years": 0
    }  # fmt: skip


def test_the_command_writes_what_the_commission_signs_and_no_name(enrolled, tmp_path, monkeypatch):
    street, _ = enrolled
    config = street.town.config
    source, out, master = tmp_path / "reu.csv", tmp_path / "match.json", tmp_path / "master"
    source.write_bytes(extract(line(), line(given="Ana Rose"), *crowd("0001", 58)))
    master.touch(mode=0o600)
    master.write_text("A" * 43)
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("BEFFROI_PERSON_KEYS", str(config.person_keys))
    monkeypatch.setenv("BEFFROI_MASTER_KEY_FILE", str(master))
    done = CliRunner().invoke(command, ["match", str(source), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert (
        "60 electors in 1 stations: 1 enrolled found, 1 to decide, 58 not enrolled" in done.output
    )
    written = json.loads(out.read_text())
    assert written["stations"] == [{"station": "0001", "electors": 60}]
    assert len(written["entries"]) == 1
    assert "LEFEVRE" not in out.read_text().upper()
    assert out.stat().st_mode & 0o077 == 0


# --- the file --------------------------------------------------------------------------------


def read(*lines, header=HEADER):
    return read_extract(extract(*lines, header=header), now_s=GENESIS_S)


def test_columns_are_found_by_name_whatever_their_order_and_accents():
    header = "code du bureau de vote;DATE DE NAISSANCE;prenoms;nom de Naissance"
    electors = read("0001;29/02/1984;ANA, MARIE;LEFEVRE", header=header)
    (elector,) = electors
    assert (elector.line, elector.station) == (2, "0001")
    assert (elector.civil.family_name, elector.civil.given_names) == ("LEFEVRE", ("ANA MARIE",))
    assert "LEFEVRE" not in repr(elector)
    assert count_stations(electors) == {"0001": 1}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"", "line 1"),
        (extract(header="Nom de naissance;Prénoms"), "date de naissance, code du bureau de vote"),
        (extract(header=HEADER + ";Prénoms"), "prenoms"),
        (extract(line() + ";more"), "line 2: 7 columns"),
        (extract(line(), line(born="1984-02-29")), "line 3: date de naissance"),
        (extract(line(born="31/02/1984")), "line 2: birthdate"),
        (extract(line(station="A B")), "line 2: code du bureau de vote"),
        (extract(line(family="")), "line 2: family_name"),
        (extract('"LEFEVRE;;Ana'), "not CSV"),
    ],
)
def test_a_malformed_extract_is_refused_by_line_and_column_without_its_content(raw, says):
    with pytest.raises(ExtractMalformed, match=says) as refused:
        read_extract(raw, now_s=GENESIS_S)
    assert "LEFEVRE" not in str(refused.value)


def test_months_and_ages():
    assert (add_months("2026-09", 12), add_months("2026-12", 1)) == ("2027-09", "2027-01")
    assert chain_axes.add_months("2026-09", 16) == add_months("2026-09", 16) == "2028-01"
    september_2026 = GENESIS_S
    assert compute_age_years("2010-01-01", september_2026) == 16
    assert compute_age_years("2010-00-00", september_2026) == 15, (
        "presumed: not before the last day"
    )
    assert compute_age_years("2010-12-01", september_2026) == 15
