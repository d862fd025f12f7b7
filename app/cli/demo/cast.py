"""Who plays in the demo: the people, shops and civil records of Saint-Aubin-du-Beffroi (all invented).

Reads: nothing.  Writes: nothing.
"""

from dataclasses import dataclass
from typing import Any, Final

PROGRAMME: Final = "fidelite-saint-aubin"
BAKERY: Final = "boulangerie-lemaire"
BOOKSHOP: Final = "librairie-des-halles"
SHOP_NAMES: Final = {
    BAKERY: "Boulangerie Lemaire",
    BOOKSHOP: "Librairie des Halles",
}


@dataclass(frozen=True, slots=True)
class Citizen:
    """Somebody who comes to the desk."""

    first: str
    family: str
    birthdate: str
    birthplace: str
    street: str

    @property
    def name(self) -> str:
        """First and family name."""
        return f"{self.first} {self.family}"

    def civil(self) -> dict[str, Any]:
        """What the clerk reads on the title."""
        return {
            "family_name": self.family,
            "given_names": [self.first],
            "birthdate": self.birthdate,
            "birthplace": self.birthplace,
            "birthcountry": "99100" if self.birthplace else "99341",
            "address": f"{self.street}, Saint-Aubin-du-Beffroi",
        }


CITIZENS: Final = (
    Citizen("Anaïs", "Lefèvre", "1984-02-29", "59350", "3 rue du Beffroi"),
    Citizen("Youssef", "Benali", "1990-11-05", "59512", "14 rue des Tanneurs"),
    Citizen("Maëlle", "Le Goff", "1972-07-18", "29019", "8 place du Marché"),
    Citizen("Jean-Paul", "D'Ormesson", "1949-01-30", "75107", "1 allée des Tilleuls"),
    Citizen("Aminata", "Diallo", "1991-00-00", "", "22 rue de la Filature"),
    Citizen("Łukasz", "Nowak", "1987-05-12", "59606", "5 quai de la Lys"),
    Citizen("Zoé", "Œuvrard", "2003-12-24", "62041", "17 rue Jeanne-d'Arc"),
    Citizen("Nguyễn Minh", "Trần", "1965-09-02", "13055", "2 impasse des Brasseurs"),
)
"""Eight, because a batch of fewer identities would not hide its members (PROTOCOL §6)."""
