"""Suite wire_messages: golden protobuf bytes of peer and remote-signer messages, by channel.

Per case: the bytes decode as the channel's envelope and encode to the same bytes; the file's schema-less reading
(`fields`) is what those bytes say; a byte more or less is refused.
"""

import re
from pathlib import Path
from typing import Any

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.proto import decode, encode
from chain.types import messages as m
from chain.types.block import EvidenceList
from tests.vectors.runner import load_json, main

ENVELOPES = {
    "tendermint.abci.Request": m.Request,
    "tendermint.abci.Response": m.Response,
    "tendermint.blocksync.Message": m.BlocksyncMessage,
    "tendermint.consensus.Message": m.ConsensusMessage,
    "tendermint.consensus.TimedWALMessage": m.TimedWALMessage,
    "tendermint.consensus.WALMessage": m.WALMessage,
    "tendermint.mempool.Message": m.MempoolMessage,
    "tendermint.p2p.Message": m.PexMessage,
    "tendermint.p2p.Packet": m.Packet,
    "tendermint.privval.Message": m.PrivvalMessage,
    "tendermint.statesync.Message": m.StatesyncMessage,
    "tendermint.types.EvidenceList": EvidenceList,
}
"""Full name in the .proto files to our class."""


def replay(path: Path) -> int | None:
    """Check every case of every group."""
    vectors = load_json(path)
    if not isinstance(vectors, dict) or not isinstance(vectors.get("groups"), list):
        return None
    if not all("channel" in group and "cases" in group for group in vectors["groups"]):
        return None
    checks = 0
    for group in vectors["groups"]:
        cls = envelope_of(group["channel"])
        for case in group["cases"]:
            checks += _check(cls, case)
    return checks


def envelope_of(channel: str) -> type[Any]:
    """Class named by a channel's text, as "0x30 tendermint.mempool.Message"."""
    name = re.search(r"tendermint\.[\w.]+", channel)
    assert name is not None, f"no message type in {channel!r}"
    assert name[0] in ENVELOPES, f"unknown message type {name[0]}"
    return ENVELOPES[name[0]]


def _check(cls: type[Any], case: dict[str, Any]) -> int:
    name, golden = case["name"], bytes.fromhex(case["hex"])
    value = decode(cls, golden)
    assert encode(value) == golden, f"{name}: encodes to {encode(value).hex()}"
    assert decode(cls, encode(value)) == value, f"{name}: decodes to another value"
    for other in (golden[:-1], golden + b"\x00", golden + b"\x08\x01"):
        assert _refused(cls, other), f"{name}: {other.hex()} was accepted"
    if "fields" not in case:
        return 5
    assert_reads_as(golden, case["fields"], name)
    return 6


def _refused(cls: type[Any], data: bytes) -> bool:
    try:
        decode(cls, data)
    except DecodeError:
        return True
    return False


def assert_reads_as(data: bytes, fields: list[dict[str, Any]], name: str) -> None:
    """Does a reading without schema give these (number, content) pairs?"""
    pos = 0
    for entry in fields:
        [(number, content)] = entry.items()
        key, pos = wire.decode_uvarint(data, pos, len(data))
        assert key >> 3 == int(number), f"{name}: field {key >> 3}, not {number}"
        if key & 7 == wire.WIRE_VARINT:
            value, pos = wire.decode_uvarint(data, pos, len(data))
            assert value == content, f"{name}: field {number} is {value}, not {content}"
            continue
        assert key & 7 == wire.WIRE_BYTES, f"{name}: field {number} of wire type {key & 7}"
        start, pos = wire.decode_length(data, pos, len(data))
        _assert_body(data[start:pos], content, f"{name}.{number}")
    assert pos == len(data), f"{name}: bytes left over"


def _assert_body(body: bytes, content: Any, name: str) -> None:
    if isinstance(content, list):
        assert_reads_as(body, content, name)
        return
    kind, _, rest = content.partition(":")
    expected = bytes.fromhex(rest) if kind == "hex" else rest.encode()
    assert body == expected, f"{name} is {body.hex()}"


if __name__ == "__main__":
    main(replay)
