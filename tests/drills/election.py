"""A whole election through the town: four validators, projector, API server and a relay, each a process of its own.

The story is `tests.journeys.polling_day`'s. City hall, the commission, registrars and citizens with their requests come
through the API's routes, with sessions of their own; registrations, ballots and the spoiled one through the relay, each
from an address of its own, and wait there for their round; trustees use `beffroi trustee`. Archives are downloaded from
the API. Left on the RPC: the register's one batch (`erasure` enrols at the desk), trustees' steps, reading the chain.
"""

import http.client
import json
import os
import time
import urllib.request
from base64 import b64decode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.auth.factors import put_passkey
from app.cli.demo.client import expect, login
from app.cli.demo.http import Answer, Api, new_key
from app.cli.demo.passkey import SoftPasskey
from app.core.config import MASTER_KEY_BYTES
from app.core.database import connected, database, migrate, open_database
from app.core.keyfiles import new_role_key, write_key_file, write_secret_file
from app.relay.api import PATH as RELAY_PATH
from app.relay.api import REFUSALS_PATH
from app.votes.hall_api import DECISIONS, OFFICES
from chain.codec.canonical import b64url_decode
from chain.crypto.jws import SigningKey
from chain.town.votes_schemas import ElectionCreate
from chain.types.abci import ExecTxResult
from tests.api.votes.votes_kit import AGREE, MODES, PLACE, draft_request
from tests.drills.api import TownApi
from tests.drills.report import Drill, drill
from tests.drills.town import wait_for
from tests.drills.votes import PARAMS, RemoteTown, beffroi, calendar_of, four_validators
from tests.journeys.election import Act, Choices, Opening, Poll, Voter
from tests.journeys.polling_day import (
    REVOTING,
    VOTERS,
    hold,
    is_judged_by_the_tool,
    judge,
    make_voters,
)
from tests.node.four import Cluster, free_ports
from tests.town.town_kit import key
from tests.town.votes.kit import TRUSTEE_BODIES, VOTE_ROLES, Vote
from tests.trustees.lab_vote import prepare_desk
from tests.votes.kit import seeded

ITEMS: Final = (PLACE, MODES, msgspec.structs.replace(AGREE, blank=True))
GROUPS: Final = ("Ed25519", "BELENIOS-2048")
"""`GROUP` in the environment chooses one of them."""
TOWN_PARAMS: Final = PARAMS | {"policy_budget_residence": 0}
"""Nobody came to the desk with a proof of residence."""
ROUTES: Final = {
    "election.create": "/v1/votes/elections",
    "issue.request": "/v1/votes/requests",
    **dict.fromkeys(DECISIONS, "/v1/votes/decisions"),
    **dict.fromkeys(OFFICES, "/v1/votes/offices"),
}
CAST: Final = VOTERS + REVOTING
COUNTS: Final = {
    "requests": VOTERS,
    "registrations": VOTERS,
    "ballots": CAST,
    "voters": VOTERS,
    "revotes": REVOTING,
    "spoiled": 1,
}
REFUSED: Final = 1
PATIENCE_S: Final = 120


class RealApi(TownApi):
    """API and projector of validators whose clock is moved, and one relay, which has no key of theirs."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        keys, ports = cluster.root / "keys", [node.rpc_port for node in cluster.nodes]
        keys.mkdir()
        write_key_file(keys / "token.json", new_role_key("token", "mairie"))
        seed = sha256(b"test key gateway@mairie").digest()
        write_key_file(keys / "gateway.json", new_role_key("gateway", "mairie", seed=seed))
        write_secret_file(keys / "master.key", size_bytes=MASTER_KEY_BYTES)
        moved = {"BEFFROI_CLOCK_OFFSET_FILE": str(cluster.root / "clock_offset")}
        super().__init__(cluster, folder, ports, **moved)
        (self.relay_port,) = free_ports(1)
        _give_passkeys(folder)

    def start(self) -> None:
        """The relay after the others."""
        super().start()
        names = ("TOKEN_KEY_FILES", "GATEWAY_KEY_FILE", "MASTER_KEY_FILE")
        without = dict.fromkeys((f"BEFFROI_{name}" for name in names), "")
        self.run("relay", "-m", "app.cli", "relay", "--port", str(self.relay_port), **without)
        wait_for(lambda: _ask(self.relay_port, "GET", "/health") is not None, 60, "the relay")

    def download(self, path: str) -> bytes:
        """The bytes of a route, asked by nobody in particular."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return bytes(answer.read())


def _give_passkeys(folder: Path) -> None:
    """Agents' passkeys come from their test keys, as a sample town's do."""
    open_database(f"sqlite:///{folder / 'town.db'}")
    migrate()
    with connected():
        for signer in (key(f"{role}@{body}") for role, body in VOTE_ROLES):
            passkey = SoftPasskey.of_agent(signer)
            put_passkey(
                signer.kid,
                credential_id=passkey.credential_id,
                public_key=passkey.cose_key,
                now_s=int(time.time()),
            )
    database.obj.close_all()


