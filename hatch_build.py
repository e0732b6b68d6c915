"""Build hook: the page in web/ becomes src/evitals/dashboard/static/ of the wheel.

A wheel always gets a fresh page; an editable install builds one only where it is missing.
``EVITALS_SKIP_PAGE=1`` leaves the page as it is. How it is built: web/npm.py.
"""

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src") / "evitals" / "dashboard" / "static"


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page before a wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """``version`` is "standard" or "editable"; ``build_data`` is hatchling's, left as it is."""
        root = Path(self.root)
        npm = load(root / "web" / "npm.py")
        if os.environ.get(npm.SKIP) == "1":
            self.app.display_info(f"{npm.SKIP}=1: the page is not built")
        elif version == "editable" and (root / STATIC / "index.html").is_file():
            self.app.display_info("the page is built already")
        else:
            npm.build(root / "web", root / STATIC)


def load(path: Path) -> ModuleType:
    """A module from a file that is on no import path."""
    spec = importlib.util.spec_from_file_location("evitals_page_npm", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build from a whole source tree")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
