"""Elections out of verified results into rows; one function per kind of transaction or block-end effect.

The results' and journal's fields are described in `chain.town.votes.journal`.
Reads and writes: this domain's projected tables.  Never: joins a request to a registration; the chain cannot either.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from app.core.database import insert_row
from app.core.projection import ProjectedAnonymous, ProjectedJournal, ProjectedTx
from app.votes.models import (
    AnchorRow,
    BallotRow,
    CopyRow,
    CredentialRow,
    DocumentRow,
    ElectionRow,
    EventRow,
    KeyRow,
    PlaceRow,
    RequestRow,
    ShareRow,
    SignatureRow,
    StationRow,
)
from chain.codec.canonical import encode_canonical

DATES: Final = (
    "issuance_opens",
    "issuance_closes",
    "registration_closes",
    "voting_opens",
    "voting_closes",
    "appeals_close",
)
REGISTRAR: Final = "registrar"
TRUSTEE: Final = "trustee"


# --- the election ------------------------------------------------------------------------------


def project_create(tx: ProjectedTx) -> None:
    """A published election, its stations, and the places of its registrars and trustees."""
    body = tx.body
    row = {
        "election": body.election,
        "owner": tx.payload.sender,
        "name": body.name,
        "description": body.description,
        "legal_kind": body.legal_kind,
        "policy": body.policy,
        "group_name": body.group,
        "regulation": body.regulation,
        "phase": tx.data["phase"],
        "setup": encode_canonical(body).decode(),
        "height": tx.height,
        "created_at": tx.time_s,
        **{date: getattr(body.calendar, date) for date in DATES},
        **_trustee_facts(body),
    }
    insert_row(ElectionRow, row)
    for station in body.stations:
        key = {
            "election": body.election,
            "station": station.station,
            "weight_class": station.weight_class,
        }
        insert_row(StationRow, {**key, "weight": station.weight})
    _put_places(body.election, REGISTRAR, body.registrars)
    _put_places(body.election, TRUSTEE, body.trustees)
    _tell(tx, "created", {})


def project_restart(tx: ProjectedTx) -> None:
    """The ceremony begins again, with these trustees."""
    election = tx.body.election
    _set(election, {"phase": tx.data["phase"], **_trustee_facts(tx.body)})
    PlaceRow.delete().where(_of(PlaceRow, election) & (PlaceRow.office == TRUSTEE)).execute()
    _put_places(election, TRUSTEE, tx.body.trustees)
    _tell(tx, "restarted", {})


def _trustee_facts(body: Any) -> dict[str, Any]:
    return {
        "ceremony": body.ceremony,
        "trustees": json.dumps(list(body.trustees)),
        "trustees_threshold": body.trustees_threshold,
    }


def _put_places(election: str, office: str, bodies: tuple[str, ...]) -> None:
    for rank, body in enumerate(bodies, 1):
        row = {"election": election, "office": office, "rank": rank, "body": body}
        insert_row(PlaceRow, row)


def project_ceremony(tx: ProjectedTx) -> None:
    """A trustee's step; the last one seals the election."""
    election, data = tx.body.election, tx.data
    _step(tx, TRUSTEE, tx.body.trustee, str(data["step"]))
    if data.get("phase") == "sealed":
        _set(election, {"phase": "sealed", "fingerprint": data["fingerprint"]})
        _put_document(election, "election", data["record"])
        _put_document(election, "trustees", data["trustees"])
        _tell(tx, "sealed", {"fingerprint": data["fingerprint"]})


def project_keys(tx: ProjectedTx) -> None:
    """A registrar's keys."""
    body = tx.body
    for key in body.keys:
        row = {
            "election": body.election,
            "station": key.station,
            "weight_class": key.weight_class,
            "registrar": body.registrar,
            "n": key.n,
        }
        insert_row(KeyRow, row)
    _step(tx, REGISTRAR, body.registrar, "keys")


