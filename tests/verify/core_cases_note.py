"""
Cases about signed text: notes, verifier keys, checkpoints, cosignatures, tlog-proofs, and entries.

Source: the known answers of c2sp.org/signed-note, of tessera's test log and of this project's design (seeds 00..1f, 20..3f).
"""

from collections.abc import Iterator
from hashlib import sha256

from tests.verify.core_cases import LOG_KEY, WITNESS_KEY, Case, accepts, b64, key_data, key_id, note_line, refuses, vkey
from tests.verify.core_cases_merkle import ENTRIES, L4, N68, ROOTS

FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TESSERA_KNOWN = (
    (0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
     "M9e0lhxJACzE1KoUdqKuPa+9p6R7dSW8BlEvrg/noo8FkGg6PbJoRNOcdjqjOq89wVvTA60eubCc4oufo5BvIVEgtQc="),
    (1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
     "M9e0lhr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/SChAM="),
    (8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
     "M9e0lq1EK37dHtgv9O3UzPxisw5vwIPcJsX9ab0xt4mvVfbdUR1fbMjN6sBFYpBoBEmD4+cWhj/AVgI5MitCO5+mews="),
    (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=",
     "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI="),
)  # fmt: skip
LOG = "example.com/kat+a02c02a0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
WITNESS = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
TEXT = "example.com/kat\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
LOG_LINE = "— example.com/kat oCwCoCozWU8S/Y9zV4n/7/046gBqUNdiyqPEpDd+poRsc2Lb276V8RpL754x8TAqtAZAXrvofgTaiINKQ34zAMcioQE=\n"
WITNESS_LINE = (
    "— witness.example/w1 IDJKvgAAAABkGFDL7ZFvUOre+H7rPg+rgMyaf3oOOut2IhEGY22OITzj24Sx+Yhk1lOA5r+365V6BE5a7cRA++lj"
    "fdWcLDOH6IFwAg==\n"
)
TIME = 1679315147
CHECKPOINT = f"{TEXT}\n{LOG_LINE}{WITNESS_LINE}"
PATH = [L4, N68, ROOTS[4]]


def cases() -> Iterator[Case]:
    """All cases about signed text and entries."""
    yield from _notes()
    yield from _not_notes()
    yield from _keys()
    yield from _checkpoints()
    yield from _cosignatures()
    yield from _proofs()
    yield from _entries()


def _notes() -> Iterator[Case]:
    fn = "note.open"
    yield accepts(
        "note-known-answer", "The example of signed-note", fn, {"note": FOO_NOTE, "keys": [FOO]}, {"signed": ["example.com/foo"]}
    )
    for size, root, signature in TESSERA_KNOWN:
        text = f"example.com/log/testdata\n{size}\n{root}\n\n— example.com/log/testdata {signature}\n"
        about = f"tessera's test log at size {size}"
        yield accepts(
            f"note-tessera-{size}", about, fn, {"note": text, "keys": [TESSERA]}, {"signed": ["example.com/log/testdata"]}
        )
    both = {"signed": ["example.com/kat"]}
    yield accepts(
        "note-unknown-line-ignored", "A line by an unknown key changes nothing", fn, {"note": CHECKPOINT, "keys": [LOG]}, both
    )
    stranger = note_line("example.com/kat", 1, WITNESS_KEY, TEXT.encode())
    yield accepts("note-same-name-other-key", "A name is not a key: the stranger's line is unknown", fn,
                  {"note": f"{TEXT}\n{stranger}{LOG_LINE}", "keys": [LOG]}, both)  # fmt: skip
    many = "".join(note_line(f"example.com/{number}", 1, WITNESS_KEY, TEXT.encode()) for number in range(15))
    yield accepts(
        "note-16-signatures", "signed-note asks for at least 16", fn, {"note": f"{TEXT}\n{many}{LOG_LINE}", "keys": [LOG]}, both
    )
    inner = f"a line\n\n{LOG_LINE}and more\n"
    own = note_line("example.com/kat", 1, LOG_KEY, inner.encode())
    yield accepts(
        "note-split-at-the-last-blank-line",
        "A signature inside the text is text",
        fn,
        {"note": f"{inner}\n{own}", "keys": [LOG]},
        both,
    )
    yield refuses("note-inner-signature-does-not-count", "What looks signed inside the text is not", fn,
                  {"note": f"{TEXT}\n{LOG_LINE}more\n\n{stranger}", "keys": [LOG]}, "no-known-signature")  # fmt: skip
    bad = note_line("example.com/kat", 1, LOG_KEY, b"another text")
    yield refuses("note-known-key-fails", "One bad line of a known key rejects the note, however many are good", fn,
                  {"note": f"{TEXT}\n{LOG_LINE}{bad}", "keys": [LOG]}, "bad-signature")  # fmt: skip
    yield refuses(
        "note-text-changed",
        "One digit of the size",
        fn,
        {"note": CHECKPOINT.replace("\n8\n", "\n9\n"), "keys": [LOG]},
        "bad-signature",
    )
    yield refuses(
        "note-no-known-key", "Signed, but by nobody the reader knows", fn, {"note": FOO_NOTE, "keys": [LOG]}, "no-known-signature"
    )
    yield refuses(
        "note-no-keys", "A reader who knows nobody trusts nobody", fn, {"note": FOO_NOTE, "keys": []}, "no-known-signature"
    )
    short = f"— example.com/kat {b64(key_id('example.com/kat', key_data(1, LOG_KEY)) + bytes(63))}\n"
    yield refuses(
        "note-signature-of-63-bytes",
        "A signature of another length",
        fn,
        {"note": f"{TEXT}\n{short}", "keys": [LOG]},
        "bad-signature",
    )


