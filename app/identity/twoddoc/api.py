"""Route of 2D-Doc verification at the desk; nothing of the document is kept."""

import base64
import binascii
from typing import Any

from flask import current_app

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.config import Config, ConfigError
from app.core.context import get_clock, get_config
from app.core.problems import Problem
from app.identity.twoddoc import codes
from app.identity.twoddoc.picture import PictureUnreadable, read_picture
from app.identity.twoddoc.residence import is_named, verify_residence
from app.identity.twoddoc.schemas import ResidenceRequestSchema, ResidenceSchema
from app.identity.twoddoc.trust import Trust, TrustError, load_trust

EXTENSION = "beffroi-twoddoc"
LEVEL_MACHINE_CHECKED = 2
blp = TownBlueprint("twoddoc", __name__, url_prefix="/v1/desk", description="Proofs of residence")


def build_trust(config: Config) -> Trust | None:
    """What the configured folder holds, None without one; raises ConfigError."""
    if config.twoddoc_folder is None:
        return None
    try:
        return load_trust(config.twoddoc_folder)
    except TrustError as error:
        raise ConfigError(f"BEFFROI_TWODDOC_FOLDER: {error}") from error


@blp.post("/residence-proofs")
@access("clerk", rule="the document that the citizen lays on the desk", objects="none")
@blp.arguments(ResidenceRequestSchema)
@blp.response(201, ResidenceSchema)
def create_residence_check(args: dict[str, Any]) -> dict[str, Any]:
    """Verify the 2D-Doc of a proof of residence."""
    trust: Trust | None = current_app.extensions[EXTENSION]
    if trust is None:
        raise Problem(codes.TWODDOC_ABSENT)
    text = args["text"] if "text" in args else _read_picture(args["picture"])
    proof = verify_residence(
        text, trust, postcodes=get_config().postcodes, now_s=get_clock().now_s()
    )
    matches = is_named(proof, args["family_names"], args["given_names"])
    return {
        "kind": proof.kind,
        "issued_on": proof.issued_on,
        "names": proof.names,
        "address": proof.address,
        "postcode": proof.postcode,
        "city": proof.city,
        "name_matches": matches,
        "cut_short": proof.is_cut_short,
        "level_residence": LEVEL_MACHINE_CHECKED if matches else 0,
    }


def _read_picture(text: str) -> str:
    try:
        return read_picture(base64.b64decode(text, validate=True))
    except (PictureUnreadable, binascii.Error, ValueError) as error:
        raise Problem(codes.TWODDOC_UNREADABLE) from error
