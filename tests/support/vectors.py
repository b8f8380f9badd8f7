"""Shared vectors: one case per file, or a file of `cases` where the about is the same for all."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def load(prefix: str) -> dict[str, dict[str, Any]]:
    """Every case of the files `<prefix>-*.json`, by a name fit for a test's id."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob(f"{prefix}-*.json")):
        body = json.loads(path.read_text())
        for number, case in enumerate(body.get("cases", [body])):
            found[f"{path.stem}-{number}" if "cases" in body else path.stem] = case
    return found