def project_open(tx: ProjectedTx) -> None:
    """Rolls are fixed; citizens may ask."""
    body = tx.body
    _set(body.election, {"phase": tx.data["phase"], "electors": tx.data["electors"]})
    for roll in body.rolls:
        _set_station(
            body.election,
            roll.station,
            roll.weight_class,
            {"electors": roll.electors, "root": roll.root},
        )
    _tell(tx, "issuance_opened", {"electors": tx.data["electors"]})


def project_move(tx: ProjectedTx) -> None:
    """New dates, by the council."""
    calendar = {date: getattr(tx.body.calendar, date) for date in DATES}
    _set(tx.body.election, {**calendar, "reason": tx.body.reason})
    _tell(tx, "postponed", {**calendar, "reason": tx.body.reason})


def project_cancel(tx: ProjectedTx) -> None:
    """Given up, by the council."""
    _set(tx.body.election, {"phase": tx.data["phase"], "reason": tx.body.reason})
    _tell(tx, "cancelled", {"reason": tx.body.reason})


# --- issuance ----------------------------------------------------------------------------------


def project_request(tx: ProjectedTx) -> None:
    """A line of the sign-off list."""
    body = tx.body
    row = {
        "election": body.election,
        "cid": body.cid,
        "station": body.station,
        "weight_class": body.weight_class,
        "at": tx.time_s,
        "height": tx.height,
    }
    # An identical request sent again is accepted and changes nothing.
    has_row = RequestRow.select().where(
        _of(RequestRow, body.election) & (RequestRow.cid == body.cid)
    )
    if not has_row.exists():
        insert_row(RequestRow, row)
        _add_station(body.election, body.station, body.weight_class, requests=1)
        _set(body.election, {"requests": ElectionRow.requests + 1})


def project_sign(tx: ProjectedTx) -> None:
    """A registrar's blind signatures."""
    body = tx.body
    for signed in body.signatures:
        row = {
            "election": body.election,
            "cid": signed.cid,
            "registrar": body.registrar,
            "signature": signed.signature,
        }
        insert_row(SignatureRow, row, is_new=False)
    _set(body.election, {"served": tx.data["served"]})
    _step(tx, REGISTRAR, body.registrar, "signed")


def project_issuance_closed(entry: ProjectedJournal) -> None:
    """Signer sets are fixed: registration begins."""
    data = entry.data
    _set(
        data["election"],
        {"phase": "registration", "requests": data["requests"], "served": data["served"]},
    )
    for station, weight_class, requests, served, signers in data["stations"]:
        facts = {"requests": requests, "served": served, "signers": json.dumps(signers)}
        _set_station(data["election"], station, weight_class, facts)
    told = {"requests": data["requests"], "served": data["served"]}
    _tell_journal(entry, "issuance_closed", told)


def project_registration(tx: ProjectedAnonymous) -> None:
    """A credential enters the list; one that is on it already changes nothing."""
    body = tx.body
    digest = _digest(body.credential)
    mine = _of(CredentialRow, body.election) & (CredentialRow.digest == digest)
    if CredentialRow.select().where(mine).exists():
        return
    station = StationRow.get(_at(body.election, body.station, body.weight_class))
    row = {
        "election": body.election,
        "digest": digest,
        "credential": body.credential,
        "station": body.station,
        "weight_class": body.weight_class,
        "weight": station.weight,
    }
    insert_row(CredentialRow, row)
    _add_station(body.election, body.station, body.weight_class, registrations=1)
    _set(body.election, {"registrations": ElectionRow.registrations + 1})


def project_freeze(tx: ProjectedTx) -> None:
    """The commission closes the list; it is sealed over the next blocks."""
    _set(tx.body.election, {"phase": "freezing"})
    told = {"requests": tx.body.requests, "registrations": tx.body.registrations}
    _tell(tx, "freezing", told)


def project_frozen(entry: ProjectedJournal) -> None:
    """The list is sealed."""
    data = entry.data
    names = ("requests", "served", "registrations", "events", "head")
    _set(data["election"], {"phase": "frozen", **{name: data[name] for name in names}})
    told = {name: data[name] for name in ("requests", "served", "registrations", "credentials")}
    _tell_journal(entry, "frozen", told)