def _not_notes() -> Iterator[Case]:
    given = {
        "note-no-blank-line": ("Text and signatures run together", TEXT + LOG_LINE),
        "note-no-signature": ("A text alone", f"{TEXT}\n"),
        "note-no-text": ("Signatures alone", f"\n{LOG_LINE}"),
        "note-no-final-line-end": ("The last line is cut", CHECKPOINT[:-1]),
        "note-trailing-line": ("Something after the signatures", CHECKPOINT + "and more\n"),
        "note-hyphen": ("A hyphen instead of the dash U+2014", CHECKPOINT.replace("—", "-")),
        "note-two-spaces": ("Two spaces before the signature", CHECKPOINT.replace("kat oC", "kat  oC")),
        "note-carriage-return": ("Line ends of another system", CHECKPOINT.replace("\n", "\r\n")),
        "note-null-in-text": ("A control character in the text", CHECKPOINT.replace("kat\n8", "kat\0\n8")),
        "note-tab-in-text": ("A tab in the text", CHECKPOINT.replace("kat\n8", "kat\t\n8")),
        "note-delete-in-text": ("U+007F in the text", CHECKPOINT.replace("kat\n8", "kat\x7f\n8")),
        "note-plus-in-name": (
            "A plus sign would make two readings of a verifier key",
            CHECKPOINT.replace("— example", "— ex+ample"),
        ),
        "note-space-in-name": ("A no-break space in a name", CHECKPOINT.replace("— example", "— ex\u00a0ample")),
        "note-ideographic-space-in-name": ("U+3000 in a name", CHECKPOINT.replace("— example", "— ex\u3000ample")),
        "note-empty-name": ("No name", CHECKPOINT.replace("— example.com/kat ", "—  ")),
        "note-only-a-key-id": ("Four bytes are no signature", f"{TEXT}\n— example.com/kat oCwCoA==\n"),
        "note-65-signatures": ("More lines than anyone needs", TEXT + "\n" + "— a AAAAAAA=\n" * 65),
    }
    for name, (about, note) in given.items():
        yield refuses(name, about, "note.open", {"note": note, "keys": [LOG]}, "bad-note")
    for name, about, spelling in (
        ("padding-missing", "base64 without its padding", LOG_LINE.replace("=\n", "\n")),
        ("trailing-bits", "base64 with bits that decode to nothing", LOG_LINE.replace("oQE=", "oQF=")),
        ("url-alphabet", "base64url in the place of base64", LOG_LINE.replace("/Y9zV4n/7/", "_Y9zV4n_7_")),
    ):
        note = f"{TEXT}\n{spelling}"
        yield refuses(f"note-{name}", about, "note.open", {"note": note, "keys": [LOG]}, "bad-base64")


