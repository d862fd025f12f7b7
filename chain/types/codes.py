"""The one registry of refusal codes: it feeds ABCI results, problem documents and `docs/errors.md`.

Numbers are unique over all domains, because only the number (not the codespace) is hashed into
`last_results_hash`. Ranges: tx 1-99, account 100-, city 200-, identity 300-, loyalty 400- (settlement 470-), sel 500-,
energy 600-, documents 700-, votes 800-. A number or a name, once released, never changes its meaning.
`last_results_hash`. Ranges: tx 1-99, account 100-, city 200-, identity 300-, loyalty 400-, sel 500-,
energy 600-, documents 700-, votes 800-, audit 900-. A number or a name, once released, never changes its meaning.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """A stable refusal: `name` for programs, `en` and `fr` for people (what happened, what to do next)."""

    number: int
    codespace: str
    name: str
    en: str
    fr: str


_REGISTRY: dict[int, Code] = {}
_BY_NAME: dict[str, Code] = {}


def _code(number: int, codespace: str, name: str, en: str, fr: str) -> Code:
    if number in _REGISTRY or name in _BY_NAME:
        raise ValueError(f"code {number} {name} registered twice")
    code = Code(number, codespace, name, en, fr)
    _REGISTRY[number] = code
    _BY_NAME[name] = code
    return code


def get_code(number: int) -> Code | None:
    """The code of an ABCI result number, or None when this release does not know it."""
    return _REGISTRY.get(number)


def get_code_by_name(name: str) -> Code | None:
    """The code of a stable name, or None."""
    return _BY_NAME.get(name)


def all_codes() -> tuple[Code, ...]:
    """Every code, by number."""
    return tuple(_REGISTRY[number] for number in sorted(_REGISTRY))


# tx: the envelope, before any domain rule
TX_TOO_LARGE: Final = _code(
    1,
    "tx",
    "tx_too_large",
    "The transaction is larger than the town allows; split it.",
    "La transaction dépasse la taille permise ; divisez-la.",
)
TX_MALFORMED: Final = _code(
    2,
    "tx",
    "tx_malformed",
    "The transaction is not a canonical signed envelope; build it with an up-to-date client.",
    "La transaction n'est pas une enveloppe signée canonique ; mettez votre application à jour.",
)
TX_UNKNOWN_TYPE: Final = _code(
    3,
    "tx",
    "tx_unknown_type",
    "This town does not know this kind of transaction; update the client.",
    "La ville ne connaît pas ce type de transaction ; mettez votre application à jour.",
)
TX_WRONG_TOWN: Final = _code(
    4,
    "tx",
    "tx_wrong_town",
    "The transaction was signed for another town; sign it again for this one.",
    "La transaction a été signée pour une autre ville ; signez-la pour celle-ci.",
)
TX_EXPIRED: Final = _code(
    5,
    "tx",
    "tx_expired",
    "The transaction came too late; sign a fresh one.",
    "La transaction est arrivée trop tard ; signez-en une nouvelle.",
)
TX_EXPIRY_TOO_FAR: Final = _code(
    6,
    "tx",
    "tx_expiry_too_far",
    "The transaction expires too far ahead; use a shorter expiry and check the clock.",
    "L'échéance de la transaction est trop lointaine ; raccourcissez-la et vérifiez l'horloge.",
)
TX_REPLAYED: Final = _code(
    7,
    "tx",
    "tx_replayed",
    "This exact transaction was already taken; nothing happened twice.",
    "Cette transaction a déjà été prise en compte ; rien n'a été fait deux fois.",
)
TX_BAD_SIGNATURE: Final = _code(
    8,
    "tx",
    "tx_bad_signature",
    "A signature does not match; sign again with the registered key.",
    "Une signature ne correspond pas ; signez à nouveau avec la clé enregistrée.",
)
TX_UNKNOWN_KEY: Final = _code(
    9,
    "tx",
    "tx_unknown_key",
    "The signing key is not registered in this town; register the device first.",
    "La clé de signature n'est pas enregistrée dans cette ville ; enregistrez d'abord l'appareil.",
)
TX_NOT_ENTITLED: Final = _code(
    10,
    "tx",
    "tx_not_entitled",
    "The signing key may not act for this account or body; use the right key.",
    "La clé de signature ne peut pas agir pour ce compte ou cet organisme ; utilisez la bonne clé.",
)
TX_WRONG_ROLE: Final = _code(
    11,
    "tx",
    "tx_wrong_role",
    "The signer's role does not allow this act; ask a body that holds the role.",
    "Le rôle du signataire ne permet pas cet acte ; adressez-vous à un organisme qui a ce rôle.",
)
TX_QUOTA_EXCEEDED: Final = _code(
    12,
    "tx",
    "tx_quota_exceeded",
    "Too many transactions from this key for now; wait a minute and try again.",
    "Trop de transactions de cette clé pour l'instant ; attendez une minute et réessayez.",
)
TX_BODY_INVALID: Final = _code(
    13,
    "tx",
    "tx_body_invalid",
    "The transaction's content does not have the required form; the message names the field.",
    "Le contenu de la transaction n'a pas la forme requise ; le message nomme le champ.",
)
TX_KEY_EXPIRED: Final = _code(
    14,
    "tx",
    "tx_key_expired",
    "The signing key is revoked or out of date; renew it.",
    "La clé de signature est révoquée ou périmée ; renouvelez-la.",
)
TX_MISSING_SIGNATURE: Final = _code(
    15,
    "tx",
    "tx_missing_signature",
    "The act needs more signatures; collect those that are missing.",
    "L'acte demande d'autres signatures ; recueillez celles qui manquent.",
)
TX_INTERNAL: Final = _code(
    16,
    "tx",
    "tx_internal",
    "The town's rules failed on this transaction; it was dropped and had no effect. Report it.",
    "Les règles de la ville ont échoué sur cette transaction ; elle est écartée sans effet. Signalez-la.",
)

# query
QUERY_UNKNOWN_PATH: Final = _code(
    50, "query", "query_unknown_path", "No such query path.", "Ce chemin de requête n'existe pas."
)
QUERY_VERSION_GONE: Final = _code(
    51,
    "query",
    "query_version_gone",
    "That version of the state is no longer kept; ask for a recent height.",
    "Cette version de l'état n'est plus conservée ; demandez une hauteur récente.",
)
QUERY_BAD_KEY: Final = _code(
    52,
    "query",
    "query_bad_key",
    "The query key is malformed.",
    "La clé de la requête est mal formée.",
)

# account
ACCOUNT_EXISTS: Final = _code(
    100, "account", "account_exists", "This account is already open.", "Ce compte est déjà ouvert."
)
ACCOUNT_UNKNOWN: Final = _code(
    101,
    "account",
    "account_unknown",
    "There is no such account; open it first.",
    "Ce compte n'existe pas ; ouvrez-le d'abord.",
)
ACCOUNT_BAD_TICKET: Final = _code(
    102,
    "account",
    "account_bad_ticket",
    "The opening ticket is not valid for this key; ask for a new one.",
    "Le ticket d'ouverture n'est pas valable pour cette clé ; demandez-en un autre.",
)
ACCOUNT_WRONG_DOMAIN: Final = _code(
    103,
    "account",
    "account_wrong_domain",
    "This account belongs to another service; use the account of this service.",
    "Ce compte appartient à un autre service ; utilisez le compte de ce service.",
)
ACCOUNT_FROZEN: Final = _code(
    104,
    "account",
    "account_frozen",
    "The account is frozen; go to city hall.",
    "Le compte est gelé ; adressez-vous à la mairie.",
)

ACCOUNT_CLOSED: Final = _code(
    105,
    "account",
    "account_closed",
    "The account is closed for good; open a new one.",
    "Le compte est clos définitivement ; ouvrez-en un nouveau.",
)
ACCOUNT_DEVICES_FULL: Final = _code(
    106,
    "account",
    "account_devices_full",
    "The account has as many second keys as it may; remove one first.",
    "Le compte a déjà autant de clés secondaires que permis ; retirez-en une d'abord.",
)
ACCOUNT_DEVICE_UNKNOWN: Final = _code(
    107,
    "account",
    "account_device_unknown",
    "The account has no such second key; read the list of devices again.",
    "Le compte n'a pas cette clé secondaire ; relisez la liste des appareils.",
)
ACCOUNT_DEVICE_SCOPE: Final = _code(
    108,
    "account",
    "account_device_scope",
    "A second key cannot sign this; use the account's own key.",
    "Une clé secondaire ne peut pas signer cela ; utilisez la clé du compte.",
)

# city: bodies, council, roles, validators, parameters
CITY_UNKNOWN_BODY: Final = _code(
    200,
    "city",
    "city_unknown_body",
    "There is no such body in this town.",
    "Cet organisme n'existe pas dans cette ville.",
)
CITY_NO_QUORUM: Final = _code(
    201,
    "city",
    "city_no_quorum",
    "The act needs more than two thirds of the council's seats.",
    "L'acte demande plus des deux tiers des sièges du conseil.",
)
CITY_ACT_REFUSED: Final = _code(
    202,
    "city",
    "city_act_refused",
    "The council's act would break a rule kept in the chain; the message names it.",
    "L'acte du conseil violerait une règle tenue par la chaîne ; le message la nomme.",
)
CITY_UNKNOWN_ROLE: Final = _code(
    203, "city", "city_unknown_role", "There is no such role.", "Ce rôle n'existe pas."
)
CITY_KEY_IN_USE: Final = _code(
    204,
    "city",
    "city_key_in_use",
    "This key already has a use; make a fresh key.",
    "Cette clé sert déjà ; créez-en une nouvelle.",
)
CITY_PARAM_OUT_OF_RANGE: Final = _code(
    205,
    "city",
    "city_param_out_of_range",
    "The parameter is outside its bounds.",
    "Le paramètre est hors de ses bornes.",
)

# identity
IDENTITY_BATCH_TOO_SMALL: Final = _code(
    300,
    "identity",
    "identity_batch_too_small",
    "The batch is too small to hide its members; wait for more identities or for the waiting time to end.",
    "Le lot est trop petit pour protéger ses membres ; attendez d'autres identités ou la fin du délai.",
)
IDENTITY_BATCH_UNSORTED: Final = _code(
    301,
    "identity",
    "identity_batch_unsorted",
    "The entries of a batch are sorted by cid, each once.",
    "Les entrées d'un lot sont triées par cid, chacune une fois.",
)
IDENTITY_EXISTS: Final = _code(
    302,
    "identity",
    "identity_exists",
    "This identity is already written.",
    "Cette identité est déjà inscrite.",
)
IDENTITY_UNKNOWN: Final = _code(
    303,
    "identity",
    "identity_unknown",
    "There is no such identity.",
    "Cette identité n'existe pas.",
)
IDENTITY_BAD_ATTESTATION: Final = _code(
    304,
    "identity",
    "identity_bad_attestation",
    "An attestation in the batch is not signed by an agent in office, or says more than the agent may.",
    "Une attestation du lot n'est pas signée par un agent en fonction, ou dépasse ses pouvoirs.",
)
IDENTITY_BAD_TRANSITION: Final = _code(
    305,
    "identity",
    "identity_bad_transition",
    "The identity cannot pass from its present status to that one.",
    "L'identité ne peut pas passer de son statut actuel à celui-là.",
)
IDENTITY_SECOND_AGENT: Final = _code(
    306,
    "identity",
    "identity_second_agent",
    "This act needs two agents of different keys.",
    "Cet acte demande deux agents, avec deux clés différentes.",
)
IDENTITY_OUTSIDE_HOUR: Final = _code(
    307,
    "identity",
    "identity_outside_hour",
    "Batches are written at the town's fixed hour only.",
    "Les lots ne sont écrits qu'à l'heure fixée par la ville.",
)
IDENTITY_NOT_ACTIVE: Final = _code(
    308,
    "identity",
    "identity_not_active",
    "The identity is not active; go to city hall.",
    "L'identité n'est pas active ; adressez-vous à la mairie.",
)

IDENTITY_RECOVERY_PENDING: Final = _code(
    320,
    "identity",
    "identity_recovery_pending",
    "A recovery of this account is under way; finish it or give it up first, at city hall.",
    "Une récupération de ce compte est en cours ; terminez-la ou abandonnez-la d'abord, en mairie.",
)
IDENTITY_RECOVERY_UNKNOWN: Final = _code(
    321,
    "identity",
    "identity_recovery_unknown",
    "There is no such recovery, or it is of another key; ask at city hall.",
    "Cette récupération n'existe pas, ou concerne une autre clé ; adressez-vous à la mairie.",
)
IDENTITY_RECOVERY_VETOED: Final = _code(
    322,
    "identity",
    "identity_recovery_vetoed",
    "The old key stopped this recovery; come to city hall in person: two other agents decide after a week.",
    "L'ancienne clé a arrêté cette récupération ; venez en mairie : deux autres agents décident après une semaine.",
)
IDENTITY_RECOVERY_EARLY: Final = _code(
    323,
    "identity",
    "identity_recovery_early",
    "The waiting time is not over; the message says until when.",
    "Le délai n'est pas écoulé ; le message dit jusqu'à quand.",
)
IDENTITY_SAME_BODY: Final = _code(
    324,
    "identity",
    "identity_same_body",
    "The two agents must belong to two bodies; ask an agent of another body to sign.",
    "Les deux agents doivent relever de deux organismes ; faites signer un agent d'un autre organisme.",
)
IDENTITY_SAME_AGENTS: Final = _code(
    325,
    "identity",
    "identity_same_agents",
    "Who opened a recovery cannot override its veto; two other agents must sign.",
    "Qui a ouvert une récupération ne peut pas lever son veto ; deux autres agents doivent signer.",
)
IDENTITY_REVERSAL_LATE: Final = _code(
    326,
    "identity",
    "identity_reversal_late",
    "The identity ended more than 30 days ago and cannot come back; enrol the person again.",
    "L'identité a pris fin il y a plus de 30 jours et ne peut revenir ; enrôlez à nouveau la personne.",
)
IDENTITY_KEY_DIFFERS: Final = _code(
    327,
    "identity",
    "identity_key_differs",
    "A renewal names the identity's present key; this one names another.",
    "Un renouvellement nomme la clé actuelle de l'identité ; celui-ci en nomme une autre.",
)
ELECTORAL_UNSORTED: Final = _code(
    370,
    "identity",
    "electoral_unsorted",
    "Stations and identities come sorted, each once; sort the list and sign again.",
    "Bureaux et identités viennent triés, une fois chacun ; triez la liste et signez à nouveau.",
)
ELECTORAL_STATION_TOO_SMALL: Final = _code(
    371,
    "identity",
    "electoral_station_too_small",
    "A polling station has too few electors to keep votes secret; merge it with another in the list.",
    "Un bureau de vote a trop peu d'électeurs pour garder le secret ; regroupez-le avec un autre dans la liste.",
)
ELECTORAL_REGISTER_EXPIRED: Final = _code(
    372,
    "identity",
    "electoral_register_expired",
    "The extract of the electoral register is out of date, or dated too far ahead; import a new one.",
    "L'extrait du répertoire électoral est périmé, ou daté trop loin ; importez-en un nouveau.",
)
ELECTORAL_REGISTER_REPLACED: Final = _code(
    373,
    "identity",
    "electoral_register_replaced",
    "This is not the newest import of the electoral register; match against the newest one.",
    "Ce n'est pas le dernier import du répertoire électoral ; faites le rapprochement avec le dernier.",
)
ELECTORAL_STATION_UNKNOWN: Final = _code(
    374,
    "identity",
    "electoral_station_unknown",
    "The newest import has no such polling station; check its code.",
    "Le dernier import ne contient pas ce bureau de vote ; vérifiez son code.",
)
ELECTORAL_STATION_FULL: Final = _code(
    375,
    "identity",
    "electoral_station_full",
    "As many identities as imported electors are enrolled at this station; strike a wrong one first.",
    "Ce bureau a déjà autant d'identités que d'électeurs importés ; radiez d'abord celle qui est fausse.",
)
ELECTORAL_ALREADY: Final = _code(
    376,
    "identity",
    "electoral_already",
    "This identity is enrolled in this import already; strike it before moving it.",
    "Cette identité est déjà inscrite dans cet import ; radiez-la avant de la déplacer.",
)
ELECTORAL_NOT_ENROLLED: Final = _code(
    377,
    "identity",
    "electoral_not_enrolled",
    "This identity is not enrolled in this import.",
    "Cette identité n'est pas inscrite dans cet import.",
)
ELECTORAL_ELECTION_OPEN: Final = _code(
    378,
    "identity",
    "electoral_election_open",
    "An election is open; a new extract would take everybody off its roll. Import it after the vote.",
    "Un scrutin est ouvert ; un nouvel extrait en retirerait tout le monde. Importez-le après le vote.",
)

# loyalty
LOYALTY_UNKNOWN_PROGRAMME: Final = _code(
    400,
    "loyalty",
    "loyalty_unknown_programme",
    "There is no such programme.",
    "Ce programme n'existe pas.",
)
LOYALTY_PROGRAMME_INACTIVE: Final = _code(
    401,
    "loyalty",
    "loyalty_programme_inactive",
    "The programme is not open for this.",
    "Le programme n'est pas ouvert pour cela.",
)
LOYALTY_PROGRAMME_EXISTS: Final = _code(
    402,
    "loyalty",
    "loyalty_programme_exists",
    "This programme version already exists.",
    "Cette version du programme existe déjà.",
)
LOYALTY_UNKNOWN_SHOP: Final = _code(
    403,
    "loyalty",
    "loyalty_unknown_shop",
    "There is no such shop in the coalition.",
    "Ce commerce ne fait pas partie du réseau.",
)
LOYALTY_SHOP_EXISTS: Final = _code(
    404,
    "loyalty",
    "loyalty_shop_exists",
    "This shop is already registered.",
    "Ce commerce est déjà enregistré.",
)
LOYALTY_TILL_UNKNOWN: Final = _code(
    405,
    "loyalty",
    "loyalty_till_unknown",
    "This till is not registered for the shop; the shop owner must register it.",
    "Cette caisse n'est pas enregistrée pour le commerce ; le commerçant doit l'enregistrer.",
)
LOYALTY_TILL_CAP: Final = _code(
    406,
    "loyalty",
    "loyalty_till_cap",
    "The till's limit is reached; ask the shop owner.",
    "La limite de la caisse est atteinte ; adressez-vous au commerçant.",
)
LOYALTY_OVERDRAW: Final = _code(
    407, "loyalty", "loyalty_overdraw", "Not enough points.", "Pas assez de points."
)
LOYALTY_NOTHING_EARNED: Final = _code(
    408,
    "loyalty",
    "loyalty_nothing_earned",
    "This purchase earns no point under the programme's rules.",
    "Cet achat ne rapporte aucun point selon les règles du programme.",
)
LOYALTY_UNKNOWN_REFERENCE: Final = _code(
    409,
    "loyalty",
    "loyalty_unknown_reference",
    "There is no such operation to reverse.",
    "L'opération à annuler n'existe pas.",
)
LOYALTY_REVERSAL_EXCEEDS: Final = _code(
    410,
    "loyalty",
    "loyalty_reversal_exceeds",
    "More than was given or spent cannot be reversed.",
    "On ne peut pas annuler plus que ce qui a été donné ou dépensé.",
)
LOYALTY_REVERSAL_LATE: Final = _code(
    411,
    "loyalty",
    "loyalty_reversal_late",
    "A till may undo only its own operation, for five minutes; the shop owner can still refund.",
    "Une caisse ne peut annuler que sa propre opération, pendant cinq minutes ; le commerçant peut encore rembourser.",
)
LOYALTY_RECEIPT_USED: Final = _code(
    412,
    "loyalty",
    "loyalty_receipt_used",
    "Points were already given for this receipt.",
    "Les points de ce ticket ont déjà été donnés.",
)
LOYALTY_WALLET_FULL: Final = _code(
    413,
    "loyalty",
    "loyalty_wallet_full",
    "The wallet holds too many separate lots of points; spend some first.",
    "Le portefeuille contient trop de lots de points ; utilisez-en d'abord.",
)
LOYALTY_SELF_DEALING: Final = _code(
    414,
    "loyalty",
    "loyalty_self_dealing",
    "A shop does not serve the accounts of its own staff; another shop can.",
    "Un commerce ne sert pas les comptes de son propre personnel ; adressez-vous à un autre commerce.",
)
LOYALTY_VELOCITY: Final = _code(
    415,
    "loyalty",
    "loyalty_velocity",
    "Too many operations in too little time; try again later or ask the shop owner.",
    "Trop d'opérations en trop peu de temps ; réessayez plus tard ou adressez-vous au commerçant.",
)
LOYALTY_NOT_PENDING: Final = _code(
    416,
    "loyalty",
    "loyalty_not_pending",
    "These points are not waiting for anything.",
    "Ces points ne sont pas en attente.",
)
LOYALTY_POINTS_DIFFER: Final = _code(
    417,
    "loyalty",
    "loyalty_points_differ",
    "The number of points is not the one shown; show the new one to the customer.",
    "Le nombre de points n'est pas celui qui était affiché ; montrez le nouveau au client.",
)
LOYALTY_CAMPAIGN_SPENT: Final = _code(
    418,
    "loyalty",
    "loyalty_campaign_spent",
    "The campaign has nothing left to give as much as shown; show the new number of points.",
    "L'opération n'a plus de quoi donner autant qu'affiché ; montrez le nouveau nombre de points.",
)
LOYALTY_MEMBER_LIMIT: Final = _code(
    419,
    "loyalty",
    "loyalty_member_limit",
    "This account has had its share.",
    "Ce compte a déjà eu sa part.",
)
LOYALTY_TOO_MANY_LOTS: Final = _code(
    420,
    "loyalty",
    "loyalty_too_many_lots",
    "The points lie in too many small lots; do it in two parts.",
    "Les points sont répartis en trop de petits lots ; faites-le en deux fois.",
)
LOYALTY_HOLD_ENDED: Final = _code(
    421,
    "loyalty",
    "loyalty_hold_ended",
    "The hold is over: captured, released or timed out.",
    "La réservation est terminée : encaissée, rendue ou expirée.",
)
LOYALTY_CAPTURE_EXCEEDS: Final = _code(
    422,
    "loyalty",
    "loyalty_capture_exceeds",
    "More than is held cannot be captured.",
    "On ne peut pas encaisser plus que ce qui est réservé.",
)
LOYALTY_BUDGET_BELOW: Final = _code(
    423,
    "loyalty",
    "loyalty_budget_below",
    "The budget cannot fall below what was already given.",
    "Le budget ne peut pas descendre sous ce qui a déjà été donné.",
)
LOYALTY_BUDGET_SPENT: Final = _code(
    424,
    "loyalty",
    "loyalty_budget_spent",
    "The vouchers of this series have used up their budget; ask the shop that issued them.",
    "Les bons de cette série ont épuisé leur budget ; adressez-vous au commerce émetteur.",
)
LOYALTY_IN_DEBT: Final = _code(
    425,
    "loyalty",
    "loyalty_in_debt",
    "The account owes points; earn them back before giving any away.",
    "Le compte doit des points ; regagnez-les avant d'en donner.",
)
LOYALTY_NOT_TRANSFERABLE: Final = _code(
    426,
    "loyalty",
    "loyalty_not_transferable",
    "The points of this programme cannot be given to others.",
    "Les points de ce programme ne peuvent pas être donnés.",
)
LOYALTY_NOT_IN_POOL: Final = _code(
    427,
    "loyalty",
    "loyalty_not_in_pool",
    "The account is not in this household pool, or not its founder.",
    "Le compte ne fait pas partie de cette cagnotte, ou n'en est pas le fondateur.",
)
LOYALTY_IN_POOL: Final = _code(
    428,
    "loyalty",
    "loyalty_in_pool",
    "The account is in a household pool already, or invited.",
    "Le compte est déjà dans une cagnotte familiale, ou invité.",
)
LOYALTY_POOL_FULL: Final = _code(
    429,
    "loyalty",
    "loyalty_pool_full",
    "The household pool has all the members it may have.",
    "La cagnotte a atteint son nombre de membres.",
)
LOYALTY_POOL_NOT_EMPTY: Final = _code(
    430,
    "loyalty",
    "loyalty_pool_not_empty",
    "The last member takes the points out before leaving.",
    "Le dernier membre retire les points avant de partir.",
)
LOYALTY_TOO_MANY_CAMPAIGNS: Final = _code(
    431,
    "loyalty",
    "loyalty_too_many_campaigns",
    "The programme has too many campaigns open; end one first.",
    "Trop d'opérations sont ouvertes dans ce programme ; terminez-en une d'abord.",
)
LOYALTY_UNKNOWN_REWARD: Final = _code(
    432,
    "loyalty",
    "loyalty_unknown_reward",
    "There is no such reward at this shop.",
    "Cette récompense n'existe pas dans ce commerce.",
)
LOYALTY_REWARD_EXPIRED: Final = _code(
    433,
    "loyalty",
    "loyalty_reward_expired",
    "The reward is not offered now; look at its dates.",
    "La récompense n'est pas proposée en ce moment ; consultez ses dates.",
)
LOYALTY_REWARD_GONE: Final = _code(
    434,
    "loyalty",
    "loyalty_reward_gone",
    "The reward is out of stock.",
    "La récompense est épuisée.",
)
LOYALTY_TOKEN_SPENT: Final = _code(
    435,
    "loyalty",
    "loyalty_token_spent",
    "This welcome token was already used.",
    "Ce jeton de bienvenue a déjà servi.",
)
LOYALTY_TOKEN_INVALID: Final = _code(
    436,
    "loyalty",
    "loyalty_token_invalid",
    "The welcome token is not signed by the register; ask for one at city hall.",
    "Le jeton de bienvenue n'est pas signé par le registre ; demandez-en un à la mairie.",
)
QR_MALFORMED: Final = _code(
    440,
    "loyalty",
    "qr_malformed",
    "This is not a readable town code; show it again.",
    "Ce n'est pas un code lisible de la ville ; présentez-le à nouveau.",
)
QR_EXPIRED: Final = _code(
    441,
    "loyalty",
    "qr_expired",
    "The code is out of date; ask for a fresh one on the phone.",
    "Le code est périmé ; affichez-en un nouveau sur le téléphone.",
)
QR_UNKNOWN_KEY: Final = _code(
    442,
    "loyalty",
    "qr_unknown_key",
    "The code belongs to no open account.",
    "Le code ne correspond à aucun compte ouvert.",
)
QR_REVOKED: Final = _code(
    443,
    "loyalty",
    "qr_revoked",
    "The account or its key was revoked; go to city hall.",
    "Le compte ou sa clé est révoqué ; adressez-vous à la mairie.",
)
QR_BAD_SIGNATURE: Final = _code(
    444,
    "loyalty",
    "qr_bad_signature",
    "The code's signature is wrong; do not accept it.",
    "La signature du code est fausse ; ne l'acceptez pas.",
)
QR_REPLAYED: Final = _code(
    445,
    "loyalty",
    "qr_replayed",
    "The code was already used; ask for a fresh one.",
    "Le code a déjà servi ; demandez-en un nouveau.",
)
QR_OVER_MAX: Final = _code(
    446,
    "loyalty",
    "qr_over_max",
    "The amount is above what the code allows; the customer must confirm on the phone.",
    "Le montant dépasse ce que le code permet ; le client doit confirmer sur son téléphone.",
)
QR_WRONG_SHOP: Final = _code(
    447,
    "loyalty",
    "qr_wrong_shop",
    "The code was made for another shop.",
    "Le code a été fait pour un autre commerce.",
)

# loyalty without a network
LOYALTY_NOTE_INVALID: Final = _code(
    450,
    "loyalty",
    "loyalty_note_invalid",
    "The purchase was not written down by this shop's till for this town; enter it again at the till.",
    "L'achat n'a pas été noté par la caisse de ce commerce pour cette ville ; saisissez-le à nouveau à la caisse.",
)
LOYALTY_NOTE_OLD: Final = _code(
    451,
    "loyalty",
    "loyalty_note_old",
    "The till kept this purchase for too long; the shop's owner gives the points by hand.",
    "La caisse a gardé cet achat trop longtemps ; le commerçant crédite les points à la main.",
)
LOYALTY_NOTE_EARLY: Final = _code(
    452,
    "loyalty",
    "loyalty_note_early",
    "The till's clock is ahead; set it and send the purchase again later.",
    "L'horloge de la caisse avance ; réglez-la et renvoyez l'achat plus tard.",
)
LOYALTY_TILL_REVOKED: Final = _code(
    453,
    "loyalty",
    "loyalty_till_revoked",
    "The till was revoked; only the shop's owner sends what it noted before that time.",
    "La caisse est révoquée ; seul le commerçant envoie ce qu'elle avait noté avant cette heure.",
)
LOYALTY_OFFLINE_OFF: Final = _code(
    454,
    "loyalty",
    "loyalty_offline_off",
    "This programme takes no payments without a network; pay online.",
    "Ce programme n'accepte pas de paiement hors ligne ; payez en ligne.",
)
LOYALTY_OFFLINE_LIMIT: Final = _code(
    455,
    "loyalty",
    "loyalty_offline_limit",
    "More points than may be set aside for payments without a network; ask for fewer.",
    "Plus de points que ce qui peut être réservé aux paiements hors ligne ; demandez-en moins.",
)
LOYALTY_OFFLINE_RUNS: Final = _code(
    456,
    "loyalty",
    "loyalty_offline_runs",
    "An allowance of this account is still running; use it, or wait until it ends.",
    "Une réserve hors ligne de ce compte est encore en cours ; utilisez-la ou attendez sa fin.",
)
LOYALTY_OFFLINE_UNKNOWN: Final = _code(
    457,
    "loyalty",
    "loyalty_offline_unknown",
    "No such allowance is on record: the code is forged, or of another town. Call the town's loyalty desk.",
    "Cette réserve hors ligne n'existe pas : le code est faux ou d'une autre ville. Appelez le service fidélité.",
)
LOYALTY_OFFLINE_CLOSED: Final = _code(
    458,
    "loyalty",
    "loyalty_offline_closed",
    "The time to claim this payment is over; the points went back to the customer.",
    "Le délai pour encaisser ce paiement est passé ; les points ont été rendus au client.",
)
LOYALTY_OFFLINE_SHOP_CAP: Final = _code(
    459,
    "loyalty",
    "loyalty_offline_shop_cap",
    "One shop may claim no more than this from one allowance.",
    "Un commerce ne peut pas encaisser davantage sur une même réserve hors ligne.",
)
LOYALTY_OFFLINE_CROWDED: Final = _code(
    460,
    "loyalty",
    "loyalty_offline_crowded",
    "Too many payments were claimed from one allowance; call the town's loyalty desk.",
    "Trop de paiements ont été encaissés sur une même réserve ; appelez le service fidélité.",
)
LOYALTY_OFFLINE_CLAIMED: Final = _code(
    461,
    "loyalty",
    "loyalty_offline_claimed",
    "This payment was claimed already; nothing happened twice.",
    "Ce paiement a déjà été encaissé ; rien n'a été fait deux fois.",
)
LOYALTY_NO_FRAUD: Final = _code(
    462,
    "loyalty",
    "loyalty_no_fraud",
    "These codes can be an honest phone's; they prove nothing.",
    "Ces codes peuvent venir d'un téléphone honnête ; ils ne prouvent rien.",
)
LOYALTY_FRAUD_KNOWN: Final = _code(
    463,
    "loyalty",
    "loyalty_fraud_known",
    "This fraud is on record already; nothing is left to do.",
    "Cette fraude est déjà enregistrée ; il n'y a plus rien à faire.",
)

# settlement between shops
LOYALTY_OWNER_KEY_WAITS: Final = _code(
    437,
    "loyalty",
    "loyalty_owner_key_waits",
    "Another key already waits for this shop; its owner can stop it by renewing the key, or wait for its day.",
    "Une autre clé attend déjà pour ce commerce ; son propriétaire peut l'arrêter en renouvelant sa clé, ou attendre.",
)
SETTLEMENT_UNKNOWN_BATCH: Final = _code(
    470,
    "settlement",
    "settlement_unknown_batch",
    "There is no such settlement batch.",
    "Ce décompte n'existe pas.",
)
SETTLEMENT_UNKNOWN_LEG: Final = _code(
    471,
    "settlement",
    "settlement_unknown_leg",
    "There is no such payment in this settlement batch.",
    "Ce paiement ne figure pas dans ce décompte.",
)
SETTLEMENT_NOT_PARTY: Final = _code(
    472,
    "settlement",
    "settlement_not_party",
    "The shop has no part in this; only those who pay or receive may speak of it.",
    "Le commerce n'est pas concerné ; seuls ceux qui paient ou reçoivent peuvent se prononcer.",
)
SETTLEMENT_WINDOW_CLOSED: Final = _code(
    473,
    "settlement",
    "settlement_window_closed",
    "The time to dispute this batch is over; write to the association.",
    "Le délai pour contester ce décompte est passé ; écrivez à l'association.",
)
SETTLEMENT_ALREADY_SAID: Final = _code(
    474,
    "settlement",
    "settlement_already_said",
    "This was already said of the batch or payment; nothing more is needed.",
    "Cela a déjà été déclaré pour ce décompte ou ce paiement ; il n'y a plus rien à faire.",
)
SETTLEMENT_NO_DISPUTE: Final = _code(
    475,
    "settlement",
    "settlement_no_dispute",
    "There is no open dispute of this shop on this batch.",
    "Ce commerce n'a pas de contestation ouverte sur ce décompte.",
)
SETTLEMENT_CORRECTION_EXCEEDS: Final = _code(
    476,
    "settlement",
    "settlement_correction_exceeds",
    "A correction cannot take back more than the batch counted between these shops.",
    "Une correction ne peut pas reprendre plus que ce que le décompte a compté entre ces commerces.",
)
SETTLEMENT_SHOP_SUSPENDED: Final = _code(
    477,
    "settlement",
    "settlement_shop_suspended",
    "The shop may not give points: it left the network or has not paid its settlement; call the association.",
    "Le commerce ne peut pas donner de points : il a quitté le réseau ou n'a pas réglé son décompte ; appelez l'association.",
)
SETTLEMENT_SHOP_LEFT: Final = _code(
    478,
    "settlement",
    "settlement_shop_left",
    "The shop left the network and takes no points; spend them at another shop.",
    "Le commerce a quitté le réseau et ne prend plus de points ; utilisez-les dans un autre commerce.",
)
SETTLEMENT_TOO_EARLY: Final = _code(
    479,
    "settlement",
    "settlement_too_early",
    "This payment is not due yet.",
    "Ce paiement n'est pas encore exigible.",
)

# energy: files, allocation, market, intervals, perimeter
ENERGY_FILE_MALFORMED: Final = _code(
    600,
    "energy",
    "energy_file_malformed",
    "The file does not have the expected form; the message names the line. Nothing was imported.",
    "Le fichier n'a pas la forme attendue ; le message nomme la ligne. Rien n'a été importé.",
)
ENERGY_FILE_TOO_LARGE: Final = _code(
    601,
    "energy",
    "energy_file_too_large",
    "The file is larger than one import allows; split it by month.",
    "Le fichier dépasse la taille d'un import ; découpez-le par mois.",
)
ENERGY_FILE_REPEATED: Final = _code(
    602,
    "energy",
    "energy_file_repeated",
    "This file was already imported; nothing was counted twice.",
    "Ce fichier a déjà été importé ; rien n'a été compté deux fois.",
)
ENERGY_POINT_MALFORMED: Final = _code(
    603,
    "energy",
    "energy_point_malformed",
    "A delivery point is written with 14 digits (PRM); correct the file.",
    "Un point de livraison s'écrit avec 14 chiffres (PRM) ; corrigez le fichier.",
)
ENERGY_POINT_UNKNOWN: Final = _code(
    604,
    "energy",
    "energy_point_unknown",
    "This point is not a member of the operation; register it or remove it from the file.",
    "Ce point ne fait pas partie de l'opération ; inscrivez-le ou retirez-le du fichier.",
)
ENERGY_POINT_REPEATED: Final = _code(
    605,
    "energy",
    "energy_point_repeated",
    "The same point is named twice; keep one.",
    "Le même point est nommé deux fois ; n'en gardez qu'un.",
)
ENERGY_READING_MISSING: Final = _code(
    606,
    "energy",
    "energy_reading_missing",
    "A reading is absent; ask for the complete curve, or state how the convention replaces it.",
    "Une mesure manque ; demandez la courbe complète ou appliquez la règle de la convention.",
)
ENERGY_READING_NEGATIVE: Final = _code(
    607,
    "energy",
    "energy_reading_negative",
    "A reading is below zero; consumption and production are measured apart.",
    "Une mesure est négative ; consommation et production se mesurent séparément.",
)
ENERGY_READING_ABSURD: Final = _code(
    608,
    "energy",
    "energy_reading_absurd",
    "A reading is larger than the point can carry; check the unit and the meter.",
    "Une mesure dépasse ce que le point peut fournir ; vérifiez l'unité et le compteur.",
)
ENERGY_UNIT_MISMATCH: Final = _code(
    609,
    "energy",
    "energy_unit_mismatch",
    "The figures are not in the declared unit; check W, Wh and kWh.",
    "Les valeurs ne sont pas dans l'unité déclarée ; vérifiez W, Wh et kWh.",
)
ENERGY_TIME_GAP: Final = _code(
    610,
    "energy",
    "energy_time_gap",
    "Steps are absent between two readings; ask for the complete curve.",
    "Des pas manquent entre deux mesures ; demandez la courbe complète.",
)
ENERGY_TIME_OVERLAP: Final = _code(
    611,
    "energy",
    "energy_time_overlap",
    "Two readings cover the same time; check the step.",
    "Deux mesures couvrent le même temps ; vérifiez le pas.",
)
ENERGY_TIME_REPEATED: Final = _code(
    612,
    "energy",
    "energy_time_repeated",
    "The same time appears twice; keep one reading.",
    "Le même horaire apparaît deux fois ; ne gardez qu'une mesure.",
)
ENERGY_TIME_DISORDER: Final = _code(
    613,
    "energy",
    "energy_time_disorder",
    "The readings are not in order of time; sort the file.",
    "Les mesures ne sont pas dans l'ordre du temps ; triez le fichier.",
)
ENERGY_TIME_OFF_GRID: Final = _code(
    614,
    "energy",
    "energy_time_off_grid",
    "A time does not fall on the operation's measuring step.",
    "Un horaire ne tombe pas sur le pas de mesure de l'opération.",
)
ENERGY_TIME_AMBIGUOUS: Final = _code(
    615,
    "energy",
    "energy_time_ambiguous",
    "This local time exists twice, in the night of the clock change; give the offset from UTC.",
    "Cet horaire local existe deux fois, la nuit du changement d'heure ; indiquez l'écart à UTC.",
)
ENERGY_TIME_ABSENT: Final = _code(
    616,
    "energy",
    "energy_time_absent",
    "This local time does not exist, in the night of the clock change; check the file's clock.",
    "Cet horaire local n'existe pas, la nuit du changement d'heure ; vérifiez l'horloge du fichier.",
)
ENERGY_STEP_UNKNOWN: Final = _code(
    617,
    "energy",
    "energy_step_unknown",
    "An operation measures every 15 or 30 minutes; the file's step does not fit.",
    "Une opération mesure toutes les 15 ou 30 minutes ; le pas du fichier ne convient pas.",
)
ENERGY_KEY_INVALID: Final = _code(
    620,
    "energy",
    "energy_key_invalid",
    "The allocation key is not valid for these members; the message says what to correct.",
    "La clé de répartition n'est pas valable pour ces membres ; le message dit quoi corriger.",
)
ENERGY_READINGS_INVALID: Final = _code(
    621,
    "energy",
    "energy_readings_invalid",
    "The readings of the step do not fit the members of the operation.",
    "Les mesures du pas ne correspondent pas aux membres de l'opération.",
)
ENERGY_LAW_BROKEN: Final = _code(
    622,
    "energy",
    "energy_law_broken",
    "The allocation breaks a rule of the energy code; the message names it. It must be computed again.",
    "La répartition enfreint une règle du code de l'énergie ; le message la nomme. Il faut la recalculer.",
)
ENERGY_STORAGE_EXCEEDS: Final = _code(
    623,
    "energy",
    "energy_storage_exceeds",
    "More is stored or released than the law lets be shared (article D315-5).",
    "On stocke ou restitue plus que ce que la loi permet de partager (article D315-5).",
)
ENERGY_ORDER_INVALID: Final = _code(
    630,
    "energy",
    "energy_order_invalid",
    "The order's quantity, price or name is outside its bounds.",
    "La quantité, le prix ou le nom de l'ordre est hors de ses bornes.",
)
ENERGY_ORDER_LATE: Final = _code(
    631,
    "energy",
    "energy_order_late",
    "The order came after gate closure; place it for a later step.",
    "L'ordre est arrivé après la clôture ; placez-le pour un pas suivant.",
)
ENERGY_ORDER_SELF: Final = _code(
    632,
    "energy",
    "energy_order_self",
    "The order could be matched with another of the same participant; withdraw one of them.",
    "L'ordre pourrait rencontrer un autre ordre du même participant ; retirez l'un des deux.",
)
ENERGY_INTERVAL_STATE: Final = _code(
    640,
    "energy",
    "energy_interval_state",
    "The interval is not in a state that allows this.",
    "L'intervalle n'est pas dans un état qui permet cela.",
)
ENERGY_VERSION_STALE: Final = _code(
    641,
    "energy",
    "energy_version_stale",
    "The correction does not name the last version; read it again and build on it.",
    "La correction ne nomme pas la dernière version ; relisez-la et repartez d'elle.",
)
ENERGY_CORRECTION_LATE: Final = _code(
    642,
    "energy",
    "energy_correction_late",
    "The time for corrections is over; the difference goes to next month's statement.",
    "Le délai de correction est passé ; l'écart ira sur le relevé du mois suivant.",
)
ENERGY_SUMS_WRONG: Final = _code(
    643,
    "energy",
    "energy_sums_wrong",
    "The sums of the interval do not add up.",
    "Les sommes de l'intervalle ne concordent pas.",
)
ENERGY_DSO_DISAGREES: Final = _code(
    644,
    "energy",
    "energy_dso_disagrees",
    "The grid operator's result differs beyond the tolerance; a correction must follow it.",
    "Le résultat du gestionnaire de réseau diffère au-delà de la tolérance ; une correction doit le suivre.",
)
ENERGY_OPENING_INVALID: Final = _code(
    645,
    "energy",
    "energy_opening_invalid",
    "The row shown is not the one under the published root; ask for your opening again.",
    "La ligne présentée n'est pas celle de la racine publiée ; redemandez votre ouverture.",
)
ENERGY_REGIME_UNKNOWN: Final = _code(
    650,
    "energy",
    "energy_regime_unknown",
    "No such perimeter rule was in force on that day.",
    "Cette règle de périmètre n'était pas en vigueur ce jour-là.",
)
ENERGY_OUTSIDE_PERIMETER: Final = _code(
    651,
    "energy",
    "energy_outside_perimeter",
    "Two points are too far apart, or a point lies outside the allowed territory.",
    "Deux points sont trop éloignés, ou un point est hors du territoire permis.",
)
ENERGY_POWER_EXCEEDS: Final = _code(
    652,
    "energy",
    "energy_power_exceeds",
    "The plants together reach the power the regime must stay below.",
    "Les installations atteignent ensemble la puissance à ne pas dépasser.",
)
ENERGY_REGIME_CONDITION: Final = _code(
    653,
    "energy",
    "energy_regime_condition",
    "A condition of this regime is not met; the message names it.",
    "Une condition de ce régime n'est pas remplie ; le message la nomme.",
)
ENERGY_UNKNOWN_OPERATION: Final = _code(
    654,
    "energy",
    "energy_unknown_operation",
    "No such energy operation is registered; check its name.",
    "Aucune opération d'énergie de ce nom n'est enregistrée ; vérifiez le nom.",
)
ENERGY_OPERATION_VERSION: Final = _code(
    655,
    "energy",
    "energy_operation_version",
    "The terms do not follow the last published version; read it again and build on it.",
    "Les conditions ne suivent pas la dernière version publiée ; relisez-la et repartez d'elle.",
)
ENERGY_OPERATION_INACTIVE: Final = _code(
    656,
    "energy",
    "energy_operation_inactive",
    "The operation was not in force on that day: the council has not approved it, or it began later.",
    "L'opération n'était pas en vigueur ce jour-là : le conseil ne l'a pas approuvée, ou elle a commencé plus tard.",
)
ENERGY_NOT_MEMBER: Final = _code(
    657,
    "energy",
    "energy_not_member",
    "This account is no member of the operation on that day; ask the operation's manager to admit it.",
    "Ce compte n'est pas membre de l'opération ce jour-là ; demandez votre admission à la personne morale organisatrice.",
)
ENERGY_NOTHING_ASKED: Final = _code(
    658,
    "energy",
    "energy_nothing_asked",
    "No request to join waits for an answer; it was answered already.",
    "Aucune demande d'adhésion n'attend de réponse ; elle a déjà été traitée.",
)
ENERGY_POINT_TAKEN: Final = _code(
    659,
    "energy",
    "energy_point_taken",
    "This point belongs to an operation already, and a point is active in one only; end it there first.",
    "Ce point fait déjà partie d'une opération, et un point n'est actif que dans une seule ; mettez-y fin d'abord.",
)
ENERGY_CONSENT_MISSING: Final = _code(
    660,
    "energy",
    "energy_consent_missing",
    "The member's consent for this purpose is absent or was withdrawn; ask the member.",
    "Le consentement du membre pour cet usage manque ou a été retiré ; demandez-le-lui.",
)
ENERGY_CONTRACT_UNKNOWN: Final = _code(
    661,
    "energy",
    "energy_contract_unknown",
    "No contract of this hash is on record; offer it first.",
    "Aucun contrat de cette empreinte n'est enregistré ; proposez-le d'abord.",
)
ENERGY_CONTRACT_STEP: Final = _code(
    662,
    "energy",
    "energy_contract_step",
    "The contract is not in a state that allows this step, or the step does not name the last one; read it again.",
    "L'état du contrat ne permet pas cette étape, ou elle ne nomme pas la précédente ; relisez-le.",
)
ENERGY_CONTRACT_INVALID: Final = _code(
    663,
    "energy",
    "energy_contract_invalid",
    "A clause of the contract does not hold; the message names it. Correct the document and offer it again.",
    "Une clause du contrat ne convient pas ; le message la nomme. Corrigez le document et proposez-le à nouveau.",
)
ENERGY_DAY_REFUSED: Final = _code(
    664,
    "energy",
    "energy_day_refused",
    "This day cannot be taken: it is no day of the calendar, was measured already, or lies too far away.",
    "Ce jour est impossible : absent du calendrier, déjà mesuré, ou trop éloigné.",
)
ENERGY_NOT_INDEPENDENT: Final = _code(
    665,
    "energy",
    "energy_not_independent",
    "Readings and witnesses come from another body than the operation's manager; have another body sign.",
    "Les mesures et les témoins viennent d'un autre organisme que l'organisatrice ; faites signer un autre organisme.",
)
ENERGY_UNWITNESSED: Final = _code(
    666,
    "energy",
    "energy_unwitnessed",
    "No witness has recomputed this day, so it cannot be settled; send the openings to a witness.",
    "Aucun témoin n'a recalculé ce jour : il ne peut être soldé ; transmettez les ouvertures à un témoin.",
)
ENERGY_CHALLENGE_OPEN: Final = _code(
    667,
    "energy",
    "energy_challenge_open",
    "The day can still be challenged, or a challenge was not answered or not yet followed by a correction.",
    "Ce jour peut encore être contesté, ou une contestation attend sa réponse ou sa correction.",
)
ENERGY_CHALLENGE_REFUSED: Final = _code(
    668,
    "energy",
    "energy_challenge_refused",
    "This version can no longer be challenged, or you challenged it already, or no such challenge waits.",
    "Cette version ne peut plus être contestée, vous l'avez déjà contestée, ou aucune contestation n'attend.",
)
ENERGY_SUMS_PRIVATE: Final = _code(
    669,
    "energy",
    "energy_sums_private",
    "The sums would show a single household; publish them for more households together.",
    "Les sommes révéleraient un seul foyer ; publiez-les pour davantage de foyers ensemble.",
)
ENERGY_ORDER_UNKNOWN: Final = _code(
    670,
    "energy",
    "energy_order_unknown",
    "No such order stands for this step; it was cancelled, or belongs to another account.",
    "Aucun ordre de ce genre pour ce pas ; il a été annulé ou appartient à un autre compte.",
)
ENERGY_BOOK_FULL: Final = _code(
    671,
    "energy",
    "energy_book_full",
    "The order book of this step is full, or this account has all the orders it may place.",
    "Le carnet de ce pas est complet, ou ce compte a placé tous les ordres permis.",
)
ENERGY_STATEMENT_STALE: Final = _code(
    672,
    "energy",
    "energy_statement_stale",
    "The statement does not follow the month's last one; read it again and build on it.",
    "Le relevé ne suit pas le dernier relevé du mois ; relisez-le et repartez de lui.",
)
ENERGY_LOT_EXHAUSTED: Final = _code(
    673,
    "energy",
    "energy_lot_exhausted",
    "More energy is credited or retired than was shared that month.",
    "On crédite ou on utilise plus d'énergie qu'il n'en a été partagé ce mois-là.",
)
ENERGY_CREDITED_ALREADY: Final = _code(
    674,
    "energy",
    "energy_credited_already",
    "This account was credited for this month already; nothing was counted twice.",
    "Ce compte a déjà été crédité pour ce mois ; rien n'a été compté deux fois.",
)
ENERGY_INSUFFICIENT: Final = _code(
    675,
    "energy",
    "energy_insufficient",
    "The account does not hold so much energy credit of this month.",
    "Le compte ne détient pas autant de crédits d'énergie de ce mois.",
)
ENERGY_CLAIM_REPEATED: Final = _code(
    676,
    "energy",
    "energy_claim_repeated",
    "This claim of origin was made already; energy is claimed once.",
    "Cette déclaration d'origine a déjà été faite ; une énergie ne se revendique qu'une fois.",
)
ENERGY_WORD_GIVEN: Final = _code(
    677,
    "energy",
    "energy_word_given",
    "This was said of the invoice line already; nothing changed.",
    "Cela a déjà été dit de cette ligne de facture ; rien n'a changé.",
)

# votes: elections, from publication to archive
VOTES_UNKNOWN_ELECTION: Final = _code(
    800,
    "votes",
    "votes_unknown_election",
    "There is no such election; read the list of elections again.",
    "Cette élection n'existe pas ; relisez la liste des élections.",
)
VOTES_ELECTION_EXISTS: Final = _code(
    801,
    "votes",
    "votes_election_exists",
    "An election of that identifier was already published; draw a new identifier.",
    "Une élection de cet identifiant est déjà publiée ; tirez un nouvel identifiant.",
)
VOTES_REFERENDUM_REFUSED: Final = _code(
    802,
    "votes",
    "votes_referendum_refused",
    "A local referendum is held on paper, not online (CGCT, art. LO 1112-1 and following); choose a consultation.",
    "Un référendum local se tient sur papier, non en ligne (CGCT, art. LO 1112-1 et suivants) ; choisissez une consultation.",
)
VOTES_REGISTRARS_SHAPE: Final = _code(
    803,
    "votes",
    "votes_registrars_shape",
    "Registrars must be n = 3f+1 and sign by t = 2f+1, with as many as the town requires; change their number.",
    "Il faut n = 3f+1 registraires dont t = 2f+1 signent, en nombre requis par la ville ; changez leur nombre.",
)
VOTES_BODIES_CONFLICT: Final = _code(
    804,
    "votes",
    "votes_bodies_conflict",
    "A body holds too many places, or is both registrar and trustee; spread the places.",
    "Un organisme tient trop de places, ou est à la fois registraire et dépositaire ; répartissez les places.",
)
VOTES_CALENDAR_REFUSED: Final = _code(
    805,
    "votes",
    "votes_calendar_refused",
    "The dates are out of order, past or too close together; the message names which.",
    "Les dates sont en désordre, passées ou trop rapprochées ; le message dit laquelle.",
)
VOTES_QUESTIONS_REFUSED: Final = _code(
    806,
    "votes",
    "votes_questions_refused",
    "The questions or the way they are counted do not hold together; the message names which.",
    "Les questions ou leur mode de comptage ne tiennent pas ensemble ; le message dit lesquelles.",
)
VOTES_BALLOT_TOO_COSTLY: Final = _code(
    807,
    "votes",
    "votes_ballot_too_costly",
    "One ballot would cost the town too much to verify; ask fewer questions, or take the group Ed25519.",
    "Un bulletin coûterait trop cher à vérifier ; posez moins de questions, ou prenez le groupe Ed25519.",
)
VOTES_WRONG_PHASE: Final = _code(
    808,
    "votes",
    "votes_wrong_phase",
    "The election is not at that step; the message names where it stands.",
    "L'élection n'en est pas à cette étape ; le message dit où elle en est.",
)
VOTES_STATIONS_REFUSED: Final = _code(
    809,
    "votes",
    "votes_stations_refused",
    "Stations are sorted, each once, and every list follows their order; the message names the place.",
    "Les bureaux sont triés, chacun une fois, et toute liste suit leur ordre ; le message dit où.",
)
VOTES_STATION_UNKNOWN: Final = _code(
    810,
    "votes",
    "votes_station_unknown",
    "The election has no such station or weight class.",
    "L'élection n'a pas ce bureau ou cette classe de poids.",
)
VOTES_STATION_TOO_SMALL: Final = _code(
    811,
    "votes",
    "votes_station_too_small",
    "A station has too few electors to hide its voters; merge it with another.",
    "Un bureau a trop peu d'électeurs pour cacher ses votants ; réunissez-le à un autre.",
)
VOTES_TRUSTEE_UNKNOWN: Final = _code(
    812,
    "votes",
    "votes_trustee_unknown",
    "The signer does not hold that trustee's place.",
    "Le signataire ne tient pas cette place de dépositaire.",
)
VOTES_CEREMONY_STEP: Final = _code(
    813,
    "votes",
    "votes_ceremony_step",
    "That step of the key ceremony was already done, or must wait for the other trustees.",
    "Cette étape de la cérémonie des clés est déjà faite, ou doit attendre les autres dépositaires.",
)
VOTES_CEREMONY_PROOF: Final = _code(
    814,
    "votes",
    "votes_ceremony_proof",
    "A key, certificate or proof of the ceremony does not verify; make it again.",
    "Une clé, un certificat ou une preuve de la cérémonie est invalide ; refaites-le.",
)
VOTES_CEREMONY_COMMITMENT: Final = _code(
    815,
    "votes",
    "votes_ceremony_commitment",
    "The coefficients are not those committed to; the ceremony must be begun again.",
    "Les coefficients ne sont pas ceux qui étaient engagés ; la cérémonie est à recommencer.",
)
VOTES_REGISTRAR_UNKNOWN: Final = _code(
    816,
    "votes",
    "votes_registrar_unknown",
    "The signer does not hold that registrar's place.",
    "Le signataire ne tient pas cette place de registraire.",
)
VOTES_KEYS_MISSING: Final = _code(
    817,
    "votes",
    "votes_keys_missing",
    "Not every registrar has published its keys; wait for them.",
    "Tous les registraires n'ont pas publié leurs clés ; attendez-les.",
)
VOTES_KEYS_REFUSED: Final = _code(
    818,
    "votes",
    "votes_keys_refused",
    "A registrar's key is not a fresh RSA key of 3072 bits, or was already published.",
    "Une clé de registraire n'est pas une clé RSA de 3072 bits inédite, ou est déjà publiée.",
)
VOTES_ANSWERS_UNSORTED: Final = _code(
    819,
    "votes",
    "votes_answers_unsorted",
    "A registrar's answers are sorted by citizen, each once; build the list again.",
    "Les réponses d'un registraire sont triées par citoyen, chacune une fois ; refaites la liste.",
)
VOTES_NOT_ON_ROLL: Final = _code(
    820,
    "votes",
    "votes_not_on_roll",
    "The citizen is not shown to be on that station's roll; ask city hall.",
    "Le citoyen n'est pas montré inscrit sur la liste de ce bureau ; voyez la mairie.",
)
VOTES_NOT_ELIGIBLE: Final = _code(
    821,
    "votes",
    "votes_not_eligible",
    "The identity may not vote in this election; the message names why; ask city hall.",
    "Cette identité ne peut pas voter à cette élection ; le message dit pourquoi ; voyez la mairie.",
)
VOTES_ALREADY_REQUESTED: Final = _code(
    822,
    "votes",
    "votes_already_requested",
    "This citizen already asked for a credential in this election; nobody gets two.",
    "Ce citoyen a déjà demandé son droit de vote pour cette élection ; nul n'en reçoit deux.",
)
VOTES_ISSUANCE_CLOSED: Final = _code(
    823,
    "votes",
    "votes_issuance_closed",
    "Credentials are not issued now; the message names from when to when. Vote on paper at your station.",
    "On ne délivre pas de droit de vote à cette heure ; le message dit quand. Votez sur papier à votre bureau.",
)
VOTES_REQUEST_UNKNOWN: Final = _code(
    824,
    "votes",
    "votes_request_unknown",
    "No citizen of that identifier asked for a credential.",
    "Aucun citoyen de cet identifiant n'a demandé de droit de vote.",
)
VOTES_REQUEST_INVALID: Final = _code(
    825,
    "votes",
    "votes_request_invalid",
    "A blinded value is missing, too many or out of range; make the request again.",
    "Une valeur masquée manque, est en trop ou hors bornes ; refaites la demande.",
)
VOTES_BLIND_SIGNATURE_INVALID: Final = _code(
    826,
    "votes",
    "votes_blind_signature_invalid",
    "A blind signature does not fit the value on the chain.",
    "Une signature aveugle ne correspond pas à la valeur inscrite.",
)
VOTES_ALREADY_SIGNED: Final = _code(
    827,
    "votes",
    "votes_already_signed",
    "This registrar already signed that request otherwise.",
    "Ce registraire a déjà signé cette demande autrement.",
)
VOTES_REGISTRATION_CLOSED: Final = _code(
    828,
    "votes",
    "votes_registration_closed",
    "Credentials are not registered now; the message names from when to when.",
    "On n'enregistre pas de droit de vote à cette heure ; le message dit quand.",
)
VOTES_SIGNERS_WRONG: Final = _code(
    829,
    "votes",
    "votes_signers_wrong",
    "The signatures are not those of the station's fixed registrars; use exactly those.",
    "Les signatures ne sont pas celles des registraires fixés pour le bureau ; utilisez exactement celles-là.",
)
VOTES_TOKEN_INVALID: Final = _code(
    830,
    "votes",
    "votes_token_invalid",
    "A registrar's signature on the credential does not verify.",
    "Une signature de registraire sur le droit de vote est invalide.",
)
VOTES_CREDENTIAL_INVALID: Final = _code(
    831,
    "votes",
    "votes_credential_invalid",
    "The credential is no proper key, or the proof of its secret fails.",
    "Le droit de vote n'est pas une clé valable, ou la preuve de son secret échoue.",
)
VOTES_CREDENTIAL_KNOWN: Final = _code(
    832,
    "votes",
    "votes_credential_known",
    "This credential is already registered; nothing more is needed.",
    "Ce droit de vote est déjà enregistré ; il n'y a rien à faire.",
)
VOTES_REGISTRATIONS_FULL: Final = _code(
    833,
    "votes",
    "votes_registrations_full",
    "As many credentials are registered as were issued; report it, because somebody registered too many.",
    "Autant de droits de vote sont enregistrés que délivrés ; signalez-le, car quelqu'un en a trop enregistré.",
)
VOTES_COUNTS_DIFFER: Final = _code(
    834,
    "votes",
    "votes_counts_differ",
    "The counts named are not those of the chain; look again before closing the list.",
    "Les nombres indiqués ne sont pas ceux de la chaîne ; vérifiez avant de clore la liste.",
)
VOTES_NOT_OPEN: Final = _code(
    840,
    "votes",
    "votes_not_open",
    "The ballot box is not open yet; the message names the hour.",
    "L'urne n'est pas encore ouverte ; le message dit l'heure.",
)
VOTES_CLOSED: Final = _code(
    841,
    "votes",
    "votes_closed",
    "The ballot box is closed; this ballot came too late and was not taken.",
    "L'urne est fermée ; ce bulletin est arrivé trop tard et n'a pas été pris.",
)
VOTES_BALLOT_TOO_LARGE: Final = _code(
    842,
    "votes",
    "votes_ballot_too_large",
    "The ballot is larger than any ballot of this election.",
    "Le bulletin dépasse la taille de tout bulletin de cette élection.",
)
VOTES_BALLOT_FORM: Final = _code(
    843,
    "votes",
    "votes_ballot_form",
    "The ballot is cut, or not in the canonical form of this election; make it again.",
    "Le bulletin est tronqué, ou n'a pas la forme canonique de cette élection ; refaites-le.",
)
VOTES_BALLOT_ELECTION: Final = _code(
    844,
    "votes",
    "votes_ballot_election",
    "The ballot was made for another election; nothing was cast.",
    "Le bulletin a été fait pour une autre élection ; rien n'a été déposé.",
)
VOTES_CREDENTIAL_UNKNOWN: Final = _code(
    845,
    "votes",
    "votes_credential_unknown",
    "The credential is not on the closed list of this election; vote on paper at your station.",
    "Ce droit de vote n'est pas sur la liste close de cette élection ; votez sur papier à votre bureau.",
)
VOTES_BALLOT_SIGNATURE: Final = _code(
    846,
    "votes",
    "votes_ballot_signature",
    "The ballot is not signed by its credential; make it again.",
    "Le bulletin n'est pas signé par son droit de vote ; refaites-le.",
)
VOTES_BALLOT_QUOTA: Final = _code(
    847,
    "votes",
    "votes_ballot_quota",
    "This credential cast a ballot a moment ago, or too many in all; wait a minute, or vote on paper.",
    "Ce droit de vote a servi à l'instant, ou trop de fois ; attendez une minute, ou votez sur papier.",
)
VOTES_BALLOT_SEEN: Final = _code(
    848,
    "votes",
    "votes_ballot_seen",
    "This very ballot is already in the box; it counts once, unless a later one replaced it.",
    "Ce même bulletin est déjà dans l'urne ; il compte une fois, sauf si un autre l'a remplacé depuis.",
)
VOTES_BALLOT_COPIED: Final = _code(
    849,
    "votes",
    "votes_ballot_copied",
    "A part of the ballot is copied from another ballot; make it again.",
    "Une partie du bulletin est copiée d'un autre ; refaites-le.",
)
VOTES_BALLOT_PROOF: Final = _code(
    850,
    "votes",
    "votes_ballot_proof",
    "A proof in the ballot fails: a choice is not 0 or 1, or too many are made; make it again.",
    "Une preuve du bulletin échoue : un choix n'est ni 0 ni 1, ou il y en a trop ; refaites-le.",
)
VOTES_BALLOT_SPOILED: Final = _code(
    851,
    "votes",
    "votes_ballot_spoiled",
    "This ballot was opened to check the device, so it may not be cast; make another.",
    "Ce bulletin a été ouvert pour vérifier l'appareil, il ne peut être déposé ; faites-en un autre.",
)
VOTES_SPOIL_INVALID: Final = _code(
    852,
    "votes",
    "votes_spoil_invalid",
    "The spoil is not signed by a credential of this election.",
    "L'annulation n'est pas signée par un droit de vote de cette élection.",
)
VOTES_NOT_CLOSED: Final = _code(
    860,
    "votes",
    "votes_not_closed",
    "The ballot box is still open; nothing may be decrypted before its end.",
    "L'urne est encore ouverte ; rien ne peut être déchiffré avant sa fermeture.",
)
VOTES_SHARE_INVALID: Final = _code(
    861,
    "votes",
    "votes_share_invalid",
    "The decryption share is not a proved one of this tally; compute it again from the chain.",
    "La part de déchiffrement n'est pas une part prouvée de ce décompte ; recalculez-la depuis la chaîne.",
)
VOTES_SHARE_REPEATED: Final = _code(
    862,
    "votes",
    "votes_share_repeated",
    "This trustee's share is already taken.",
    "La part de ce dépositaire est déjà prise.",
)
VOTES_DECIDED: Final = _code(
    863,
    "votes",
    "votes_decided",
    "Enough shares were taken: the result is decided.",
    "Assez de parts ont été prises : le résultat est acquis.",
)
VOTES_APPEALS_OPEN: Final = _code(
    864,
    "votes",
    "votes_appeals_open",
    "Ballots are kept until appeals are over; the message names the hour.",
    "Les bulletins sont gardés jusqu'à la fin des recours ; le message dit l'heure.",
)
VOTES_ARCHIVE_REFUSED: Final = _code(
    865,
    "votes",
    "votes_archive_refused",
    "The archive is not of this election's length, or this body filed another one.",
    "L'archive n'a pas la longueur de cette élection, ou cet organisme en a déposé une autre.",
)
VOTES_COMPLAINT_KNOWN: Final = _code(
    866,
    "votes",
    "votes_complaint_known",
    "This complaint is already noted, or the register is full.",
    "Cette réclamation est déjà notée, ou le registre est plein.",
)

# audit: heads of logs kept outside the chain
AUDIT_ANCHOR_BACKWARDS: Final = _code(
    900,
    "audit",
    "audit_anchor_backwards",
    "The log has fewer entries than were anchored, or another past; keep it as it is and call an auditor.",
    "Le journal a moins d'entrées que ce qui fut ancré, ou un autre passé ; gardez-le tel quel et appelez un auditeur.",
)
