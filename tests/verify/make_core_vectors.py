"""
Print the vectors of the protocol's formats: `python -m tests.verify.make_core_vectors`.

One JSON file per case in tests/vectors/, read by the Python and the JavaScript runner alike.  Printing again changes no
byte; `--check` says which file would change.  Vectors of the higher layers have their own makers and prefixes.
"""

import sys
from pathlib import Path

from tests.verify import (
    core_cases_merkle,
    core_cases_note,
    core_cases_policy,
    core_cases_statement,
    core_cases_strict,
    core_cases_withheld,
)

MAKERS = (core_cases_merkle, core_cases_note, core_cases_strict, core_cases_statement, core_cases_withheld, core_cases_policy)
FOLDER = Path(__file__).resolve().parents[1] / "vectors"
PREFIXES = ("merkle", "note", "checkpoint", "cosignature", "proof", "entry", "strict", "statement", "policy")


def files() -> dict[str, str]:
    """Every file's name and text."""
    found: dict[str, str] = {}
    for case in (case for maker in MAKERS for case in maker.cases()):
        name = f"{case.name}.json"
        if name in found or case.name.split("-")[0] not in PREFIXES:
            raise ValueError(f"{name}: a name is used once and begins with its area")
        found[name] = case.format()
    return found


def stored() -> dict[str, str]:
    """The files of our prefixes as they are in the folder."""
    return {path.name: path.read_text() for prefix in PREFIXES for path in FOLDER.glob(f"{prefix}-*.json")}


def main(arguments: list[str]) -> int:
    """Write the folder, or with `--check` name the files that differ and return 1."""
    wanted, found = files(), stored()
    stale = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if "--check" in arguments:
        print("\n".join(stale))
        return bool(stale)
    for name in stale:
        path = FOLDER / name
        if name in wanted:
            path.write_text(wanted[name])
        else:
            path.unlink()
    print(f"{len(wanted)} vectors, {len(stale)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
