"""
Cases about the reader's policy: what it says, and every line that must not be guessed at.

Source: c2sp.org/tlog-policy; protocol.md section 2.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.verify.core_cases import LOG_KEY, Case, accepts, b64u, refuses, vkey
from tests.verify.core_cases_note import LOG, WITNESS

FN, MET, COVERS = "policy.parse", "policy.met_by", "policy.covers"
KID = b64u(sha256(b"registrar").digest())
CONTRACT, LOG_ID, SIGNER = "0x" + "Ab" * 20, "0x" + "cD" * 32, "0x" + "12" * 20


def key(name: str, kind: int = 4) -> str:
    """A verifier key of its own for every name."""
    return vkey(f"{name}.example", kind, Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()))


W1, W2, W3 = (f"witness w{n} {key(f'w{n}')}" for n in (1, 2, 3))
THREE = f"{W1}\n{W2}\n{W3}\n"


def cases() -> Iterator[Case]:
    """All cases about policies."""
    yield from _read()
    yield from _refused()
    yield from _asked()


def _read() -> Iterator[Case]:
    text = (
        f"# what this reader trusts\nlog {LOG} https://example.com/kat  # with an address\nclock {key('clock')}\n\n"
        f"{W1} https://w1.example\r\n{W2}\n\t{W3}\ngroup ngo 2 w2 w3\ngroup both all w1 ngo\nquorum both\n"
        f"registrar https://registrar.example {KID} 0-1000 https://id.gs1.org/417/\n"
        f"registrar https://registrar.example {KID} 1000- *\n"
        f"anchor 11155111 {CONTRACT} {LOG_ID} {SIGNER} {'0f' * 32}\nanchor 10 {CONTRACT} {LOG_ID} {SIGNER}\nmax-age 3600\n"
    )
    pin = [CONTRACT.lower(), LOG_ID.lower(), SIGNER.lower()]
    expect: dict[str, Any] = {
        "logs": ["example.com/kat"], "clocks": ["clock.example"],
        "witnesses": {"w1": "w1.example", "w2": "w2.example", "w3": "w3.example"},
        "groups": {"ngo": [2, ["w2", "w3"]], "both": [2, ["w1", "ngo"]]}, "quorum": "both",
        "registrars": [["https://registrar.example", KID, 0, 1000, "https://id.gs1.org/417/"],
                       ["https://registrar.example", KID, 1000, None, "*"]],
        "anchors": [[11155111, *pin, "0f" * 32], [10, *pin, None]], "max_age_s": 3600,
    }  # fmt: skip
    yield accepts("policy-all-lines", "Every line we know", FN, {"text": text}, expect)
    bare: dict[str, Any] = {
        "logs": ["example.com/kat"],
        "clocks": [],
        "witnesses": {},
        "groups": {},
        "quorum": None,
        "registrars": [],
        "anchors": [],
        "max_age_s": 86_400,
    }
    yield accepts("policy-bare", "A log alone; a day is the greatest age", FN, {"text": f"log {LOG}"}, bare)
    hidden = f"log {LOG}\n# a comment\u2028quorum none\u0085max-age 999999999\n"
    yield accepts("policy-hidden-line", "U+2028 and U+0085 in a comment end no line", FN, {"text": hidden}, bare)


def _refused() -> Iterator[Case]:
    weak = vkey("weak.example", 4, bytes([1, *bytes(31)]))
    lines = {
        "unknown-word": ("A word that is not ours", f"trust {LOG}"),
        "word-of-prototype": ("A word that JavaScript finds everywhere", f"constructor {LOG}"),
        "word-upper-case": ("Words are lower case", f"LOG {LOG}"),
        "log-without-key": ("A word alone", "log"),
        "log-with-too-much": ("Two addresses", f"log {LOG} https://a.example https://b.example"),
        "log-key-of-kind-4": ("A witness is not a log", f"log {key('other')}"),
        "log-key-changed": ("One digit of the key id", f"log {LOG.replace('+a0', '+b0')}"),
        "clock-key-of-kind-1": ("A log key tells no time", f"clock {key('other', 1)}"),
        "witness-key-of-kind-1": ("A log key is not a cosigner's", f"witness w9 {key('other', 1)}"),
        "witness-weak": ("A key that anyone can sign for", f"witness w9 {weak}"),
        "witness-twice": ("One key counts once, whatever its names", f"witness w9 {key('w1')}"),
        "witness-is-the-log": ("The log is not a third party", f"witness w9 {vkey('w9.example', 4, LOG_KEY)}"),
        "log-is-a-witness": (
            "In this order neither",
            f"log {vkey('w1.example', 1, Ed25519PrivateKey.from_private_bytes(sha256(b'w1').digest()))}",
        ),
        "clock-is-a-witness": ("The operator's clock is not a third party", f"clock {key('w1')}"),
        "witness-name-taken": ("Two witnesses of one name", f"witness w1 {WITNESS}"),
        "witness-named-none": ("The name that quorum uses", f"witness none {WITNESS}"),
        "group-name-taken": ("A group named like a witness", "group w1 any w2 w3"),
        "group-undefined-member": ("A member that was not defined above", "group g any w1 w9"),
        "group-of-itself": ("No circles", "group g any g w1"),
        "group-member-twice": ("A member counts once", "group g 2 w1 w1"),
        "group-threshold-0": ("Zero of three is nobody", "group g 0 w1 w2"),
        "group-threshold-high": ("Three of two", "group g 3 w1 w2"),
        "group-threshold-full-width": ("ASCII digits", "group g \uff12 w1 w2"),
        "group-threshold-of-prototype": ("A name that JavaScript finds everywhere", "group g constructor w1 w2"),
        "group-empty": ("Nobody", "group g any"),
        "quorum-undefined": ("A quorum of nobody", "quorum w9"),
        "quorum-none-at-all": ("A word alone", "quorum"),
        "registrar-without-range": ("The range is not optional", f"registrar https://registrar.example {KID} *"),
        "registrar-range-without-dash": ("From where to where", f"registrar https://registrar.example {KID} 5 *"),
        "registrar-range-leading-zero": ("Numbers have one spelling", f"registrar https://registrar.example {KID} 05- *"),
        "registrar-thumbprint-short": ("Not a thumbprint", f"registrar https://registrar.example {KID[:-1]} 0- *"),
        "registrar-without-scope": ("The scope is not optional", f"registrar https://registrar.example {KID} 0-"),
        "anchor-contract-short": ("Not an address", f"anchor 10 {CONTRACT[:-2]} {LOG_ID} {SIGNER}"),
        "anchor-without-0x": ("Not an address", f"anchor 10 {CONTRACT[2:]} {LOG_ID} {SIGNER}"),
        "anchor-without-signer": ("Anybody may publish; whose head counts must be said", f"anchor 10 {CONTRACT} {LOG_ID}"),
        "anchor-code-upper-case": ("A digest in lower case", f"anchor 10 {CONTRACT} {LOG_ID} {SIGNER} {'0F' * 32}"),
        "anchor-chain-hexadecimal": ("A chain id in decimal", f"anchor 0xa {CONTRACT} {LOG_ID} {SIGNER}"),
        "max-age-negative": ("Never", "max-age -1"),
        "max-age-past-2-53": ("Longer than JavaScript counts", "max-age 9007199254740992"),
    }
    for word, values in (("quorum", ("w1", "none")), ("max-age", ("1", "99999"))):
        text = f"log {LOG}\n{THREE}" + "".join(f"{word} {value}\n" for value in values)
        yield refuses(f"policy-{word}-twice", "Which of the two?", FN, {"text": text}, "bad-policy")
    for name, (about, line) in lines.items():
        yield refuses(f"policy-{name}", about, FN, {"text": f"log {LOG}\n{THREE}{line}\n"}, "bad-policy", "line 5")
    for name, about, text in (
        ("no-log", "No log, no checkpoint", THREE),
        ("empty", "Nothing", ""),
        ("too-long", "More lines than anyone reads", f"log {LOG}\n" + "\n" * 256),
    ):
        yield refuses(f"policy-{name}", about, FN, {"text": text}, "bad-policy")


def _asked() -> Iterator[Case]:
    head = f"log {LOG}\n{THREE}group two 2 w1 w2 w3\ngroup w1-and-two all w1 two\n"
    for name, about, quorum, signed, met in (
        ("one-of-one", "The witness named", "w1", ["w1"], True),
        ("another", "Another witness", "w1", ["w2", "w3"], False),
        ("two-of-three", "Any two", "two", ["w1", "w3"], True),
        ("one-of-three", "One is not two", "two", ["w2"], False),
        ("nested", "A group in a group", "w1-and-two", ["w1", "w2"], True),
        ("nested-without", "Two, but not the one that must", "w1-and-two", ["w2", "w3"], False),
        ("none", "No quorum is never met: only the operator has seen it", "none", ["w1", "w2", "w3"], False),
    ):
        yield accepts(f"policy-quorum-{name}", about, MET, {"text": f"{head}quorum {quorum}\n", "signed": signed}, {"met": met})
    line = f"log {LOG}\nregistrar https://registrar.example {KID} 10-20 https://id.gs1.org/417/95201\n"
    party = "https://id.gs1.org/417/9520123456788"
    for name, about, index, uri, inside in (
        ("first", "The first index is inside", 10, party, True),
        ("last", "The last index below until", 19, party, True),
        ("before", "An index too low", 9, party, False),
        ("until", "Until is outside", 20, party, False),
        ("scope", "A party under another prefix", 10, "https://id.gs1.org/417/9521123456787", False),
    ):
        yield accepts(f"policy-registrar-{name}", about, COVERS, {"text": line, "index": index, "party": uri}, {"covers": inside})