def _keys() -> Iterator[Case]:
    fn = "note.vkey"
    for name, key, kind in (("known-answer", FOO, 1), ("plus-in-base64", TESSERA, 1), ("witness", WITNESS, 4)):
        about = "A verifier key; base64 may itself hold a plus sign"
        yield accepts(
            f"note-vkey-{name}", about, fn, {"vkey": key}, {"name": key.split("+")[0], "kind": kind, "id": key.split("+")[1]}
        )
    prime = 2**255 - 19
    weak = {
        "identity-point": (1).to_bytes(32, "little"),
        "identity-point-sign-bit": (1 + 2**255).to_bytes(32, "little"),
        "point-of-order-2": (prime - 1).to_bytes(32, "little"),
        "point-of-order-4": bytes(32),
        "point-of-order-4-sign-bit": (2**255).to_bytes(32, "little"),
        "point-of-order-8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        "other-point-of-order-8": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        "identity-spelled-p-plus-1": (prime + 1).to_bytes(32, "little"),
        "not-reduced": (prime + 3).to_bytes(32, "little"),
        "all-ones": b"\xff" * 32,
    }
    for name, point in weak.items():
        about = "A key that verifies signatures nobody made, or a second spelling of one"
        yield refuses(f"note-vkey-{name}", about, fn, {"vkey": vkey("example.com/weak", 1, point)}, "weak-key")
    name, tail = LOG.split("+", 1)
    for case, about, key in (
        ("key-id-of-another", "The key id is recomputed, not believed", f"{name}+00000000{tail[8:]}"),
        ("key-id-upper-case", "A second spelling of the key id", f"{name}+{tail[:8].upper()}{tail[8:]}"),
        ("name-of-another", "The name is part of the key id", f"example.com/cat+{tail}"),
        ("name-with-space", "A space in the name", vkey("example com", 1, LOG_KEY)),
        ("name-empty", "No name", vkey("", 1, LOG_KEY)),
        ("kind-2", "ECDSA is not a kind we read", vkey("example.com/kat", 2, LOG_KEY)),
        ("31-bytes", "A key that is too short", vkey("example.com/kat", 1, bytes(range(31)))),
        ("no-key", "A name alone", "example.com/kat"),
    ):
        yield refuses(f"note-vkey-{case}", about, fn, {"vkey": key}, "bad-vkey")
    yield refuses(
        "note-vkey-needless-padding",
        "base64 with padding that does not belong",
        fn,
        {"vkey": vkey("a", 1, LOG_KEY) + "="},
        "bad-base64",
    )


def _checkpoints() -> Iterator[Case]:
    fn = "checkpoint.parse"
    yield accepts(
        "checkpoint-known-answer",
        "Origin, size, root",
        fn,
        {"text": TEXT},
        {"origin": "example.com/kat", "size": 8, "root": ROOTS[8]},
    )
    empty = TEXT.replace("\n8\n", "\n0\n").replace("XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=", TESSERA_KNOWN[0][1])
    yield accepts(
        "checkpoint-empty-tree",
        "Size 0 is the digit 0",
        fn,
        {"text": empty},
        {"origin": "example.com/kat", "size": 0, "root": ROOTS[0]},
    )
    spellings = {
        "leading-zero": "08", "plus-sign": "+8", "minus-sign": "-8", "trailing-space": "8 ", "leading-space": " 8",
        "decimal-point": "8.0", "exponent": "8e0", "hexadecimal": "0x8", "underscore": "8_0", "full-width": "\uff18",
        "arabic-indic": "\u0668", "empty": "", "past-2-53": "9007199254740992", "long": "8" * 40,
    }  # fmt: skip
    for name, size in spellings.items():
        text = TEXT.replace("\n8\n", f"\n{size}\n")
        yield refuses(f"checkpoint-size-{name}", "The size has one spelling", fn, {"text": text}, "bad-checkpoint")
    for name, about, text in (
        ("extension-line", "A line that nobody checks is a place to lie", TEXT + "extension\n"),
        ("no-origin", "An empty origin", TEXT.replace("example.com/kat", "")),
        ("no-final-line-end", "The root's line is cut", TEXT[:-1]),
        ("no-root", "Two lines", "example.com/kat\n8\n"),
    ):
        yield refuses(f"checkpoint-{name}", about, fn, {"text": text}, "bad-checkpoint")
    for name, about, root in (
        ("root-of-31-bytes", "A root that is not a hash", b64(bytes(31))),
        ("root-trailing-bits", "base64 with bits that decode to nothing", "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh="),
        ("root-url-alphabet", "base64url in the place of base64", "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz-Nw7_RgQyg="),
        ("root-empty", "No root", ""),
    ):
        yield refuses(f"checkpoint-{name}", about, fn, {"text": f"example.com/kat\n8\n{root}\n"}, "bad-base64")


