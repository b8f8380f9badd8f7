"""A monitor: `python -m verify watch URL|DIR --policy FILE --state FILE [--evidence DIR] [--once] [--every SECONDS]`
It verifies who signed the log's checkpoint, and from the tiles that the tree it remembers is the beginning of the new one.
Exit codes: 0 all is well (--once); 1 fork, rollback, bad signature, tiles that do not give the signed root, and evidence is
kept; 2 usage; 3 could not be checked: too old; away or too few witnesses (without --once: for the policy's max-age).
With --log URL|DIR the first address is a witness's `…/<log>`: what it has seen is compared with what is remembered here.

What it catches is checked by `python -m verify evidence FILE --policy FILE [--log URL|DIR] [--out FILE]`, offline unless the
newer tree's tiles must tell (--log): 0 it convicts the log; 1 it does not; 2 usage; 3 only those tiles can tell."""
import os
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from .checkpoint import MAX_EVIDENCE, Checkpoint, Evidence, verify_evidence
from .cosignature import times_of
from .errors import NotConsistent, NotTrusted, VerificationError, at, need
from .merkle import Hash, Reader, prove_consistency, root, roots_reader, verify_consistency
from .note import MAX_NOTE, open_note, parse_note
from .policy import Policy
from .tiles import WIDTH, fetch, fetch_tile

SKEW_S = 300  # a checkpoint that is this far ahead of our clock is wrong, not fast
GREY = ("no-quorum", "too-old", "unproven")
SAYS = {
    "forked": "FORK: one key signed two different trees. 分叉：同一密钥签署了两棵不同的树",
    "rolled-back": "ROLLBACK: it serves an older tree than before. 回退：提供的树比以前更旧",
    "bad-tiles": "its tiles do not lead from the tree it showed before to the signed one. 数据块与签名不符",
}

def read_tiles(prefix: str, size: int) -> Reader:
    """A reader over the tiles of the tree of `size`, each read once.  Raises OSError, Malformed."""
    known: dict[tuple[int, int], list[Hash]] = {}

    def read(level: int, index: int) -> Hash:
        height, depth = divmod(level, 8)
        number, at = divmod(index << depth, WIDTH)
        if (height, number) not in known:
            width = min(WIDTH, (size >> 8 * height) - number * WIDTH)
            data, found = fetch_tile(prefix, height, number, width)
            need(len(data) == found * 32, f"a tile of {len(data)} bytes", "bad-tile")
            known[height, number] = [data[at : at + 32] for at in range(0, width * 32, 32)]
        return roots_reader(known[height, number][at : at + (1 << depth)])(depth, 0)

    return read

def from_tiles(pair: Evidence, prefix: str) -> Evidence:
    """Complete two checkpoints by the root that the newer tree has at the older size.  Raises VerificationError, OSError."""
    old, new = (Checkpoint.parse(parse_note(body).text) for body in (pair.older, pair.newer))
    need(0 < old.size <= new.size, "the older checkpoint comes first", "bad-evidence")
    read = read_tiles(prefix.rstrip("/"), new.size)
    found, proof = root(read, old.size), tuple(prove_consistency(read, old.size, new.size))
    verify_consistency(old=old.size, new=new.size, old_root=found, new_root=new.root, proof=proof)
    return Evidence(pair.older, pair.newer, found, proof)

def compare(last: str, new: str, prefix: str) -> tuple[str, Evidence]:
    """Whether two signed checkpoints are of one tree that grew: a key of SAYS or nothing, and the pair.  Raises OSError."""
    then, now = (Checkpoint.parse(parse_note(body).text) for body in (last, new))
    older, newer, pair, code = then, now, Evidence(last, new), ""
    if now.size < then.size:
        older, newer, pair, code = now, then, Evidence(new, last), "rolled-back"
    try:
        pair = from_tiles(pair, prefix) if 0 < older.size < newer.size else pair
        found = newer.root if older.size == newer.size else pair.root
        return code if found in (None, older.root) else "forked", pair
    except (OSError, VerificationError) as error:
        if isinstance(error, OSError) and not code:
            raise  # nothing was seen yet
        return code or "bad-tiles", pair

