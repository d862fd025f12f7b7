"""A vote of the whole town, in the weeks the rules ask for: material, anonymous keys, ballots, the sum, its archive.

Registrars and trustees use `beffroi registrar` and `beffroi trustee`, each a process with keys of its own that believes
no node; citizens use the voter's library, and a relay for what is anonymous. One registrar and one trustee stay away.
Reads: the public API, a relay.  Writes: the same, archives and receipts in the town's folder.
Never: opens a ballot other than the one its voter asked to see.
"""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from app.cli.ballot_audit import describe, read_setup
from app.cli.demo.budget import (
    DAY_S,
    HOUR_S,
    REGISTRARS,
    TOOL,
    TRUSTEES,
    choices_of,
    make_draft,
)
from app.cli.demo.client import Client, expect
from app.cli.demo.http import Answer, Api
from app.cli.demo.offices import Offices
from app.cli.demo.phone import Phone, draw_code
from app.cli.demo.report import Report, check
from app.cli.demo.till import read_picture
from app.cli.demo.verify import Verifier
from app.cli.demo.voter import REFUSALS, Voter, cast, spoil, visit
from app.core.keyfiles import RoleKey
from chain.codec.canonical import b64url_encode
from chain.town.votes_schemas import (
    ElectionCreate,
    ElectionOpenIssuance,
    RollFreeze,
    StationRoll,
)
from chain.votes.groups import get_group
from chain.votes.privacy import SEND_DELAY_MAX_S, Window
from chain.votes.voter.audit import (
    check_opening,
    encode_opening,
    read_opening,
    read_tracker,
    tracker_text,
)

BASE: Final = "/v1/votes"
PATIENCE_S: Final = 60
POLL_S: Final = 0.1
SILENT: Final = REGISTRARS[-1]
DECRYPTING: Final = (TRUSTEES[0], TRUSTEES[2])


