"""The one dependency rule: api -> ledger -> producers -> verify; an arrow may be skipped, never reversed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "verify": set(),
    "producers": {"verify"},
    "ledger": {"producers", "verify"},
    "api": {"ledger", "producers", "verify"},
    "contracts": set(),
}
MAY_READ_CONTRACTS = {Path("ledger/anchors/evm.py")}


def imports_of(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports absolutely."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("folder", ALLOWED)
def test_no_folder_imports_against_the_arrows(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        allowed = ALLOWED[folder] | {folder}
        if path.relative_to(ROOT) in MAY_READ_CONTRACTS:
            allowed |= {"contracts"}
        assert set(imports_of(path)) & {*ALLOWED, "tests"} <= allowed, path


def test_the_verifier_needs_nothing_but_python_and_cryptography() -> None:
    import sys

    for path in (ROOT / "verify").rglob("*.py"):
        assert set(imports_of(path)) <= {*sys.stdlib_module_names, "cryptography"}, path
