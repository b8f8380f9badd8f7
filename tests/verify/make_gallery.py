"""
Print the gallery: `python -m tests.verify.make_gallery`, one JSON file per attack in tests/vectors/gallery-*.json.

Both languages read them (test_gallery.py, tests/js/gallery.test.mjs).  `--check` says which file would change.
"""

import sys

from tests.verify import gallery_keys, gallery_label, gallery_proof, gallery_recall, gallery_trade
from tests.verify.make_core_vectors import FOLDER

PATTERN = "gallery-*.json"


def files() -> dict[str, str]:
    """Every file's name and text."""
    found: dict[str, str] = {}
    for maker in (gallery_proof, gallery_label, gallery_keys, gallery_trade, gallery_recall):
        for case in maker.cases():
            name = f"gallery-{case.name}.json"
            if name in found:
                raise ValueError(f"{name}: a name is used once")
            found[name] = case.format()
    return found


def main(arguments: list[str]) -> int:
    """Write the folder, or with `--check` name the files that differ and return 1."""
    wanted, found = files(), {path.name: path.read_text() for path in FOLDER.glob(PATTERN)}
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
