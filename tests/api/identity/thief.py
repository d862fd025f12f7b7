"""What a thief carries off: the database's files and dump, every block and record of the chain."""

import json
import re
import sqlite3
from contextlib import closing

from chain.codec.canonical import b64url_decode
from chain.codec.cmtjson import to_json
from tests.journeys.kit import Street


def steal(street: Street) -> dict[str, bytes]:
    """Place to bytes."""
    home = street.town.config.home
    places = {path.name: path.read_bytes() for path in home.glob("town.db*")}
    with closing(sqlite3.connect(home / "town.db")) as stolen:
        places["dump.sql"] = "\n".join(stolen.iterdump()).encode()
    return places | chain_bytes(street)


def chain_bytes(street: Street) -> dict[str, bytes]:
    lab = street.town.lab
    blocks = json.dumps([to_json(block) for _, block in sorted(lab.blocks.items())]).encode()
    results = json.dumps(
        [[to_json(result) for result in r] for _, r in sorted(lab.results.items())]
    ).encode()
    txs = b"\n".join(tx for _, block in sorted(lab.blocks.items()) for tx in block.data.txs)
    attested = b"\n".join(open_jws(txs))
    spaces = lab.app._store._records.values()
    records = b"\n".join(record for space in spaces for record in space.values())
    assert records
    return {
        "blocks": blocks,
        "results": results,
        "transactions": txs,
        "signed payloads": attested,
        "state": records,
    }


def open_jws(text: bytes) -> list[bytes]:
    """The payloads of every compact JWS, nested ones too: base64 must not hide a name from the search."""
    found, wave = [], [text]
    while wave:
        inner = re.findall(rb"eyJ[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.", b"\n".join(wave))
        wave = [b64url_decode(payload.decode()) for payload in inner]
        found += wave
    return found