def _ask(port: int, method: str, path: str, body: bytes = b"", source: str = "") -> Answer | None:
    """One request on a connection of its own, from an address of the loopback network; None when nobody answers."""
    origin = (source, 0) if source else None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=origin)
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        connection.request(method, path, body or None, headers)
        told = connection.getresponse()
        return Answer(told.status, {}, json.loads(told.read()))
    except OSError:
        return None
    finally:
        connection.close()


class HttpTown(RemoteTown):
    """A town whose transactions go where people's programs send them."""

    def __init__(self, folder: Path, urls: Sequence[str], api: RealApi, http_api: Api) -> None:
        super().__init__(folder, urls)
        self.api, self.http = api, http_api
        self.posted: dict[str, int] = {}
        """Transactions by the path that took them."""
        self._signed: dict[bytes, tuple[str, SigningKey]] = {}
        self._leaves_s = 0
        self._visitors = count(2)

    def tx(self, body: Struct, sender: str, *signers: SigningKey) -> bytes:
        raw = super().tx(body, sender, *signers)
        self._signed[raw] = (type(body).TYPE, signers[0])  # type: ignore[attr-defined]
        return raw

    def send(self, tx: bytes) -> ExecTxResult | None:
        """Anonymous ones to the relay, others to their route, as the one who signed first."""
        signed = self._signed.get(tx)
        if signed is None:
            return self._send_to_relay(tx)
        path = ROUTES.get(signed[0])
        if path is None:
            self._note("RPC")
            return super().send(tx)
        text = {"transaction": tx.decode("ascii")}
        token = login(self.http, signed[1])
        answer = self.http.post(path, text, token=token, key=new_key(), wait_s=5)
        if not answer.is_ok:
            return ExecTxResult(code=REFUSED, log=str(answer.body), info=answer.code)
        self._note(path)
        return None

    def _send_to_relay(self, tx: bytes) -> ExecTxResult | None:
        source = f"127.0.1.{next(self._visitors)}"
        answer = _ask(self.api.relay_port, "POST", RELAY_PATH, tx, source)
        assert answer is not None, "the relay does not answer"
        if answer.status != http.client.ACCEPTED:
            return ExecTxResult(code=REFUSED, log=str(answer.body), info=answer.code)
        self._leaves_s = max(self._leaves_s, answer.body["leaves_at"])
        self._note("relay")
        return None

    def _note(self, path: str) -> None:
        self.posted[path] = self.posted.get(path, 0) + 1

    def find(self, txs: Sequence[bytes]) -> dict[bytes, ExecTxResult]:
        """Also what the relay was refused; its round comes first."""
        self.pass_round()
        return super().find(txs) | self._list_refused(txs)

    def pass_round(self) -> None:
        """The clock goes to when the relay passes on what it holds."""
        if self.now_s < self._leaves_s:
            self.now_s = self._leaves_s

    def _list_refused(self, txs: Sequence[bytes]) -> dict[bytes, ExecTxResult]:
        keys = {sha256(tx).hexdigest(): tx for tx in txs if tx not in self._signed}
        answer = _ask(self.api.relay_port, "GET", REFUSALS_PATH) if keys else None
        listed = answer.body["refusals"] if answer is not None else []
        return {
            keys[line["transaction"]]: ExecTxResult(code=REFUSED, info=line["code"])
            for line in listed
            if line["transaction"] in keys
        }

    # --- the API ---

    def catch_up(self) -> None:
        """Wait until SQL shows all that was decided: it shows a block when the next one proves its state."""
        wait_for(self._is_proved, PATIENCE_S, "a block that changes nothing")
        proved = self.height - 1
        wait_for(lambda: self.api.height() >= proved, PATIENCE_S, f"SQL at {proved}")

    def _is_proved(self) -> bool:
        info = self.rpc.call("abci_info")["response"]
        asked = {"height": str(info["last_block_height"])}
        header = self.rpc.call("block", asked)["block"]["header"]
        return b64decode(info["last_block_app_hash"]).hex() == str(header["app_hash"]).lower()

    def get_json(self, path: str, signer: SigningKey | None = None) -> Any:
        """What a route tells, in a session of the signer's if there is one."""
        token = login(self.http, signer) if signer else ""
        return expect(path, self.http.get(path, token=token))

    def post_json(self, path: str, body: Mapping[str, Any], signer: SigningKey) -> Any:
        """What a route answers to a form that nobody signs."""
        return expect(path, self.http.post(path, body, token=login(self.http, signer)))