# --- voting ------------------------------------------------------------------------------------


def project_opened(entry: ProjectedJournal) -> None:
    """The box opens."""
    _set(entry.data["election"], {"phase": "voting"})
    _tell_journal(entry, "voting_opened", {})


def project_not_opened(entry: ProjectedJournal) -> None:
    """The box should have opened and did not."""
    _tell_journal(entry, "not_opened", {"why": entry.data["why"]})


def project_ballot(tx: ProjectedAnonymous) -> None:
    """A ballot in the box."""
    body, data = tx.body, tx.data
    text: str = body.ballot
    tracker = b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
    row = {
        "election": body.election,
        "place": data["place"],
        "tracker": tracker,
        "is_revote": data["revote"],
        "height": tx.height,
        "text": text,
    }
    insert_row(BallotRow, row)
    credential = json.loads(text)["credential"]
    mine = _of(CredentialRow, body.election) & (CredentialRow.digest == _digest(credential))
    CredentialRow.update(ballots=CredentialRow.ballots + 1).where(mine).execute()
    names = ("ballots", "voters", "events", "head")
    facts: dict[str, Any] = {name: data[name] for name in names}
    if data["revote"]:
        facts["revotes"] = ElectionRow.revotes + 1
    else:
        found = CredentialRow.get(mine)
        _add_station(body.election, found.station, found.weight_class, voters=1)
    _set(body.election, facts)


def project_spoil(tx: ProjectedAnonymous) -> None:
    """A ballot opened to check a device."""
    _set(tx.body.election, {"spoiled": tx.data["spoiled"]})


def project_closed(entry: ProjectedJournal) -> None:
    """The box is closed, its sum published."""
    data = entry.data
    names = ("ballots", "voters", "revotes", "spoiled", "weight", "events", "head")
    _set(data["election"], {"phase": "tally", **{name: data[name] for name in names}})
    for station, weight_class, voters in data["stations"]:
        _set_station(data["election"], station, weight_class, {"voters": voters})
    _put_document(data["election"], "tally", data["tally"])
    _put_document(data["election"], "sized", data["sized"])
    told = {name: data[name] for name in ("ballots", "voters", "revotes", "spoiled")}
    _tell_journal(entry, "closed", told)


def project_share(tx: ProjectedTx) -> None:
    """A trustee's part of the decryption."""
    body, data = tx.body, tx.data
    row = {
        "election": body.election,
        "place": data["place"],
        "trustee": body.trustee,
        "text": body.share,
    }
    insert_row(ShareRow, row)
    _step(tx, TRUSTEE, body.trustee, "share")
    names = ("phase", "events", "head")
    _set(body.election, {name: data[name] for name in names})
    _tell(tx, "share", {"trustee": body.trustee})


def project_result(entry: ProjectedJournal) -> None:
    """The votes, computed by the chain."""
    data = entry.data
    facts = {"phase": "decided", "votes": json.dumps(data["votes"])}
    _set(data["election"], facts | {name: data[name] for name in ("events", "head")})
    _put_document(data["election"], "result", data["result"])
    _tell_journal(entry, "result", {})


# --- afterwards --------------------------------------------------------------------------------


def project_archive(tx: ProjectedTx) -> None:
    """A body holds the archive."""
    row = {
        "election": tx.body.election,
        "body": tx.data["body"],
        "file": tx.body.file,
        "size_bytes": tx.body.size_bytes,
        "height": tx.height,
    }
    insert_row(CopyRow, row, is_new=False)
    _set(tx.body.election, {"phase": tx.data["phase"]})
    _tell(tx, "archived", {"body": tx.data["body"], "file": tx.body.file})


def project_purge(tx: ProjectedTx) -> None:
    """Appeals are over: what named identities and what votes looked like goes here at once."""
    election = tx.body.election
    _set(election, {"phase": tx.data["phase"]})
    for table in (RequestRow, SignatureRow):
        table.delete().where(_of(table, election)).execute()
    BallotRow.update(text="").where(_of(BallotRow, election)).execute()
    _tell(tx, "purging", {})


