"""The town's enemy: what somebody tries who knows the rules by heart and holds some of the keys."""

from chain.codec.canonical import b64url_encode
from chain.crypto import ed25519
from chain.town.schemas import ActParamSet, ActValidatorSet
from tests.town.town_kit import BODIES, DAY_S, make_town, name_of, validator_seed

# --- council -------------------------------------------------------------------------------


def test_a_secure_town_is_not_made_insecure_between_two_acts_of_one_list():
    town = make_town(secure=True)
    pub_key = b64url_encode(ed25519.derive_public(validator_seed(0)))
    acts = (
        ActValidatorSet("mairie", pub_key, 0),  # three validators: for a moment anything goes
        ActParamSet("council_delay_s", 0),
        ActValidatorSet("mairie", pub_key, 10),
    )
    result = town.run(town.council_tx(*acts, seats=BODIES))[0]
    town.advance(8 * DAY_S)
    town.idle()
    assert name_of(result) == "city_param_out_of_range"
    assert town.status()["insecure"] is False