class HallPoll(Poll):
    """An election drafted at city hall, whose rolls and answers are the API's."""

    town: HttpTown

    @classmethod
    def draft(cls, town: HttpTown, act: Act, voters: Sequence[Voter], group: str) -> "HallPoll":
        """Asked for at city hall: three kinds of question, a ceremony of three trustees."""
        asked = draft_request(
            town.now_s,
            group=group,
            policy="budget",
            legal_kind="budget_participatif",
            items=[msgspec.to_builtins(item) for item in ITEMS],
            calendar=msgspec.to_builtins(calendar_of(town.now_s)),
            ceremony="threshold",
            trustees=list(TRUSTEE_BODIES),
        )
        drafted = town.post_json("/v1/votes/drafts", asked, key("agent_supervisor@mairie"))
        body = msgspec.convert(drafted["body"], ElectionCreate)
        vote = Vote(town, body, seeded("poll"))  # type: ignore[arg-type]
        return cls(vote, act, list(voters))

    def choices(self, number: int) -> Choices:
        """Who says neither yes nor no votes blank: a rulebook's question wants an answer."""
        place, modes, agreed = super().choices(number)
        return [place, modes, [int(not any(agreed)), *agreed]]

    def draw_up_roll(self) -> str:
        self.town.catch_up()
        path = f"/v1/votes/elections/{self.uuid}/rolls"
        asked = {"default": "1", "stations": {}, "classes": {}}
        (roll,) = self.town.post_json(path, asked, self.vote.agent())["rolls"]
        assert roll["electors"] == len(self.voters), roll
        return str(roll["root"])

    def list_openings(self) -> list[Opening]:
        path = f"/v1/votes/me/roll?election={self.uuid}"
        told = [self.town.get_json(path, key(voter.name)) for voter in self.voters]
        return [Opening(one["salt"], one["index"], tuple(one["aunts"])) for one in told]

    def find_answers(self, voter: Voter, answers: dict[int, dict[str, bytes]]) -> dict[int, bytes]:
        self.town.catch_up()
        path = f"/v1/votes/me/request?election={self.uuid}"
        told = self.town.get_json(path, key(voter.name))["signatures"]
        found = {line["registrar"]: b64url_decode(line["signature"]) for line in told}
        assert sorted(found) == sorted(answers)
        return found

    def put_back(self, raw: bytes) -> None:
        """The relay takes it as any other and passes it on; the count will tell."""
        assert self.town.send(raw) is None
        self.town.pass_round()
        two_blocks = self.town.height + 2
        wait_for(lambda: self.town.height >= two_blocks, PATIENCE_S, "two blocks")

    def download(self) -> bytes:
        """The archive as anybody gets it."""
        self.town.catch_up()
        return self.town.api.download(f"/v1/votes/elections/{self.uuid}/archive")


@drill
def election(run: Drill) -> None:
    """Hold it on each group; BELENIOS-2048 is judged by `belenios-tool` too."""
    chosen = os.environ.get("GROUP", "")
    groups = (chosen,) if chosen else GROUPS[:1] if run.is_quick else GROUPS
    for group in groups:
        started_s = time.monotonic()
        _hold(run, group, run.folder / group)
        run.measure(f"{group}_s", round(time.monotonic() - started_s, 1))


def _hold(run: Drill, group: str, folder: Path) -> None:
    (folder / "town").mkdir(parents=True)
    with four_validators(folder / "town", params=TOWN_PARAMS) as (cluster, rpc):
        api = RealApi(cluster, folder / "api")
        run.closers.append(api.stop)
        api.start()
        chain = [
            *(option for url in rpc.rpc.urls for option in ("--node", url)),
            *("--genesis", str(cluster.homes[0].genesis_file)),
        ]

        def act(action: str, rank: int) -> tuple[int, dict[str, Any]]:
            desk = prepare_desk(folder / f"desk{rank}", TRUSTEE_BODIES[rank - 1])
            return beffroi("trustee", action, poll.uuid, *desk, *chain)

        with Api(api.url, "en") as http_api:
            town = HttpTown(folder / "town", rpc.rpc.urls, api, http_api)
            poll = HallPoll.draft(town, act, make_voters(group), group)
            archives = hold(poll, poll.download, folder)
            run.did(f"{group}: {_tell(town.posted)}")
            _judge(run, poll, archives, folder)
            town.rpc.close()
        api.stop()


def _tell(posted: Mapping[str, int]) -> str:
    return ", ".join(f"{number} by {path}" for path, number in sorted(posted.items()))


def _judge(run: Drill, poll: HallPoll, archives: Mapping[str, bytes], folder: Path) -> None:
    group = poll.vote.body.group
    files = [folder / f"{name}.bel" for name in archives]
    for file, content in zip(files, archives.values(), strict=True):
        file.write_bytes(content)
    code, said = beffroi("votes", "verify", str(files[-1]))
    is_green = code == 0 and said["stage"] == "finished" and said["ballots"] == CAST
    run.check(f"{group}: the verifier is green", is_green, said.get("reason", said.get("stage")))
    for earlier, later in pairwise(files):
        code, said = beffroi("votes", "verify-diff", str(earlier), str(later))
        text = f"{group}: {earlier.stem} is the beginning of {later.stem}"
        run.check(text, code == 0, said["verdict"])
    judge(poll, archives, folder)
    if is_judged_by_the_tool(group):
        run.did(f"{group}: a ballot made, all archives verified and compared by belenios-tool")
    path = f"/v1/votes/elections/{poll.uuid}"
    votes = poll.town.get_json(f"{path}/result")["votes"]
    run.check(f"{group}: the API shows the plain count", votes == poll.plain_count(), votes)
    counts = poll.town.get_json(path)["counts"]
    seen = {name: counts[name] for name in COUNTS}
    run.check(f"{group}: every ballot is counted once", seen == COUNTS, seen)
