"""
`python -m verify` as a stranger runs it: in a process of its own, from a copied folder, without a network.
"""

import json
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from producers.tiles import format_entries
from verify.tiles import tile_path

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests/vectors"


def vector(name: str) -> dict[str, Any]:
    """A case of the gallery."""
    found: dict[str, Any] = json.loads((VECTORS / f"gallery-{name}.json").read_text())
    return found


def given(folder: Path, case: dict[str, Any]) -> list[str]:
    """The case as files and the command line that names them."""
    (folder / "bundle.json").write_text(case["input"]["bundle"])
    (folder / "policy.txt").write_text(case["input"]["policy"])
    label = ["--label", case["input"]["label"]] if case["input"]["label"] else []
    return [str(folder / "bundle.json"), "--policy", str(folder / "policy.txt"), "--now", str(case["input"]["now"]), *label]


def verify(arguments: Sequence[str], *before: str) -> subprocess.CompletedProcess[str]:
    """Run the command; `before` it stands what it runs under."""
    command = [*before, sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("name", "code"), [
    ("honest-season", 0), ("recall-by-the-authority", 1), ("flip-statement", 1), ("operator-only", 3), ("too-old", 3),
])  # fmt: skip
def test_the_exit_code_is_the_verdict(name: str, code: int, tmp_path: Path) -> None:
    told = verify(given(tmp_path, vector(name)))
    assert (told.returncode, told.stderr) == (code, "")


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
def test_a_failure_names_its_numbered_step_last(step: int, tmp_path: Path) -> None:
    cases = (json.loads(path.read_text()) for path in sorted(VECTORS.glob("gallery-*.json")))
    case = next(case for case in cases if case["expect"]["step"] == step)
    told = verify(given(tmp_path, case))
    failed = [line for line in told.stdout.splitlines() if line.startswith("✗")]
    assert told.returncode == 1
    assert [line.split()[1] for line in failed] == [str(step)]


def test_what_cannot_be_started_is_usage(tmp_path: Path) -> None:
    arguments = given(tmp_path, vector("honest-season"))
    assert verify([*arguments, "--nonsense"]).returncode == 2
    assert verify(arguments[:1]).returncode == 2
    (tmp_path / "policy.txt").write_text("log nonsense\n")
    told = verify(arguments)
    assert (told.returncode, "line 1" in told.stderr) == (2, True)
    (tmp_path / "bundle.json").unlink()
    assert verify(arguments).returncode == 2


def test_an_address_that_does_not_answer_says_nothing_about_the_label(tmp_path: Path) -> None:
    arguments = given(tmp_path, vector("honest-season"))
    assert verify(["http://127.0.0.1:9/bundle", *arguments[1:]]).returncode == 3
    pinned = given(tmp_path, vector("anchor-no-rpc"))
    told = verify([*pinned, "--rpc", "http://127.0.0.1:9/", "--json"])
    assert (told.returncode, json.loads(told.stdout)["steps"][-1]["code"]) == (3, "rpc-failed")


def test_machines_read_the_same_verdict_as_json(tmp_path: Path) -> None:
    told = json.loads(verify([*given(tmp_path, vector("flip-leaf")), "--json"]).stdout)
    assert (told["exit"], told["answers"]["record"], told["steps"][-1]["number"]) == (1, "failed", 7)
    assert (told["steps"][-1]["state"], told["steps"][-1]["code"]) == ("failed", "wrong-entry")


def test_a_chinese_reader_is_told_in_chinese(tmp_path: Path) -> None:
    told = verify([*given(tmp_path, vector("honest-season")), "--lang", "zh"]).stdout
    assert "回溯到产地的每一步都经双方确认" in told
    assert "记录是真的吗？ 已验证。" in told


def write_tiles(folder: Path, entries: Sequence[bytes]) -> None:
    """The log's entries as its tiles."""
    path = folder / tile_path("entries", 0, len(entries))
    path.parent.mkdir(parents=True)
    path.write_bytes(format_entries(list(entries)))


def test_the_tiles_convict_an_operator_who_denies_a_recall(tmp_path: Path) -> None:
    case = vector("recall-denied")
    arguments, log = given(tmp_path, case), tmp_path / "log"
    entries = [b64decode(entry) for entry in case["input"]["entries"]]
    assert verify(arguments).returncode == 0
    assert verify([*arguments, "--log", str(log)]).returncode == 3, "tiles that cannot be read prove nothing"
    write_tiles(log, entries)
    told = verify([*arguments, "--log", str(log)])
    assert told.returncode == 1
    assert "✗ 14" in told.stdout
    shutil.rmtree(log)
    write_tiles(log, [*entries[:-1], entries[-1] + bytes(32)])
    assert verify([*arguments, "--log", str(log)]).returncode == 3, "another log's entries prove nothing against this one"


def test_no_network_is_needed(tmp_path: Path) -> None:
    alone = ("unshare", "-n")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not permit a network of one's own")
    told = verify(given(tmp_path, vector("honest-season")), *alone)
    assert told.returncode == 0


RUNNER = """
import base64, json, pathlib, sys
sys.path[:0] = sys.argv[1:3]
from originmark_verify.errors import VerificationError
from originmark_verify.policy import Policy
from originmark_verify.verifier import verify_bundle
count = 0
for path in pathlib.Path(sys.argv[3]).glob("gallery-*.json"):
    vector = json.loads(path.read_text("utf-8"))
    given = vector["input"]
    def heads(pin):
        head = (given["heads"] or {}).get(str(pin.chain_id))
        if head is None:
            raise OSError("down")
        return head["size"], base64.b64decode(head["root"])
    try:
        run = verify_bundle(given["bundle"], policy=Policy.parse(given["policy"]), label=given["label"], now_s=given["now"],
                            heads=heads if given["heads"] is not None else None)
    except VerificationError as error:
        run = error.run
    assert run.exit_code == vector["expect"]["exit"], path.name
    count += 1
print(count)
"""


def test_a_copy_under_another_name_passes_the_gallery_with_cryptography_alone(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "verify", tmp_path / "copy/originmark_verify", ignore=shutil.ignore_patterns("__pycache__"))
    only = tmp_path / "only"
    only.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        found = find_spec(name)
        if found is not None and found.origin is not None:
            source = Path(found.origin)
            source = source.parent if found.submodule_search_locations else source
            (only / source.name).symlink_to(source)
    # -I -S: neither this folder nor the environment's packages can be imported.
    command = [sys.executable, "-I", "-S", "-c", RUNNER, str(tmp_path / "copy"), str(only), str(VECTORS)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) == len(list(VECTORS.glob("gallery-*.json")))
