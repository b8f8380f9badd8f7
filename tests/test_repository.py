"""What a stranger finds in the repository: locks without addresses, no path of one machine, a verifier that can be read."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ledger.buckets import BucketSettings
from ledger.settings import PREFIXES, Settings

ROOT = Path(__file__).parents[1]
MAX_JAVASCRIPT = 2_000  # lines, all of them; what an auditor reads in an afternoon
MAX_PYTHON = 2_497  # lines, all of them, monitor included; it may shrink and never grows (DECISIONS.md no. 31)


PRODUCT = ("verify/*.py", "producers/*.py", "ledger/*.py", "api/*.py", "contracts/*.py")
MAX_FILE = 250  # lines
MAX_FUNCTION = 40  # lines
# Longer than that, by how many lines they have.  A number may shrink and its name may go; none is added.
LONG_FILES = {
    "ledger/migrations/versions/2026_11_22_2012_first_tables.py": 361,  # a migration that has run is not edited
    "verify/verifier.py": 276,  # sixteen steps in their order
}
LONG_FUNCTIONS = {
    "api/problems.py install": 44,
    "ledger/migrations/versions/2026_11_22_2012_first_tables.py _derived": 149,
    "ledger/migrations/versions/2026_11_22_2012_first_tables.py _log": 80,
    "ledger/migrations/versions/2026_11_22_2012_first_tables.py _operations": 91,
}


def tracked(*patterns: str) -> list[Path]:
    """Files under version control."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines()]


def test_locks_pin_every_package_by_hash_and_name_no_address() -> None:
    for path in (ROOT / "requirements.txt", ROOT / "requirements-dev.txt"):
        text = path.read_text("utf-8")
        assert not re.search(r"https?://|index-url", text), path
        pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z,]+\])?==", text, re.M | re.I)
        assert len(pinned) > 40
        assert text.count("--hash=sha256:") >= len(pinned), path


def test_package_locks_carry_hashes_and_no_address() -> None:
    locks = tracked("*package-lock.json")
    assert locks
    for path in locks:
        packages = json.loads(path.read_text("utf-8"))["packages"]
        assert all("resolved" not in one for one in packages.values()), path
        assert all("integrity" in one for name, one in packages.items() if name), path
        assert "omit-lockfile-registry-resolved=true" in (path.parent / ".npmrc").read_text("utf-8")


def test_no_file_names_a_path_of_one_machine() -> None:
    for path in tracked("*.py", "*.js", "*.mjs", "*.cjs", "*.md", "*.toml", "Makefile", ".ci/run", "*.sol", "*.html"):
        found = re.search(r"(^|[^a-z.])/(root|work|home)/[a-z]", path.read_text("utf-8"), re.M)
        assert found is None, (path, found)


def test_the_verifier_is_small_enough_to_read_in_an_afternoon_in_either_language() -> None:
    for pattern, most in (("verify/*.js", MAX_JAVASCRIPT), ("verify/*.py", MAX_PYTHON)):
        lines = sum(len(path.read_text("utf-8").splitlines()) for path in tracked(pattern))  # git matches at any depth
        assert 0 < lines <= most, (pattern, lines)


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file, nested ones too, with its lines from `def` on."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_of_the_product_is_longer_than_250_lines_but_for_those_named_and_shrinking() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in tracked(*PRODUCT)}
    assert len(lengths) > 200
    assert {name: lines for name, lines in lengths.items() if lines > LONG_FILES.get(name, MAX_FILE)} == {}
    assert {name for name in LONG_FILES if lengths.get(name, 0) <= MAX_FILE} == set(), "no longer too long: take it off the list"


def test_no_function_of_the_product_is_longer_than_40_lines_but_for_those_named_and_shrinking() -> None:
    lengths = {f"{path.relative_to(ROOT)} {name}": lines for path in tracked(*PRODUCT) for name, lines in functions_of(path)}
    assert len(lengths) > 1_000
    assert {name: lines for name, lines in lengths.items() if lines > LONG_FUNCTIONS.get(name, MAX_FUNCTION)} == {}
    assert {name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= MAX_FUNCTION} == set(), "take it off the list"


def test_every_command_of_the_readme_exists() -> None:
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make ([a-z]+)", readme, re.M):
        assert re.search(rf"^{target}:.*##", makefile, re.M), target
    for picture in re.findall(r'src="([^"]+)"', readme):
        assert (ROOT / picture).is_file(), picture


def test_the_operators_command_runs_in_any_folder_and_takes_no_module_from_there(tmp_path: Path) -> None:
    venv, away = tmp_path / "venv", tmp_path / "away"
    for folder in (venv / "bin", away / "api"):
        folder.mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    for name in ("lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    (away / "api" / "__main__.py").write_text("raise SystemExit('this folder speaks for itself')", "utf-8")
    # -o: the packages are here already.
    subprocess.run(
        ["make", "-s", "-C", ROOT, f"VENV={venv}", "-o", f"{venv}/.run", f"{venv}/bin/originmark"], check=True, timeout=60
    )  # fmt: skip
    told = subprocess.run(
        [venv / "bin" / "originmark", "--help"], cwd=away, capture_output=True, text=True, check=False, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert "Usage: originmark" in told.stdout


def test_every_setting_stands_in_the_documents_with_its_default() -> None:
    told = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `?(.*?)`? \|", (ROOT / "docs" / "settings.md").read_text("utf-8"), re.M))
    known = {
        PREFIXES[of.__name__] + name.upper(): "" if (value := one.default) is None else str(value)
        for of in (Settings, BucketSettings)
        for name, one in of.model_fields.items()
    }
    assert told == {name: value.lower() if value in ("True", "False") else value for name, value in known.items()}
