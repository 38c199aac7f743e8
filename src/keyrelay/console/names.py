"""Names: what ids stand for, from the catalog that the process keeps in memory."""

from dataclasses import dataclass

from keyrelay.console.visit import Visit
from keyrelay.model.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Names:
    """Those of one profile; an id whose thing is gone stands for itself."""

    catalog: Catalog
    profile: str

    def action(self, id_: str) -> str:
        found = self.catalog.actions.get((self.profile, id_))
        return id_ if found is None else found.name

    def analysis(self, id_: str) -> str:
        found = self.catalog.analyses.get((self.profile, id_))
        return id_ if found is None else found.analysis.name

    def secret(self, id_: str) -> str:
        found = self.catalog.secrets.get((self.profile, id_))
        return id_ if found is None else found.secret.key


def names_of(visit: Visit) -> Names:
    """Raises Unavailable while the catalog is out of date."""
    catalog = visit.api.process.catalog.current()
    return Names(catalog, visit.api.caller.profile)
