"""Founding a sample town: its folder, its keys, its genesis. Used by `beffroi up` and by the demo.

Writes: one home folder. Every key file is of mode 0600 and holds a throw-away key of the sample town; a real
town makes each key where it will be used and brings only the public half to the genesis.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.core.keyfiles import RoleKey, new_role_key, write_key_file, write_secret_file
from chain.codec.canonical import b64url_encode
from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.types.timestamp import Timestamp

BODIES: Final = {
    "mairie": "Mairie d'Exemple-sur-Orne",
    "commercants": "Association des commerçants",
    "energie": "Coopérative d'énergie locale",
    "temoin": "Université voisine (témoin)",
}
ROLES: Final = (
    ("clerk-1", "clerk", "mairie"),
    ("clerk-2", "clerk", "mairie"),
    ("supervisor", "agent_supervisor", "temoin"),
    ("operator", "loyalty_operator", "commercants"),
    ("gateway", "gateway", "mairie"),
    ("auditor", "auditor", "temoin"),
)
"""Key file, role, body."""
SAMPLE_PARAMS: Final = {
    "council_delay_s": 60,
    "identity_batch_min_entries": 1,
    "identity_batch_max_wait_s": 0,
    "identity_batch_hour_utc": -1,
}
"""Below production floors, so that one person can try everything in an afternoon; the town says INSECURE."""
ROLE_LIFE_S: Final = 300 * 86_400
MASTER_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class TownHome:
    """Where things lie in a town's folder."""

    root: Path

    @property
    def keys(self) -> Path:
        """Key files, one per role and seat."""
        return self.root / "keys"

    @property
    def node(self) -> Path:
        """The validator's home."""
        return self.root / "node"

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.root / "logs"

    @property
    def clock_offset(self) -> Path:
        """Seconds by which the whole sample town's clock is moved; absent in everyday use."""
        return self.root / "clock-offset"

    def is_founded(self) -> bool:
        """Whether a town lives here."""
        return (self.node / "config" / "genesis.json").exists()

    def environment(self, *, node_port: int, api_port: int) -> dict[str, str]:
        """The variables of `app.core.config` for this town's processes."""
        return {
            "BEFFROI_HOME": str(self.root),
            "BEFFROI_NODE_URLS": f"http://127.0.0.1:{node_port}",
            "BEFFROI_GENESIS_FILE": str(self.node / "config" / "genesis.json"),
            "BEFFROI_PUBLIC_URL": f"http://127.0.0.1:{api_port}",
            "BEFFROI_TOKEN_KEY_FILES": str(self.keys / "token.json"),
            "BEFFROI_GATEWAY_KEY_FILE": str(self.keys / "gateway.json"),
            "BEFFROI_MASTER_KEY_FILE": str(self.keys / "master.key"),
            "BEFFROI_CLOCK_OFFSET_FILE": str(self.clock_offset),
        }


def found_town(home: TownHome, *, node_port: int, params: Mapping[str, int] | None = None) -> str:
    """Make keys, genesis and the validator's home in an empty folder; returns the chain id."""
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    seats = {body: _make_key(home, f"seat-{body}", "seat", body) for body in BODIES}
    roles = [_make_key(home, name, role, body) for name, role, body in ROLES]
    _make_key(home, "token", "token", "mairie")
    write_secret_file(home.keys / "master.key", size_bytes=MASTER_KEY_BYTES)
    validator = new_role_key("validator", "mairie")
    chain_id = f"exemple-{secrets.token_hex(3)}"
    now_ns = time.time_ns()
    init_home(
        home.node,
        chain_id=chain_id,
        app_state=_app_state(seats, roles, validator, params or SAMPLE_PARAMS, now_ns),
        genesis_time=Timestamp.from_ns(now_ns),
        config=NodeConfig(rpc_port=node_port, clock_offset_file="../clock-offset"),
        validator_seed=validator.seed,
    )
    return chain_id


def _make_key(home: TownHome, name: str, role: str, body: str) -> RoleKey:
    key = new_role_key(role, body)
    write_key_file(home.keys / f"{name}.json", key)
    return key


def _app_state(
    seats: Mapping[str, RoleKey],
    roles: list[RoleKey],
    validator: RoleKey,
    params: Mapping[str, int],
    now_ns: int,
) -> dict[str, Any]:
    expires = now_ns // 1_000_000_000 + ROLE_LIFE_S
    return {
        "params": dict(params),
        "bodies": [
            {"body": body, "name": BODIES[body], "seat_key": key.jwk()}
            for body, key in seats.items()
        ],
        "roles": [
            {"role": key.role, "body": key.body, "key": key.jwk(), "expires": expires}
            for key in roles
        ],
        "validators": [
            {
                "body": validator.body,
                "pub_key": b64url_encode(validator.signer.public_key.raw),
                "power": 10,
            }
        ],
    }


def read_chain_id(home: TownHome) -> str:
    """The chain id of a founded town."""
    genesis = json.loads((home.node / "config" / "genesis.json").read_text(encoding="utf-8"))
    return str(genesis["chain_id"])