def project_purged(entry: ProjectedJournal) -> None:
    """Nothing is left in the state either."""
    _set(entry.data["election"], {"phase": "purged"})
    _tell_journal(entry, "purged", {})


def project_complaint(tx: ProjectedTx) -> None:
    """A complaint's hash is on the chain."""
    row = {
        "election": tx.body.election,
        "digest": tx.body.complaint,
        "place": tx.data["place"],
        "at": tx.time_s,
    }
    insert_row(AnchorRow, row)


# --- rows --------------------------------------------------------------------------------------


def _of(table: Any, election: str) -> Any:
    return table.election == election


def _set(election: str, facts: Mapping[str, Any]) -> None:
    ElectionRow.update(**facts).where(_of(ElectionRow, election)).execute()


def _at(election: str, station: str, weight_class: str) -> Any:
    return (
        _of(StationRow, election)
        & (StationRow.station == station)
        & (StationRow.weight_class == weight_class)
    )


def _set_station(election: str, station: str, weight_class: str, facts: Mapping[str, Any]) -> None:
    StationRow.update(**facts).where(_at(election, station, weight_class)).execute()


def _add_station(election: str, station: str, weight_class: str, **counts: int) -> None:
    more = {name: getattr(StationRow, name) + count for name, count in counts.items()}
    _set_station(election, station, weight_class, more)


def _step(tx: ProjectedTx, office: str, rank: int, step: str) -> None:
    mine = _of(PlaceRow, tx.body.election) & (PlaceRow.office == office) & (PlaceRow.rank == rank)
    PlaceRow.update(step=step, height=tx.height).where(mine).execute()


def _put_document(election: str, name: str, text: str) -> None:
    insert_row(DocumentRow, {"election": election, "name": name, "text": text}, is_new=False)


def _tell(tx: ProjectedTx, kind: str, facts: Mapping[str, Any]) -> None:
    _put_event(tx.body.election, tx.height, tx.index, tx.time_s, kind, facts)


def _tell_journal(entry: ProjectedJournal, kind: str, facts: Mapping[str, Any]) -> None:
    election = entry.data["election"]
    _put_event(election, entry.height, entry.position, entry.time_s, kind, facts)


def _put_event(
    election: str, height: int, position: int, time_s: int, kind: str, facts: Mapping[str, Any]
) -> None:
    row = {
        "election": election,
        "height": height,
        "position": position,
        "kind": kind,
        "time_s": time_s,
        "facts": encode_canonical(dict(facts)).decode(),
    }
    insert_row(EventRow, row)


def _digest(credential: str) -> str:
    return sha256(credential.encode()).hexdigest()


PROJECTIONS: Final = {
    "election.create": project_create,
    "election.restart": project_restart,
    "election.open_issuance": project_open,
    "election.postpone": project_move,
    "election.cancel": project_cancel,
    "election.archive": project_archive,
    "election.purge": project_purge,
    "election.complaint": project_complaint,
    "trustee.key": project_ceremony,
    "trustee.cert": project_ceremony,
    "trustee.commit": project_ceremony,
    "trustee.reveal": project_ceremony,
    "trustee.verify": project_ceremony,
    "registrar.keys": project_keys,
    "issue.request": project_request,
    "issue.sign": project_sign,
    "roll.freeze": project_freeze,
    "tally.share": project_share,
}
ANONYMOUS: Final = {
    "cred.register": project_registration,
    "ballot.cast": project_ballot,
    "ballot.spoil": project_spoil,
}
JOURNAL: Final = {
    "votes.issuance_closed": project_issuance_closed,
    "votes.frozen": project_frozen,
    "votes.voting_opened": project_opened,
    "votes.not_opened": project_not_opened,
    "votes.closed": project_closed,
    "votes.result": project_result,
    "votes.purged": project_purged,
}