def look(prefix: str, policy: Policy, state: Path, evidence: Path, now_s: float, tiles: str | None = None) -> Checkpoint:
    """Look once and remember; with `tiles`, only compare what somebody else has seen of the log, who may lag behind.
    Raises OSError; NotTrusted `no-quorum`, `too-old`; NotConsistent with a key of SAYS; what a bad checkpoint raises."""
    body = fetch(f"{prefix.rstrip('/')}/checkpoint", MAX_NOTE).decode("utf-8", "replace")
    new, is_met, time_s = _open(body, policy)
    if state.exists():
        last = state.read_text("utf-8")
        with at(str(state)):
            need(_open(last, policy)[0].origin == new.origin, "this memory is about another log", "other-log")
        code, pair = compare(last, body, tiles or prefix)
        if code and not (tiles and code == "rolled-back"):
            path = evidence / f"evidence-{sha256(pair.format().encode()).hexdigest()[:16]}.txt"
            with suppress(OSError):  # a disk that takes no evidence keeps nobody from the alarm
                write(path, pair.format())
            raise NotConsistent(f"{SAYS[code]} {path if path.exists() else 'evidence not kept'}", code)
    if tiles:
        need(state.exists(), "nothing is remembered yet that it could be compared with", "other-log")
        return new
    write(state, body)  # whatever its age and witnesses: what was signed once is held against the log for ever
    NotTrusted.unless(is_met, "fewer witnesses than the policy asks for. 见证方数量不足", "no-quorum")
    is_fresh = -SKEW_S <= now_s - time_s <= policy.max_age_s
    NotTrusted.unless(is_fresh, f"signed at {time_s}, now is {now_s:.0f}. 检查点过旧", "too-old")
    return new

def _open(body: str, policy: Policy) -> tuple[Checkpoint, bool, int]:
    # The checkpoint, whether the policy's quorum signed it, and the latest time that a cosignature gives.
    note = parse_note(body)
    checkpoint = Checkpoint.parse(note.text)
    open_note(note, policy.logs, checkpoint.origin)
    seen = {name: times for name, key in policy.witnesses.items() if (times := times_of(note, key))}
    times = [time_s for told in (*seen.values(), *(times_of(note, key) for key in policy.clocks)) for time_s in told]
    return checkpoint, policy.quorum is None or policy.met_by(seen), max(times, default=0)

def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, and to the disk."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

def _watch(options: Namespace, policy: Policy) -> int:
    options.evidence.mkdir(parents=True, exist_ok=True)
    good = time.time()
    while True:
        now = time.time()
        try:
            head = look(options.source, policy, options.state, options.evidence, now, options.log)
            print(f"{head.origin}: {head.size}", flush=True)
            good, code = now, 0
        except (OSError, VerificationError) as error:
            code = 3 if isinstance(error, OSError) or error.code in GREY else 1
            place = getattr(error, "where", None) or options.source
            print(f"{('ALARM 警报', 'UNCHECKED 未能核实')[code == 3]}: {place}: {error}", file=sys.stderr, flush=True)
            is_old = getattr(error, "code", "") == "too-old" or now - good > policy.max_age_s
            code = code if code == 1 or is_old or options.once else 0
        if code or options.once:
            return code
        time.sleep(options.every)

def _judge(options: Namespace, policy: Policy) -> int:
    evidence = Evidence.parse(fetch(options.source, MAX_EVIDENCE))
    try:
        evidence = from_tiles(evidence, options.log) if options.log else evidence
        key, old, new = verify_evidence(evidence, policy.logs)
    except (OSError, VerificationError) as error:
        print(f"it convicts nobody 不能定罪: {error}", file=sys.stderr)
        return 3 if isinstance(error, OSError) or error.code in GREY else 1
    print(f"{SAYS['forked']}: {key.format()}\n{old.size} {old.root.hex()}\n{new.size} {new.root.hex()}")
    if options.out:
        write(options.out, evidence.format())
    return 0

def main(argv: Sequence[str]) -> int:
    """Run `watch …` or `evidence …`."""
    is_watch = argv[0] == "watch"
    parser = ArgumentParser(f"python -m verify {argv[0]}", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("source", help="where the log is, an address or a folder; or the file of evidence")
    parser.add_argument("--policy", type=Path, required=True, help="whom you trust, a file")
    parser.add_argument("--state", type=Path, required=is_watch, help="where to remember the last checkpoint, a file")
    parser.add_argument("--evidence", type=Path, default=Path(), help="the folder for evidence")
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two looks, 60 unless told")
    parser.add_argument("--log", help="where the log itself is, if the source is a witness or evidence")
    parser.add_argument("--out", type=Path, help="write the completed evidence to this file")
    options = parser.parse_args(argv[1:])
    try:
        policy = Policy.parse(options.policy.read_text("utf-8"))
        return (_watch if is_watch else _judge)(options, policy)
    except (OSError, UnicodeError, VerificationError) as error:
        print(error, file=sys.stderr)
        return 2