@dataclass(slots=True)
class Polling:
    """Who takes part, and how the story tells it; `make` builds a client of a kind around a key."""

    offices: Offices
    relay_url: str
    make: Callable[..., Any]
    read_role: Callable[[str], RoleKey]
    clock: Callable[[], int]
    shift_clock: Callable[[int], None]
    pin: Callable[[], Verifier]
    report: Report
    refused: Callable[[Answer, str, str], None]
    phones: Sequence[Phone]
    recovered: Phone
    """Of a citizen whose recovery was opened in the last month."""
    uuid: str = ""
    body: Any = None
    voters: list[Voter] = field(default_factory=list)
    election: Any = None
    verifier: Any = None

    @property
    def api(self) -> Api:
        """A connection that knows no session of the story's people."""
        return self.phones[0].api

    @property
    def folder(self) -> Path:
        """Where archives and receipts are kept."""
        return self.offices.folder

    # --- publishing ------------------------------------------------------------------------------

    def publish(self) -> None:
        """City hall drafts, is refused a referendum, and publishes with the regulation's hash."""
        self.verifier = self.pin()
        agent = self._agent("elections")
        asked = make_draft(self.clock() + HOUR_S, self.relay_url)
        answer = agent.api.post(
            f"{BASE}/drafts", asked | {"legal_kind": "referendum_local"}, token=agent.token
        )
        self.refused(answer, "votes_referendum_refused", "city hall wants a binding referendum")
        drafted = expect("draft", agent.api.post(f"{BASE}/drafts", asked, token=agent.token))
        self.body = msgspec.convert(drafted["body"], ElectionCreate)
        self.uuid = self.body.election
        signed = agent.sign(self.body, sender="body:mairie")
        self._proved(
            agent.send(f"{BASE}/elections", signed),
            signed,
            f"“{self.body.name}” is published on {self.body.group}: 10 000 € for three projects, and a yes or no",
        )
        regulation = self._download("/regulation")
        check(b64url_encode(sha256(regulation).digest()) == self.body.regulation, "regulation")
        self.report.say("anybody reads the regulation: its SHA-256 is the one on the chain")

    def appoint(self) -> None:
        """Trustees make the key together, registrars theirs; two bodies open issuance."""
        made = self.offices.work(
            self.uuid,
            self.verifier,
            *(("trustee", body, "ceremony", "--wait", "60") for body in TRUSTEES),
            *(("registrar", body, "keygen") for body in REGISTRARS),
        )
        check(all(said["verdict"] == "done" for said in made), "a ceremony did not end")
        self._await("the key", lambda page: page["phase"] == "sealed")
        self.offices.work(
            self.uuid, self.verifier, *(("registrar", body, "publish") for body in REGISTRARS)
        )
        self._await("keys", lambda page: all(p["step"] for p in page["registrars"]))
        self.report.say(
            "three trustees made one key that none of them has, four registrars a key each; by programs of their own"
        )
        agent = self._agent("elections")
        asked = {"default": "1", "stations": {}, "classes": {}}
        path = f"{BASE}/elections/{self.uuid}/rolls"
        drawn = expect("rolls", agent.api.post(path, asked, token=agent.token))["rolls"]
        check(drawn[0]["electors"] == len(self.phones), f"{drawn[0]['electors']} on the roll")
        rolls = tuple(StationRoll(**line) for line in drawn)
        opening = ElectionOpenIssuance(self.uuid, rolls)
        alone = agent.sign(opening, sender="body:mairie")
        self.refused(
            agent.send(f"{BASE}/decisions", alone), "tx_missing_signature", "city hall alone opens"
        )
        signers = (agent.key, self.read_role("commission").signer)
        signed = agent.sign(opening, sender="body:mairie", signers=signers)
        self._proved(
            agent.send(f"{BASE}/decisions", signed),
            signed,
            f"city hall and the commission of another body open issuance to {len(self.phones)} electors",
        )

    # --- material --------------------------------------------------------------------------------

    def issue(self) -> None:
        """Citizens ask once, three of four registrars sign what they cannot read."""
        self._go_to("issuance_opens", "issuance")
        keys = expect("keys", self.api.get(f"{BASE}/elections/{self.uuid}/keys"))["keys"]
        group = get_group(self.body.group)
        assert group is not None, "a group of ours"
        for phone in self.phones:
            voter = Voter.retype(phone, self.relay_url)
            answer = voter.send_request(voter.prepare(self.uuid, group, keys))
            if phone is self.recovered:
                self.refused(
                    answer, "votes_not_eligible", f"{phone.name}, recovered this month, asks"
                )
                continue
            expect("request", answer)
            self.voters.append(voter)
        first = self.voters[0]
        body = first.prepare(self.uuid, group, keys)
        other = msgspec.structs.replace(body, blinded=body.blinded[::-1])
        self.refused(first.send_request(other), "votes_already_requested", "a second request")
        self._pin()
        signing = [body for body in REGISTRARS if body != SILENT]
        said = self.offices.work(
            self.uuid, self.verifier, *(("registrar", body, "sign") for body in signing)
        )
        check(
            all((one["verdict"], one["signed"]) == ("done", len(self.voters)) for one in said),
            f"registrars signed {[one.get('signed') for one in said]}",
        )
        page = self._await("answers", lambda page: page["counts"]["requests"] == len(self.voters))
        self.report.say(
            f"{page['counts']['requests']} of {page['counts']['electors']} ask; three registrars sign without seeing "
            f"what, {SILENT} stays silent and is not missed"
        )

    def register(self) -> None:
        """Each phone registers an anonymous key by the relay, at a time of its own; the list is closed."""
        self._go_to("issuance_closes", "registration", after_s=DAY_S)
        page = self._page()
        check(page["counts"]["unserved"] == 0, "somebody was not served")
        dates = self.body.calendar
        window = Window(dates.issuance_closes, dates.registration_closes)
        known = visit(self.relay_url, "GET", REFUSALS, Authorization=f"DPoP {self.phones[0].token}")
        self.refused(known, "anonymous_identified", "a phone tells the relay who it is")
        signers = page["signers"][0]["signers"]
        leaves = [
            expect("registration", voter.register(signers, window))["leaves_at"]
            for voter in self.voters
        ]
        self._shift(max(leaves))
        page = self._await("keys", lambda p: p["counts"]["registrations"] == len(self.voters))
        check(page["counts"]["gap"] == 0, "a key is missing")
        self.report.say(
            f"{len(leaves)} keys come by the relay in {len(set(leaves))} rounds: nobody knows whose is whose"
        )
        self._shift(dates.registration_closes)
        commission = self._agent("commission")
        counts = page["counts"]
        body = RollFreeze(self.uuid, counts["requests"], counts["registrations"])
        signed = commission.sign(body, sender="body:temoin")
        answer = commission.send(f"{BASE}/decisions", signed)
        self._proved(answer, signed, "the commission closes the list with the counts it has seen")

    # --- voting ----------------------------------------------------------------------------------

    def vote(self) -> None:
        """An audit, ballots, a changed mind; the receipt is looked for by nobody in particular."""
        self._go_to("voting_opens", "voting", after_s=SEND_DELAY_MAX_S)
        opened = self._keep("opened.bel", self._download("/archive"))
        self.election = read_setup(opened)
        self._check_record()
        auditor = self.voters[2]
        audited = self._audit(auditor)
        for number, voter in enumerate(self.voters):
            expect("ballot", voter.vote(self.election, choices_of(number + (number == 0))))
        self._pass_round(ballots=len(self.voters), spoiled=1)
        again = self.voters[0]
        before = again.tracker
        expect("ballot", again.vote(self.election, choices_of(0)))
        expect("ballot", auditor.send(cast(self.uuid, audited)))
        self._pass_round(ballots=len(self.voters) + 1)
        self.report.say(
            f"{len(self.voters)} ballots, and {again.phone.name} votes again: the last one counts"
        )
        told = visit(self.relay_url, "GET", REFUSALS).body["refusals"]
        check(
            [line["code"] for line in told] == ["votes_ballot_spoiled"], f"the relay tells {told}"
        )
        self.report.say("the audited ballot, cast all the same, is on the relay's list of refusals")
        listed = {t["tracker"] for t in self._get("/trackers")["trackers"]}
        wanted = {voter.tracker for voter in self.voters} | {before}
        check(wanted <= listed, "a tracker is missing")
        answer = self.api.get(f"{BASE}/elections/{self.uuid}/result")
        self.refused(answer, "votes_result_missing", "somebody wants to know the result already")

    def _check_record(self) -> None:
        """The record that ballots are made from is the one the chain proves."""
        page = expect("page", self.api.get(f"{BASE}/elections/{self.uuid}?proof=1"))
        height, record = self.verifier.check_record(
            page["proof"], namespace="votes", record_id=f"election/{self.uuid}"
        )
        check(
            record is not None and record["fingerprint"] == self.election.fingerprint,
            "the archive begins with another election",
        )
        self.report.fact(
            "the ballot box is open; every phone's ballot paper is the proved one", height=height
        )

    def _audit(self, voter: Voter) -> bytes:
        """Two pictures show a second device that the phone encrypted what it was told to."""
        ballot = voter.fill(self.election, choices_of(1))
        first = draw_code(tracker_text(self.uuid, ballot.tracker))
        body = spoil(self.election, ballot, voter.secret(self.election), secrets.token_bytes)
        expect("spoil", voter.send(body))
        second = draw_code(encode_opening(ballot.opening))
        uuid, tracker = read_tracker(read_picture(first))
        finding = check_opening(self.election, read_opening(read_picture(second)), tracker)
        check((finding.flaw, uuid) == ("", self.uuid), finding.flaw or "another election")
        check(finding.votes == tuple(map(tuple, choices_of(1))), "the phone changed the choices")
        shown = ", ".join(
            name for row in describe(self.election, finding.votes).values() for name in row
        )
        self.report.say(
            f"{voter.phone.name} has a ballot opened on a second device: it holds {shown}; it can never be cast"
        )
        return ballot.body

    def _pass_round(self, **counts: int) -> None:
        """The relay's next round."""
        self._shift(self.clock() + 11 * 60)

        def is_there(page: Mapping[str, Any]) -> bool:
            return all(page["counts"][name] == number for name, number in counts.items())

        self._await(f"a round of {counts}", is_there)

    # --- counting --------------------------------------------------------------------------------

    def count(self) -> None:
        """Two of three trustees decrypt the sum they worked out themselves; strangers verify everything."""
        self._go_to("voting_closes", "tally")
        said = self.offices.work(
            self.uuid, self.verifier, *(("trustee", body, "decrypt") for body in DECRYPTING)
        )
        check(
            all((one["verdict"], one["voters"]) == ("done", len(self.voters)) for one in said),
            "a trustee counted otherwise",
        )
        self._await("the result", lambda page: page["phase"] == "decided")
        result = self._get("/result")
        check(result["votes"] == self._plain_count(), f"{result['votes']} is not the plain count")
        taken = [line["name"] for line in result["outcomes"][0]["lines"] if line["is_taken"]]
        self.report.say(
            f"two of three trustees decrypt the sum each worked out alone: {' and '.join(taken)} win, as by hand"
        )
        archive = self._keep(f"{self.uuid}.bel", self._download("/archive"))
        verdict = self.offices.run(
            "votes", "verify", str(archive), "--after", str(self.folder / "opened.bel")
        )
        check((verdict["verdict"], verdict["stage"]) == ("valid", "finished"), str(verdict))
        self.report.say(
            f"{archive.name}, {archive.stat().st_size // 1_000} kB: our verifier accepts it, and that the "
            "first day's copy is its beginning"
        )
        self._ask_the_tool(archive)
        self._keep_receipt(self.voters[0])

    def _plain_count(self) -> list[list[int]]:
        """What counting on paper would give."""
        columns = zip(*(voter.choices for voter in self.voters), strict=True)
        return [[sum(marks) for marks in zip(*rows, strict=True)] for rows in columns]

    def _ask_the_tool(self, archive: Path) -> None:
        tool = shutil.which(TOOL)
        if tool is None or self.body.group != "BELENIOS-2048":
            self.report.say(
                f"{TOOL} is not installed: nobody else's program judges the archive here"
            )
            return
        folder = self.folder / "tool"
        folder.mkdir()
        shutil.copy(archive, folder)
        ran = subprocess.run(  # noqa: S603  # a program found on the path, arguments of ours
            [tool, "election", "verify"], cwd=folder, capture_output=True, text=True, timeout=120
        )
        check(ran.returncode == 0, f"{TOOL}: {ran.stderr}")
        self.report.say(f"{TOOL}, written by others, accepts it too")

    def _keep_receipt(self, voter: Voter) -> None:
        """A ballot's place in the proved box, to be checked offline."""
        receipt, checkpoint = self.folder / "receipt.json", self.folder / "checkpoint.json"
        self._pin()
        more = ("--out", str(receipt), "--checkpoint", str(checkpoint))
        self.offices.run(
            "votes", "receipt", self.uuid, voter.tracker, *self.offices.follow(self.verifier), *more
        )
        at = ("--checkpoint", str(checkpoint), "--at", str(self.clock()))
        said = self.offices.run("votes", "check-receipt", str(receipt), *at)
        check(said["verdict"] == "valid", str(said))
        self.report.fact(
            f"{voter.phone.name}'s receipt: ballot {voter.tracker[:12]}… is in the box that was counted",
            height=int(said["height"]),
            proof="verified offline",
        )

    # --- common ----------------------------------------------------------------------------------

    def _agent(self, name: str) -> Client:
        agent: Client = self.make(Client, self.read_role(name).signer)
        agent.login()
        return agent

    def _go_to(self, date: str, phase: str, *, after_s: int = 0) -> None:
        """Some days pass; the chain opens and closes by its own block time."""
        self._shift(getattr(self.body.calendar, date) + after_s)
        self._await(phase, lambda page: page["phase"] == phase)
        self._pin()

    def _shift(self, time_s: int) -> None:
        if time_s > self.clock():
            self.shift_clock(time_s - self.clock())

    def _pin(self) -> None:
        """A fresh checkpoint: the last one may be older than what a light client trusts."""
        self.verifier = self.pin()

    def _page(self) -> dict[str, Any]:
        return dict(expect("election", self.api.get(f"{BASE}/elections/{self.uuid}")))

    def _get(self, path: str) -> Any:
        return expect(path, self.api.get(f"{BASE}/elections/{self.uuid}{path}"))

    def _await(self, what: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The election's page once it shows something."""
        end_s = time.monotonic() + PATIENCE_S
        while not is_there(page := self._page()):
            if time.monotonic() > end_s:
                raise TimeoutError(f"{what} did not come within {PATIENCE_S} s: {page['phase']}")
            time.sleep(POLL_S)
        return page

    def _proved(self, answer: Answer, transaction: str, text: str) -> None:
        expect(text, answer)
        proved = self.verifier.check_transaction(self.api, transaction)
        self.report.fact(text, height=proved.height)

    def _download(self, path: str) -> bytes:
        return self.api.download(f"{BASE}/elections/{self.uuid}{path}")

    def _keep(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path
