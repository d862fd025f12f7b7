"""Routes that relay one type of transaction each: who may call, whose objects it reaches; the chain judges the rest."""

from dataclasses import dataclass
from typing import Any, Final

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.idempotency import idempotent
from app.core.submission import SubmissionSchema, TransactionSchema, submit

PMO: Final = ("pmo",)
ADAPTER: Final = ("meter_adapter",)
WITNESS: Final = ("energy_witness",)
MEMBER: Final = ("citizen:energy",)
OWN_ACCOUNT: Final = "the account of the signing key"
OWN_BODY: Final = "operations that the signer's body manages"
blp = TownBlueprint(
    "energy-transactions", __name__, url_prefix="/v1/energy", description="Shared energy, signed"
)


@dataclass(frozen=True, slots=True)
class Relayed:
    """A POST that relays transactions of these types."""

    path: str
    types: tuple[str, ...]
    scopes: tuple[str, ...]
    rule: str
    does: str


RELAYED: Final = (
    Relayed(
        "/operations/approvals",
        ("energy.approve",),
        ("council",),
        "the council's seats that sign",
        "Put an operation's waiting terms in force.",
    ),
    Relayed(
        "/memberships/answers",
        ("energy.admit",),
        PMO,
        OWN_BODY,
        "Admit or refuse who asks to join.",
    ),
    Relayed(
        "/memberships/departures",
        ("energy.leave",),
        (*MEMBER, *PMO),
        "the signing account, or an operation that the signer's body manages",
        "End a member's points.",
    ),
    Relayed(
        "/consents", ("energy.consent",), MEMBER, OWN_ACCOUNT, "Give or take back one consent."
    ),
    Relayed(
        "/readings",
        ("energy.readings",),
        ADAPTER,
        "operations that the signer's body meters",
        "Publish the roots of a day's readings.",
    ),
    Relayed(
        "/allocations",
        ("energy.allocate", "energy.correct"),
        PMO,
        OWN_BODY,
        "Publish a day's allocation, or correct it by the next version.",
    ),
    Relayed(
        "/witnessings",
        ("energy.witness", "energy.verdict"),
        WITNESS,
        "days of operations that another body manages",
        "Say that a day was recomputed, or answer a challenge.",
    ),
    Relayed(
        "/challenges", ("energy.challenge",), MEMBER, OWN_ACCOUNT, "Object to a published day."
    ),
    Relayed(
        "/reports",
        ("energy.report", "energy.reconcile"),
        PMO,
        OWN_BODY,
        "Say that coefficients went to the grid operator, or that his result is in.",
    ),
    Relayed(
        "/orders/cancellations",
        ("energy.order_cancel",),
        MEMBER,
        OWN_ACCOUNT,
        "Take an own order back before its gate.",
    ),
    Relayed(
        "/statements",
        ("energy.statement",),
        PMO,
        OWN_BODY,
        "Publish the root of a month's statements.",
    ),
    Relayed("/credits", ("energy.credit",), PMO, OWN_BODY, "Credit KWHC of a stated month."),
    Relayed(
        "/transfers",
        ("energy.transfer",),
        MEMBER,
        OWN_ACCOUNT,
        "Give KWHC to another energy account.",
    ),
    Relayed(
        "/retirements",
        ("energy.retire",),
        MEMBER,
        OWN_ACCOUNT,
        "Use KWHC up for a claim of origin.",
    ),
    Relayed(
        "/payments",
        ("energy.paid",),
        MEMBER,
        OWN_ACCOUNT,
        "Say that an invoice line was paid, or that its money came.",
    ),
)


def _add_route(route: Relayed) -> None:
    def view(args: dict[str, Any]) -> Any:
        return submit(args["transaction"], types=route.types)

    view.__name__, view.__doc__ = "create" + route.path.replace("/", "_"), route.does
    decorated = blp.alt_response(202, schema=SubmissionSchema, success=True)(view)
    decorated = blp.response(201, SubmissionSchema)(decorated)
    decorated = idempotent(blp.arguments(TransactionSchema)(decorated))
    decorated = access(*route.scopes, objects="signed", rule=route.rule)(decorated)
    blp.post(route.path)(decorated)


for _route in RELAYED:
    _add_route(_route)