def _cosignatures() -> Iterator[Case]:
    fn = "cosignature.verify"
    good = {"note": CHECKPOINT, "vkey": WITNESS}
    yield accepts("cosignature-known-answer", "A witness saw this checkpoint at this time", fn, good, {"time": TIME})
    message = f"cosignature/v1\ntime {TIME}\n{TEXT}".encode()
    changed = note_line("witness.example/w1", 4, WITNESS_KEY, message, (TIME + 1).to_bytes(8, "big"))
    as_log = note_line("witness.example/w1", 4, WITNESS_KEY, TEXT.encode())
    log_key = note_line("example.com/kat", 1, LOG_KEY, message, TIME.to_bytes(8, "big"))
    for name, about, note, key in (
        ("time-changed", "The time is signed too", f"{TEXT}\n{changed}", WITNESS),
        ("text-changed", "Another size under the witness's line", CHECKPOINT.replace("\n8\n", "\n9\n"), WITNESS),
        ("without-time", "A plain signature is not a cosignature", f"{TEXT}\n{as_log}", WITNESS),
        ("key-of-kind-1", "A log's key is not a cosigner's", f"{TEXT}\n{log_key}", LOG),
    ):
        yield refuses(f"cosignature-{name}", about, fn, {"note": note, "vkey": key}, "bad-signature")


def _proofs() -> Iterator[Case]:
    fn = "proof.verify"
    lines = "".join(f"{b64(bytes.fromhex(one))}\n" for one in PATH)
    text = f"c2sp.org/tlog-proof@v1\nindex 5\n{lines}\n{CHECKPOINT}"
    good = {"proof": text, "entry": ENTRIES[5].hex(), "vkey": LOG}
    yield accepts(
        "proof-known-answer", "Index, path and checkpoint of one entry", fn, good, {"index": 5, "size": 8, "extra": None}
    )
    extra = text.replace("index 5", "extra AAEC\nindex 5")
    yield accepts(
        "proof-extra",
        "Extra data is carried and authenticated by nothing",
        fn,
        {**good, "proof": extra},
        {"index": 5, "size": 8, "extra": "000102"},
    )
    for name, about, spelling, code in (
        ("another-version", "A header we do not know", text.replace("@v1", "@v2"), "bad-proof"),
        ("index-leading-zero", "The index has one spelling", text.replace("index 5", "index 05"), "bad-proof"),
        ("index-full-width", "The index has ASCII digits", text.replace("index 5", "index \uff15"), "bad-proof"),
        (
            "index-past-2-53",
            "An index that JavaScript cannot count",
            text.replace("index 5", "index 9007199254740992"),
            "bad-proof",
        ),
        ("no-index", "No index", text.replace("index 5\n", ""), "bad-proof"),
        (
            "no-blank-line",
            "Path and checkpoint run together",
            text.replace(f"{lines}\n", lines).replace("\n\n", "\n"),
            "bad-proof",
        ),
        ("index-at-size", "An index past the tree", text.replace("index 5", "index 8"), "not-included"),
        ("node-missing", "A node too few", text.replace(f"{b64(bytes.fromhex(N68))}\n", ""), "not-included"),
        ("node-of-31-bytes", "A node that is not a hash", text.replace(b64(bytes.fromhex(N68)), b64(bytes(31))), "bad-base64"),
        ("checkpoint-changed", "Another size under the log's line", text.replace("\n8\n", "\n9\n"), "bad-signature"),
    ):
        yield refuses(f"proof-{name}", about, fn, {**good, "proof": spelling}, code)


def _entries() -> Iterator[Case]:
    digest, low, high = sha256(b"statement").hexdigest(), "00" * 31 + "01", "ff" * 32
    head = "01" + (1792000000123).to_bytes(8, "big").hex() + digest
    good = {"time": 1792000000123, "digest": digest, "keys": [low, high]}
    yield accepts("entry-two-keys", "Version, time, digest, keys in order", "entry.encode", good, {"entry": head + low + high})
    late = {"time": 2**53 - 1, "digest": digest, "keys": [low]}
    yield accepts(
        "entry-latest-time",
        "The last millisecond that JavaScript counts",
        "entry.encode",
        late,
        {"entry": f"01001fffffffffffff{digest}{low}"},
    )
    for name, about, keys in (
        ("keys-unsorted", "Another order would be another entry", [high, low]),
        ("key-repeated", "A key counts once", [low, low]),
        ("no-keys", "Every entry has at least its issuer's key", []),
    ):
        yield refuses(f"entry-{name}", about, "entry.encode", {**good, "keys": keys}, "bad-entry")
    yield accepts(
        "entry-decoded", "What encode prints", "entry.decode", {"entry": head + low + high}, {"time": 1792000000123, "keys": 2}
    )
    for name, about, data in (
        ("decoded-version-2", "A version we do not know", "02" + (head + low)[2:]),
        ("decoded-cut", "A key that is cut", (head + low + high)[:-2]),
        ("decoded-without-keys", "A head alone", head),
        ("decoded-unsorted", "Keys out of order", head + high + low),
        ("decoded-empty", "Nothing", ""),
    ):
        yield refuses(f"entry-{name}", about, "entry.decode", {"entry": data}, "bad-entry")
