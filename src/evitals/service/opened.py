"""A store, its pipeline and the sole right to write, for as long as a command runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from evitals.fleet.open import open_store
from evitals.service.home import Home
from evitals.service.pipeline import Pipeline
from evitals.settings import Settings


@contextmanager
def opened(settings: Settings, who: str) -> Iterator[Pipeline]:
    """A pipeline over the home's store; ``who`` is shown to others who want to write meanwhile.

    Raises HomeInUse where a running service or another command owns the home.
    """
    home = Home(settings.home)
    home.own(who)
    try:
        store = open_store(settings.home)
        try:
            yield Pipeline(store, settings)
        finally:
            store.close()
    finally:
        home.disown()
