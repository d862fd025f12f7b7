"""Refusals that exist at the HTTP door only, and the HTTP status of every refusal of the chain.

The chain's own codes stay in `chain.types.codes`; a name means the same thing on both sides of the API.
Reads: nothing.  Never: reuses a name of the chain's registry for something else.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from chain.types.codes import Code, get_code_by_name


@dataclass(frozen=True, slots=True)
class AppCode:
    """A stable refusal of the API; `retryable` says that the same request may succeed later."""

    status: int
    name: str
    en: str
    fr: str
    retryable: bool = False


_REGISTRY: dict[str, AppCode] = {}


def app_code(status: int, name: str, en: str, fr: str, *, retryable: bool = False) -> AppCode:
    """Register one code; raises ValueError when the name is taken here or on the chain."""
    if name in _REGISTRY or get_code_by_name(name) is not None:
        raise ValueError(f"code {name} registered twice")
    code = AppCode(int(status), name, en, fr, retryable)
    _REGISTRY[name] = code
    return code


def all_app_codes() -> tuple[AppCode, ...]:
    """Every code of the API, by name."""
    return tuple(_REGISTRY[name] for name in sorted(_REGISTRY))


# --- the request itself ----------------------------------------------------------------------

JSON_MALFORMED: Final = app_code(
    400,
    "json_malformed",
    "The body is not valid JSON in UTF-8; send a correct document.",
    "Le corps n'est pas du JSON valide en UTF-8 ; envoyez un document correct.",
)
JSON_DUPLICATE_KEY: Final = app_code(
    400,
    "json_duplicate_key",
    "An object of the body names the same key twice; name it once.",
    "Un objet du corps contient deux fois la même clé ; ne la donnez qu'une fois.",
)
JSON_BAD_NUMBER: Final = app_code(
    400,
    "json_bad_number",
    "The body holds a number that is not a whole number of at most 2^53-1; amounts are integers.",
    "Le corps contient un nombre qui n'est pas un entier d'au plus 2^53-1 ; les montants sont entiers.",
)
JSON_TOO_DEEP: Final = app_code(
    400,
    "json_too_deep",
    "The body is nested too deeply; flatten it.",
    "Le corps est trop imbriqué ; aplatissez-le.",
)
SETTLEMENT_IBAN_INVALID: Final = app_code(
    422,
    "settlement_iban_invalid",
    "This is not a correct IBAN; copy it again from the bank's own document.",
    "Cet IBAN n'est pas correct ; recopiez-le depuis le RIB de la banque.",
)
SETTLEMENT_BANK_UNSIGNED: Final = app_code(
    403,
    "settlement_bank_unsigned",
    "The shop owner's key must sign where the shop is paid, just now; nothing was changed.",
    "La clé du commerçant doit signer, à l'instant, le compte où le commerce est payé ; rien n'a changé.",
)
SETTLEMENT_BANK_MISSING: Final = app_code(
    409,
    "settlement_bank_missing",
    "A shop of this payment has not given its bank account yet; ask it, or call the association.",
    "Un commerce de ce paiement n'a pas encore donné son compte bancaire ; demandez-le-lui ou appelez l'association.",
)
TILL_CLOSED: Final = app_code(
    403,
    "till_closed",
    "Nobody has opened this till today; enter your PIN.",
    "Personne n'a ouvert cette caisse aujourd'hui ; saisissez votre code.",
)
TILL_PIN_WRONG: Final = app_code(
    403,
    "till_pin_wrong",
    "The PIN is wrong; after five wrong ones the till waits for the shop's owner.",
    "Le code est faux ; après cinq codes faux, la caisse attend le commerçant.",
)
TILL_LOCKED: Final = app_code(
    403,
    "till_locked",
    "Too many wrong PINs; the shop's owner unlocks the till.",
    "Trop de codes faux ; le commerçant débloque la caisse.",
)
TILL_PIN_WEAK: Final = app_code(
    422,
    "till_pin_weak",
    "This PIN is the first that anybody would try; choose another.",
    "Ce code est le premier que n'importe qui essaierait ; choisissez-en un autre.",
)
TILL_EMPLOYEES_MAX: Final = app_code(
    409,
    "till_employees_max",
    "The shop has as many employees as it may; end one first.",
    "Le commerce a autant d'employés que possible ; terminez-en un d'abord.",
)
JSON_BAD_TEXT: Final = app_code(
    400,
    "json_bad_text",
    "A text of the body holds a NUL or half a surrogate pair; send plain Unicode text.",
    "Un texte du corps contient un NUL ou un demi-caractère ; envoyez du texte Unicode simple.",
)
REQUEST_MALFORMED: Final = app_code(
    400,
    "request_malformed",
    "The request is malformed; check its address and headers.",
    "La requête est mal formée ; vérifiez son adresse et ses en-têtes.",
)
REQUEST_INVALID: Final = app_code(
    422,
    "request_invalid",
    "A field does not have the required form; the list of errors names it.",
    "Un champ n'a pas la forme requise ; la liste des erreurs le nomme.",
)
REQUEST_TOO_LARGE: Final = app_code(
    413,
    "request_too_large",
    "The body is larger than 64 KiB; send less at a time.",
    "Le corps dépasse 64 Kio ; envoyez-en moins à la fois.",
)
MEDIA_TYPE_UNSUPPORTED: Final = app_code(
    415,
    "media_type_unsupported",
    "The body must be uncompressed application/json.",
    "Le corps doit être en application/json, sans compression.",
)
NOT_FOUND: Final = app_code(
    404,
    "not_found",
    "There is nothing at this address, or it is not yours.",
    "Il n'y a rien à cette adresse, ou ce n'est pas à vous.",
)
METHOD_NOT_ALLOWED: Final = app_code(
    405,
    "method_not_allowed",
    "This address does not take this method; the Allow header lists those it takes.",
    "Cette adresse n'accepte pas cette méthode ; l'en-tête Allow liste celles qu'elle accepte.",
)
ANONYMOUS_IDENTIFIED: Final = app_code(
    400,
    "anonymous_identified",
    "This route is used without saying who one is: send no Authorization, Cookie or DPoP header.",
    "Cette route s'emploie sans dire qui l'on est : n'envoyez ni Authorization, ni Cookie, ni DPoP.",
)
CURSOR_INVALID: Final = app_code(
    400,
    "cursor_invalid",
    "The cursor is not one this list gave; start again without it.",
    "Le curseur ne vient pas de cette liste ; recommencez sans lui.",
)
INTERNAL: Final = app_code(
    500,
    "internal",
    "Something failed on our side and was recorded; try again, then report the trace id.",
    "Une erreur de notre côté a été enregistrée ; réessayez, puis signalez l'identifiant de trace.",
    retryable=True,
)

# --- idempotency -----------------------------------------------------------------------------

IDEMPOTENCY_KEY_REQUIRED: Final = app_code(
    400,
    "idempotency_key_required",
    "This route creates value: send an Idempotency-Key header of 8 to 255 visible characters.",
    "Cette route crée de la valeur : envoyez un en-tête Idempotency-Key de 8 à 255 caractères visibles.",
)
IDEMPOTENCY_KEY_REUSED: Final = app_code(
    422,
    "idempotency_key_reused",
    "This Idempotency-Key was used with another body; use a fresh key for a new request.",
    "Cette clé Idempotency-Key a servi pour un autre corps ; prenez une nouvelle clé.",
)
IDEMPOTENCY_IN_PROGRESS: Final = app_code(
    409,
    "idempotency_in_progress",
    "The first request with this Idempotency-Key is still running; ask again shortly.",
    "La première requête avec cette clé est encore en cours ; redemandez dans un instant.",
    retryable=True,
)

# --- webhooks --------------------------------------------------------------------------------

WEBHOOK_URL_REFUSED: Final = app_code(
    422,
    "webhook_url_refused",
    "A webhook goes to an https address without a name, password or fragment in it; correct the address.",
    "Un webhook va vers une adresse https sans nom, mot de passe ni fragment ; corrigez l'adresse.",
)
WEBHOOK_LIMIT: Final = app_code(
    409,
    "webhook_limit",
    "The shop has all the webhooks it may have; end one that is no longer used.",
    "Le commerce a déjà tous ses webhooks ; fermez-en un qui ne sert plus.",
)
WEBHOOKS_UNAVAILABLE: Final = app_code(
    503,
    "webhooks_unavailable",
    "This town sends no webhooks yet; ask the town hall to set its master key.",
    "Cette ville n'envoie pas encore de webhooks ; demandez à la mairie de poser sa clé maîtresse.",
)

# --- who is asking ---------------------------------------------------------------------------

AUTH_TOKEN_REQUIRED: Final = app_code(
    401,
    "auth_token_required",
    "This route needs an access token; log in with the device key.",
    "Cette route demande un jeton d'accès ; connectez-vous avec la clé de l'appareil.",
)
AUTH_TOKEN_INVALID: Final = app_code(
    401,
    "auth_token_invalid",
    "The access token is not valid here; log in again.",
    "Le jeton d'accès n'est pas valable ici ; reconnectez-vous.",
)
AUTH_TOKEN_EXPIRED: Final = app_code(
    401,
    "auth_token_expired",
    "The access token is out of date; log in again.",
    "Le jeton d'accès est périmé ; reconnectez-vous.",
)
AUTH_PROOF_INVALID: Final = app_code(
    401,
    "auth_proof_invalid",
    "The DPoP proof is missing, was used, or is not for this request and token; sign a fresh one.",
    "La preuve DPoP manque, a déjà servi ou ne vaut pas pour cette requête ; signez-en une nouvelle.",
)
AUTH_PROOF_NONCE: Final = app_code(
    401,
    "use_dpop_nonce",
    "The proof's time is too far from ours; sign a fresh one with the nonce of the DPoP-Nonce header.",
    "L'heure de la preuve est trop loin de la nôtre ; signez-en une avec le nonce de l'en-tête DPoP-Nonce.",
    retryable=True,
)
AUTH_PROOF_KEY_SHARED: Final = app_code(
    409,
    "auth_proof_key_shared",
    "This proof key serves another login; make a fresh one for each service, so that nobody can link them.",
    "Cette clé de preuve sert déjà ailleurs ; créez-en une par service, pour que nul ne puisse les relier.",
)
AUTH_SESSION_ENDED: Final = app_code(
    401,
    "auth_session_ended",
    "This session was closed; log in again.",
    "Cette session a été fermée ; reconnectez-vous.",
)
AUTH_REFRESH_INVALID: Final = app_code(
    401,
    "auth_refresh_invalid",
    "The refresh token is not valid; log in again with the device key.",
    "Le jeton de renouvellement n'est pas valable ; reconnectez-vous avec la clé de l'appareil.",
)
AUTH_REFRESH_REUSED: Final = app_code(
    401,
    "auth_refresh_reused",
    "This refresh token was used before, so the session was closed to be safe; log in again and look at "
    "your sessions. If it was not you, call city hall.",
    "Ce jeton de renouvellement avait déjà servi : la session est fermée par prudence ; reconnectez-vous et "
    "regardez vos sessions. Si ce n'était pas vous, appelez la mairie.",
)
AUTH_STEP_UP: Final = app_code(
    401,
    "auth_step_up_required",
    "This act needs your second factor again: show your passkey or a one-time code, then repeat it.",
    "Cet acte redemande votre second facteur : présentez votre clé d'accès ou un code, puis recommencez.",
)
AUTH_FACTOR_INVALID: Final = app_code(
    401,
    "auth_factor_invalid",
    "The passkey or one-time code was not accepted; try again, with a code that was not used yet.",
    "La clé d'accès ou le code n'est pas accepté ; réessayez, avec un code qui n'a pas encore servi.",
)
AUTH_FACTOR_CODE_INVALID: Final = app_code(
    403,
    "auth_factor_code_invalid",
    "To enrol a factor, show one you have, or give the one-use code of your supervisor.",
    "Pour enregistrer un facteur, présentez-en un que vous avez, ou le code unique de votre responsable.",
)
AUTH_FACTORS_FULL: Final = app_code(
    409,
    "auth_factors_full",
    "This key has as many factors as it may have; end one first.",
    "Cette clé a autant de facteurs que permis ; supprimez-en un d'abord.",
)
AUTH_FACTOR_UNAVAILABLE: Final = app_code(
    503,
    "auth_factor_unavailable",
    "This server cannot keep one-time codes; use a passkey, and tell the operator to set the master key.",
    "Ce serveur ne peut pas garder de codes ; utilisez une clé d'accès et prévenez l'exploitant.",
)
AUTH_DEVICE_PENDING: Final = app_code(
    400,
    "authorization_pending",
    "The owner has not approved this till yet; ask again after the time in Retry-After.",
    "Le propriétaire n'a pas encore approuvé cette caisse ; redemandez après le temps de Retry-After.",
    retryable=True,
)
AUTH_DEVICE_SLOW_DOWN: Final = app_code(
    400,
    "slow_down",
    "The till asks too often; wait for the time in Retry-After from now on.",
    "La caisse demande trop souvent ; attendez désormais le temps indiqué par Retry-After.",
    retryable=True,
)
AUTH_DEVICE_DENIED: Final = app_code(
    403,
    "access_denied",
    "The owner refused this till; ask them why, then begin again.",
    "Le propriétaire a refusé cette caisse ; demandez-lui pourquoi, puis recommencez.",
)
AUTH_DEVICE_CODE_INVALID: Final = app_code(
    401,
    "auth_device_code_invalid",
    "The device code is unknown, used or out of date; begin the till's login again.",
    "Le code de l'appareil est inconnu, déjà utilisé ou périmé ; recommencez la connexion de la caisse.",
)
AUTH_DEVICE_CODE_UNKNOWN: Final = app_code(
    404,
    "auth_device_code_unknown",
    "No till of your shop shows these letters; read them again on its screen.",
    "Aucune caisse de votre commerce n'affiche ces lettres ; relisez-les sur son écran.",
)
PLAIN_HTTP: Final = app_code(
    403,
    "plain_http_refused",
    "This town answers over https only; use its https address, and log in again if you sent a token.",
    "Cette ville ne répond qu'en https ; utilisez son adresse https et reconnectez-vous si un jeton est parti.",
)
RATE_EXCEEDED: Final = app_code(
    429,
    "rate_exceeded",
    "Too many requests in this minute; wait for the time in Retry-After.",
    "Trop de requêtes dans cette minute ; attendez le temps indiqué par Retry-After.",
    retryable=True,
)
LIMITER_DOWN: Final = app_code(
    503,
    "limiter_down",
    "Logging in is closed for a moment because attempts cannot be counted; reading still works, try again soon.",
    "La connexion est fermée un moment car les tentatives ne peuvent être comptées ; la lecture fonctionne.",
    retryable=True,
)
AUTH_SCOPE_MISSING: Final = app_code(
    403,
    "auth_scope_missing",
    "Your key does not hold the role this route is for, or its session has not shown a second factor.",
    "Votre clé n'a pas le rôle demandé, ou sa session n'a pas présenté de second facteur.",
)
AUTH_CHALLENGE_INVALID: Final = app_code(
    401,
    "auth_challenge_invalid",
    "The challenge was used, is out of date or was not signed by this key; ask for a new one.",
    "Le défi a servi, est périmé ou n'est pas signé par cette clé ; demandez-en un autre.",
)
AUTH_KEY_INVALID: Final = app_code(
    422,
    "auth_key_invalid",
    "The key is not a usable Ed25519 or P-256 public key.",
    "La clé n'est pas une clé publique Ed25519 ou P-256 utilisable.",
)
AUTH_TOO_MANY_ATTEMPTS: Final = app_code(
    429,
    "auth_too_many_attempts",
    "Too many attempts; wait for the time in Retry-After.",
    "Trop de tentatives ; attendez le temps indiqué par Retry-After.",
    retryable=True,
)

# --- transactions and the node ---------------------------------------------------------------

TRANSACTION_WRONG_ROUTE: Final = app_code(
    422,
    "transaction_wrong_route",
    "This route does not take this kind of transaction; the detail names those it takes.",
    "Cette route n'accepte pas ce type de transaction ; le détail nomme ceux qu'elle accepte.",
)
TRANSACTION_UNKNOWN: Final = app_code(
    404,
    "transaction_unknown",
    "No such transaction is known; if you sent it just now, ask again, else send it again.",
    "Cette transaction est inconnue ; si vous venez de l'envoyer, redemandez, sinon renvoyez-la.",
)
PROOF_NOT_READY: Final = app_code(
    409,
    "proof_not_ready",
    "The transaction is not final yet, so it has no proof; ask again shortly.",
    "La transaction n'est pas encore définitive, donc sans preuve ; redemandez dans un instant.",
    retryable=True,
)
PROOF_UNVERIFIABLE: Final = app_code(
    503,
    "proof_unverifiable",
    "The node's answer does not prove what it says, so it is not passed on; an operator was warned.",
    "La réponse du nœud ne prouve pas ce qu'elle dit et n'est pas transmise ; un opérateur est prévenu.",
    retryable=True,
)
NODE_UNAVAILABLE: Final = app_code(
    503,
    "node_unavailable",
    "The town's chain does not answer; nothing was lost, reading still works, try again soon.",
    "La chaîne de la ville ne répond pas ; rien n'est perdu, la lecture fonctionne, réessayez bientôt.",
    retryable=True,
)
NODE_BUSY: Final = app_code(
    503,
    "node_busy",
    "The town's chain has too much waiting; try again soon.",
    "La chaîne de la ville a trop d'attente ; réessayez bientôt.",
    retryable=True,
)
PROJECTOR_HALTED: Final = app_code(
    503,
    "projector_halted",
    "The town stopped following its node because an answer did not verify; an operator was warned.",
    "La ville ne suit plus son nœud car une réponse n'est pas vérifiable ; un opérateur est prévenu.",
    retryable=True,
)
GATEWAY_ABSENT: Final = app_code(
    503,
    "gateway_absent",
    "This server holds no gateway key, so it opens no accounts; ask at city hall.",
    "Ce serveur n'a pas de clé de guichet et n'ouvre pas de compte ; adressez-vous à la mairie.",
)
HEIGHT_UNKNOWN: Final = app_code(
    404,
    "height_unknown",
    "There is no verified block at this height yet.",
    "Il n'y a pas encore de bloc vérifié à cette hauteur.",
)

# --- HTTP status of the chain's refusals -----------------------------------------------------

_CHAIN_STATUS: Final[dict[str, int]] = {
    "tx_too_large": 413,
    "tx_malformed": 400,
    "tx_unknown_type": 422,
    "tx_wrong_town": 422,
    "tx_expired": 422,
    "tx_expiry_too_far": 422,
    "tx_replayed": 409,
    "tx_bad_signature": 403,
    "tx_unknown_key": 403,
    "tx_not_entitled": 403,
    "tx_wrong_role": 403,
    "tx_quota_exceeded": 429,
    "tx_body_invalid": 422,
    "tx_key_expired": 403,
    "tx_missing_signature": 403,
    "tx_internal": 500,
    "query_unknown_path": 404,
    "query_version_gone": 410,
    "query_bad_key": 400,
    "account_exists": 409,
    "account_unknown": 404,
    "account_bad_ticket": 403,
    "account_wrong_domain": 409,
    "account_frozen": 403,
    "account_closed": 409,
    "account_devices_full": 409,
    "account_device_unknown": 404,
    "account_device_scope": 403,
    "audit_anchor_backwards": 409,
    "loyalty_owner_key_waits": 409,
    "settlement_unknown_batch": 409,
    "settlement_unknown_leg": 404,
    "settlement_not_party": 403,
    "settlement_window_closed": 409,
    "settlement_already_said": 409,
    "settlement_no_dispute": 409,
    "settlement_correction_exceeds": 409,
    "settlement_shop_suspended": 409,
    "settlement_shop_left": 409,
    "settlement_too_early": 409,
    "city_unknown_body": 404,
    "city_no_quorum": 403,
    "city_act_refused": 409,
    "city_unknown_role": 404,
    "city_key_in_use": 409,
    "city_param_out_of_range": 422,
    "identity_batch_too_small": 409,
    "identity_batch_unsorted": 422,
    "identity_exists": 409,
    "identity_unknown": 404,
    "identity_bad_attestation": 403,
    "identity_bad_transition": 409,
    "identity_second_agent": 403,
    "identity_outside_hour": 409,
    "identity_not_active": 409,
    "electoral_unsorted": 422,
    "electoral_station_too_small": 422,
    "electoral_register_expired": 422,
    "electoral_register_replaced": 409,
    "electoral_station_unknown": 422,
    "electoral_station_full": 409,
    "electoral_already": 409,
    "electoral_not_enrolled": 409,
    "electoral_election_open": 409,
    "identity_recovery_pending": 409,
    "identity_recovery_unknown": 404,
    "identity_recovery_vetoed": 409,
    "identity_recovery_early": 409,
    "identity_same_body": 403,
    "identity_same_agents": 403,
    "identity_reversal_late": 409,
    "identity_key_differs": 409,
    "loyalty_unknown_programme": 404,
    "loyalty_programme_inactive": 409,
    "loyalty_programme_exists": 409,
    "loyalty_unknown_shop": 404,
    "loyalty_shop_exists": 409,
    "loyalty_till_unknown": 403,
    "loyalty_till_cap": 409,
    "loyalty_overdraw": 409,
    "loyalty_nothing_earned": 409,
    "loyalty_unknown_reference": 404,
    "loyalty_reversal_exceeds": 409,
    "loyalty_reversal_late": 409,
    "loyalty_receipt_used": 409,
    "loyalty_wallet_full": 409,
    "loyalty_self_dealing": 403,
    "loyalty_velocity": 429,
    "loyalty_not_pending": 409,
    "loyalty_points_differ": 409,
    "loyalty_campaign_spent": 409,
    "loyalty_member_limit": 409,
    "loyalty_too_many_lots": 409,
    "loyalty_hold_ended": 409,
    "loyalty_capture_exceeds": 409,
    "loyalty_budget_below": 409,
    "loyalty_budget_spent": 409,
    "loyalty_in_debt": 409,
    "loyalty_not_transferable": 403,
    "loyalty_not_in_pool": 403,
    "loyalty_in_pool": 409,
    "loyalty_pool_full": 409,
    "loyalty_pool_not_empty": 409,
    "loyalty_too_many_campaigns": 409,
    "loyalty_unknown_reward": 404,
    "loyalty_reward_expired": 409,
    "loyalty_reward_gone": 409,
    "loyalty_token_spent": 409,
    "loyalty_token_invalid": 422,
    "loyalty_note_invalid": 422,
    "loyalty_note_old": 409,
    "loyalty_note_early": 409,
    "loyalty_till_revoked": 403,
    "loyalty_offline_off": 409,
    "loyalty_offline_limit": 409,
    "loyalty_offline_runs": 409,
    "loyalty_offline_unknown": 422,
    "loyalty_offline_closed": 409,
    "loyalty_offline_shop_cap": 409,
    "loyalty_offline_crowded": 409,
    "loyalty_offline_claimed": 409,
    "loyalty_no_fraud": 422,
    "loyalty_fraud_known": 409,
    "qr_malformed": 422,
    "qr_expired": 422,
    "qr_unknown_key": 422,
    "qr_revoked": 422,
    "qr_bad_signature": 422,
    "qr_replayed": 409,
    "qr_over_max": 422,
    "qr_wrong_shop": 422,
    "energy_file_malformed": 422,
    "energy_file_too_large": 413,
    "energy_file_repeated": 409,
    "energy_point_malformed": 422,
    "energy_point_unknown": 404,
    "energy_point_repeated": 422,
    "energy_reading_missing": 422,
    "energy_reading_negative": 422,
    "energy_reading_absurd": 422,
    "energy_unit_mismatch": 422,
    "energy_time_gap": 422,
    "energy_time_overlap": 422,
    "energy_time_repeated": 422,
    "energy_time_disorder": 422,
    "energy_time_off_grid": 422,
    "energy_time_ambiguous": 422,
    "energy_time_absent": 422,
    "energy_step_unknown": 422,
    "energy_key_invalid": 422,
    "energy_readings_invalid": 422,
    "energy_law_broken": 422,
    "energy_storage_exceeds": 422,
    "energy_order_invalid": 422,
    "energy_order_late": 409,
    "energy_order_self": 409,
    "energy_interval_state": 409,
    "energy_version_stale": 409,
    "energy_correction_late": 409,
    "energy_sums_wrong": 422,
    "energy_dso_disagrees": 409,
    "energy_opening_invalid": 422,
    "energy_regime_unknown": 404,
    "energy_outside_perimeter": 409,
    "energy_power_exceeds": 409,
    "energy_regime_condition": 409,
    "energy_unknown_operation": 404,
    "energy_operation_version": 409,
    "energy_operation_inactive": 409,
    "energy_not_member": 403,
    "energy_nothing_asked": 409,
    "energy_point_taken": 409,
    "energy_consent_missing": 403,
    "energy_contract_unknown": 404,
    "energy_contract_step": 409,
    "energy_contract_invalid": 422,
    "energy_day_refused": 422,
    "energy_not_independent": 403,
    "energy_unwitnessed": 409,
    "energy_challenge_open": 409,
    "energy_challenge_refused": 409,
    "energy_sums_private": 422,
    "energy_order_unknown": 404,
    "energy_book_full": 409,
    "energy_statement_stale": 409,
    "energy_lot_exhausted": 409,
    "energy_credited_already": 409,
    "energy_insufficient": 409,
    "energy_claim_repeated": 409,
    "energy_word_given": 409,
    "votes_unknown_election": 404,
    "votes_election_exists": 409,
    "votes_referendum_refused": 422,
    "votes_registrars_shape": 422,
    "votes_bodies_conflict": 409,
    "votes_calendar_refused": 422,
    "votes_questions_refused": 422,
    "votes_ballot_too_costly": 422,
    "votes_wrong_phase": 409,
    "votes_stations_refused": 422,
    "votes_station_unknown": 404,
    "votes_station_too_small": 422,
    "votes_trustee_unknown": 403,
    "votes_ceremony_step": 409,
    "votes_ceremony_proof": 422,
    "votes_ceremony_commitment": 422,
    "votes_registrar_unknown": 403,
    "votes_keys_missing": 409,
    "votes_keys_refused": 422,
    "votes_answers_unsorted": 422,
    "votes_not_on_roll": 403,
    "votes_not_eligible": 403,
    "votes_already_requested": 409,
    "votes_issuance_closed": 409,
    "votes_request_unknown": 404,
    "votes_request_invalid": 422,
    "votes_blind_signature_invalid": 422,
    "votes_already_signed": 409,
    "votes_registration_closed": 409,
    "votes_signers_wrong": 422,
    "votes_token_invalid": 422,
    "votes_credential_invalid": 422,
    "votes_credential_known": 409,
    "votes_registrations_full": 409,
    "votes_counts_differ": 409,
    "votes_not_open": 409,
    "votes_closed": 409,
    "votes_ballot_too_large": 413,
    "votes_ballot_form": 422,
    "votes_ballot_election": 422,
    "votes_credential_unknown": 422,
    "votes_ballot_signature": 422,
    "votes_ballot_quota": 409,
    "votes_ballot_seen": 409,
    "votes_ballot_copied": 409,
    "votes_ballot_proof": 422,
    "votes_ballot_spoiled": 409,
    "votes_spoil_invalid": 422,
    "votes_not_closed": 409,
    "votes_share_invalid": 422,
    "votes_share_repeated": 409,
    "votes_decided": 409,
    "votes_appeals_open": 409,
    "votes_archive_refused": 422,
    "votes_complaint_known": 409,
}
_CHAIN_RETRYABLE: Final = frozenset(
    {
        "tx_quota_exceeded",
        "identity_batch_too_small",
        "identity_recovery_early",
        "loyalty_note_early",
        "loyalty_offline_runs",
        "votes_ballot_quota",
        "votes_not_open",
    }
)

AnyCode = AppCode | Code


def has_status(code: Code) -> bool:
    """True when the code of the chain has been given its HTTP status."""
    return code.name in _CHAIN_STATUS


def status_of(code: AnyCode) -> int:
    """HTTP status of a refusal; 422 for a chain code this release has not mapped."""
    if isinstance(code, AppCode):
        return code.status
    return _CHAIN_STATUS.get(code.name, int(HTTPStatus.UNPROCESSABLE_ENTITY))


def is_retryable(code: AnyCode) -> bool:
    """True when sending the same again later may succeed."""
    return code.retryable if isinstance(code, AppCode) else code.name in _CHAIN_RETRYABLE
