"""evitals: vital signs for EV batteries."""

from importlib.metadata import version

__version__ = version("evitals")
