"""The one list of what the town's API is made of: blueprints, tables, projections, and how keys stand.

A new domain adds its modules here and nowhere else.
"""

from typing import Final

from app.accounts import api as accounts_api
from app.accounts import models as accounts_models
from app.accounts import service as accounts_service
from app.audit import api as audit_api
from app.audit import models as audit_models
from app.audit import service as audit_service
from app.auth import api as auth_api
from app.auth import devices_api, factors_api
from app.auth import models as auth_models
from app.auth import sessions as auth_sessions
from app.city import api as city_api
from app.city import models as city_models
from app.city import service as city_service
from app.core import api as core_api
from app.core import headers
from app.core.access import register_admission, register_till_gate
from app.core.audit_log import AuditEntry
from app.core.database import Row
from app.core.idempotency import IdempotencyRecord
from app.core.outbox import OutboxRow
from app.core.projection import PROJECTED, Projections, ProjectorState, collect_projections
from app.core.replays import UsedName
from app.energy import api as energy_api
from app.energy import day_api as energy_day_api
from app.energy import models as energy_models
from app.energy import month_api as energy_month_api
from app.energy import projections as energy_projections
from app.energy import routes as energy_routes
from app.identity import api as identity_api
from app.identity import desk_api, rights_api
from app.identity import models as identity_models
from app.identity import service as identity_service
from app.identity.electoral import api as electoral_api
from app.identity.electoral import models as electoral_models
from app.identity.electoral import service as electoral_service
from app.identity.federation import api as federation_api
from app.identity.federation import models as federation_models
from app.identity.lifecycle import api as lifecycle_api
from app.identity.lifecycle import models as lifecycle_models
from app.identity.lifecycle import projections as lifecycle_projections
from app.identity.personal import register_personal_tables
from app.identity.tombstones import register_open_ballots
from app.identity.twoddoc import api as twoddoc_api
from app.loyalty import api as loyalty_api
from app.loyalty import invoice_api, picture_api, reading_api
from app.loyalty import models as loyalty_models
from app.loyalty import offline_api as loyalty_offline_api
from app.loyalty import service as loyalty_service
from app.loyalty import value_api as loyalty_value_api
from app.settlement import api as settlement_api
from app.settlement import models as settlement_models
from app.settlement import service as settlement_service
from app.tills import api as tills_api
from app.tills import models as tills_models
from app.tills import service as tills_service
from app.votes import api as votes_api
from app.votes import hall_api as votes_hall_api
from app.votes import models as votes_models
from app.votes import service as votes_service
from app.votes.open_ballots import find_open_ballots
from app.webhooks import api as webhooks_api
from app.webhooks import models as webhooks_models

BLUEPRINTS: Final = (
    core_api.blp,
    auth_api.blp,
    factors_api.blp,
    devices_api.blp,
    accounts_api.blp,
    city_api.blp,
    audit_api.blp,
    identity_api.blp,
    desk_api.blp,
    federation_api.blp,
    rights_api.blp,
    twoddoc_api.blp,
    electoral_api.blp,
    lifecycle_api.blp,
    loyalty_api.blp,
    loyalty_value_api.blp,
    invoice_api.blp,
    loyalty_offline_api.blp,
    tills_api.blp,
    picture_api.blp,
    reading_api.blp,
    webhooks_api.blp,
    picture_api.short,
    settlement_api.blp,
    energy_api.blp,
    energy_routes.blp,
    energy_day_api.blp,
    energy_month_api.blp,
    votes_api.blp,
    votes_hall_api.blp,
)
_DOMAINS: Final = (
    (headers, headers),
    (audit_service, audit_models),
    (accounts_service, accounts_models),
    (city_service, city_models),
    (identity_service, identity_models),
    (electoral_service, electoral_models),
    (lifecycle_projections, lifecycle_models),
    (loyalty_service, loyalty_models),
    (settlement_service, settlement_models),
    (energy_projections, energy_models),
    (votes_service, votes_models),
)
_OFF_CHAIN: Final[tuple[type[Row], ...]] = (
    IdempotencyRecord,
    OutboxRow,
    UsedName,
    AuditEntry,
    ProjectorState,
    *auth_models.TABLES,
    *accounts_models.TABLES,
    *identity_models.TABLES,
    *federation_models.TABLES,
    *webhooks_models.TABLES,
    *lifecycle_models.TABLES,
    *settlement_models.TABLES,
    *tills_models.TABLES,
    *energy_models.TABLES,
    *votes_models.TABLES,
)


def build_projections() -> Projections:
    """All domains' projections, in the order above."""
    return collect_projections(_DOMAINS)


def all_tables() -> tuple[type[Row], ...]:
    """Every table of the read model: the projected ones and those that exist only here."""
    projected = [table for _, models in _DOMAINS for table in models.PROJECTED]
    return (*PROJECTED, *projected, *_OFF_CHAIN)


register_admission(auth_sessions.admit)
register_till_gate(tills_service.check_till_is_open, tills_service.check_signing_tills)
register_personal_tables(_OFF_CHAIN)
register_open_ballots(find_open_ballots)
