"""One small vote from the draft to the minutes, over HTTP and a relay; and what is left of the voters' connections."""

from pathlib import Path
from secrets import token_bytes

from app.core.database import connected, database
from app.relay.api import create_relay_app
from app.relay.calendar import NodeElections
from app.relay.models import Shelf
from app.relay.service import RelayService
from app.votes import board
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto import blind_rsa
from chain.crypto.blind_rsa import RANDOMIZED_PSS
from chain.town.envelope import build_anonymous
from chain.town.votes_schemas import (
    BallotCast,
    CredRegister,
    TallyShare,
    TokenSignature,
    VoteProof,
)
from chain.votes import formats
from chain.votes.ballot import make_ballot
from chain.votes.binding import bind_decryption
from chain.votes.election import read_election
from chain.votes.messages import prove_registration
from chain.votes.tally import decrypt_partially, read_rows
from chain.votes.verifier import verify_archive
from tests.api.conftest import Town
from tests.api.votes.hall_kit import Hall, Voter
from tests.canary import forms
from tests.journeys.kit import CIVIL, Street
from tests.town.town_kit import key

ADDRESS = "198.51.100.237"
AGENT = "Zyxcanari-Navigateur/7.31"
PATH = "/v1/anonymous/transactions"
NAMES = ("Ana", "Ben", "Cleo")


def make_registration(hall: Hall, voter: Voter) -> CredRegister:
    """What a phone makes of the answers the API has for it."""
    told = hall.town.http.get(
        f"/v1/votes/me/request?election={hall.election}", headers=hall.town.login(voter.signer)
    ).json
    answers = {line["registrar"]: line["signature"] for line in told["signatures"]}
    (fixed,) = hall.page()["signers"]
    tokens = []
    for rank in fixed["signers"]:
        opened = blind_rsa.finalize(
            hall.registrar(rank).public,
            RANDOMIZED_PSS,
            voter.prepared,
            b64url_decode(answers[rank]),
            voter.blinded[rank - 1].inverse,
        )
        tokens.append(
            TokenSignature(rank, b64url_encode(voter.prepared[:32]), b64url_encode(opened))
        )
    proof = prove_registration(hall.group, hall.election, "1", "one", voter.secret, token_bytes)
    return CredRegister(
        hall.election,
        "1",
        "one",
        voter.credential,
        tuple(tokens),
        VoteProof(proof.challenge, proof.response),
    )


def test_a_vote_goes_from_draft_to_minutes_and_nothing_tells_who_sent_what(
    hall: Town, tmp_path: Path, capfd
) -> None:
    street = Street(hall)
    phones = [street.phone(name) for name in NAMES]
    for phone, name in zip(phones, ("Martin", "Durand", "Petit"), strict=True):
        assert street.enrol(phone, **{**CIVIL, "family_name": name})
    clerk = street.clerk
    assert clerk.write_batch(clerk.read_batch()["attestations"]).is_ok
    vote = Hall(hall, key("agent_supervisor@mairie"), "mairie")
    vote.prepare(policy="budget", legal_kind="budget_participatif")
    shelf = Shelf(tmp_path / "relay.db")
    service = RelayService(shelf, NodeElections(hall.lab.client()), hall.lab.client(), hall.clock)
    relay = create_relay_app(service).test_client(use_cookies=False)

    def send(body: object) -> None:
        sent = relay.post(
            PATH,
            data=build_anonymous(hall.lab.town, body),
            content_type="application/json",
            headers={"User-Agent": AGENT},
            environ_overrides={"REMOTE_ADDR": ADDRESS},
        )
        assert sent.status_code == 202, sent.json

    def pass_on() -> None:
        hall.lab.now_s += 700
        hall.lab.produce()
        hall.follow()
        service.pass_on()
        assert relay.get("/v1/anonymous/refusals").json == {"refusals": []}

    voters = []
    for phone in phones:
        voter, request = vote.make_request(phone.identity_key, phone.read_identity()["cid"])
        vote.post("/v1/votes/requests", request, voter.signer.kid, voter.signer)
        voters.append(voter)
    for rank in (1, 2, 4):
        vote.sign(rank, *voters)
    vote.go_to("issuance_closes")
    for voter in voters:
        send(make_registration(vote, voter))
    pass_on()
    counts = vote.page()["counts"]
    assert [counts[n] for n in ("requests", "served", "registrations")] == [3, 3, 3]
    vote.go_to("registration_closes")
    assert NodeElections(hall.lab.client()).find_box(vote.election) is None
    vote.freeze()
    vote.go_to("voting_opens")
    with connected():
        election = read_election(board.find_document(vote.election, "election").encode())
    for voter, choice in zip(voters, ([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]), strict=True):
        ballot = make_ballot(election, voter.secret, [choice], token_bytes)
        send(BallotCast(vote.election, ballot.decode()))
    elections = NodeElections(hall.lab.client())
    box = elections.find_box(vote.election)
    assert box is not None
    assert (len(box.credentials), box.election.fingerprint) == (3, election.fingerprint)
    stranger = make_ballot(election, 12_345, [[0, 1, 0, 0]], token_bytes)
    refused = relay.post(
        PATH,
        data=build_anonymous(hall.lab.town, BallotCast(vote.election, stranger.decode())),
        headers={"Content-Type": "application/json"},
    )
    assert refused.json["code"] == "votes_credential_unknown"
    pass_on()
    vote.go_to("voting_closes")
    with connected():
        rows = read_rows(election, board.find_document(vote.election, "tally"))
    assert vote.setup is not None
    for rank, (name, secret) in enumerate(zip(vote.setup.trustees, vote.secrets, strict=True), 1):
        made = decrypt_partially(election, rows, secret, token_bytes)
        bound = bind_decryption(election, rows, made, secret, token_bytes)
        body = TallyShare(
            vote.election,
            rank,
            formats.encode(made).decode(),
            VoteProof(bound.challenge, bound.response),
        )
        vote.post("/v1/votes/offices", body, f"body:{name}", key(f"trustee@{name}"))
    for _ in range(3):
        hall.lab.produce()
    hall.follow()
    result = hall.http.get(f"/v1/votes/elections/{vote.election}/result").json
    assert result["votes"] == [[0, 1, 2, 0]]
    assert result["outcomes"][0]["lines"][0]["name"] == "Square « arboré »"
    archive = hall.http.get(f"/v1/votes/elections/{vote.election}/archive").data
    assert verify_archive(archive).flaw is None
    shelf.close()
    _search(hall, tmp_path, capfd.readouterr())


def _search(hall: Town, folder: Path, printed: tuple[str, str]) -> None:
    """Every file, table and printed line, for the address and the browser in every form."""
    with connected():
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    places = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    places |= {"printed": "".join(printed).encode()}
    assert "route=/v1/votes/requests" in "".join(printed), "logs are searched, not an empty page"
    assert PATH not in "".join(printed), "the relay writes no line for a request"
    needles = [needle for text in (ADDRESS, AGENT) for needle in forms(text).values()]
    assert [place for place, content in places.items() for n in needles if n in content] == []
