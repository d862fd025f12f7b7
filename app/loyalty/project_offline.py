"""What was signed without a network, out of verified results and block-end effects into rows.

Reads and writes: this domain's tables.  Never: recomputes a figure of the chain.
"""

from typing import Final

from app.core.projection import ProjectedTx
from app.loyalty.project_points import EARN, project_gift, read_hex


def project_earn_batch(tx: ProjectedTx) -> None:
    """Late purchases: each a gift with a line and a name of its own; refused notes leave no row."""
    for line, earned in enumerate(tx.data["earned"]):
        project_gift(
            tx,
            earned,
            kind=EARN,
            ref=earned["ref"],
            line=line,
            of=earned["campaign"],
            own_ref=read_hex(earned["ref"]),
        )


PROJECTIONS: Final = {"loyalty.earn_batch": project_earn_batch}
