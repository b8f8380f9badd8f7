"""
Cases about statements: the compact JWS, its header, its payload and its signature.

Source: RFC 7515, RFC 7638; protocol.md section 1.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from tests.verify.core_cases import FARM_KEY, LOG_KEY, MACHINE_KEY, OTHER_KEY, Case, accepts, b64u, compact, jwk, kid, refuses
from tests.verify.core_cases import sign as sign_bytes

PARSE, VERIFY, ASSEMBLE = "statement.parse", "statement.verify", "statement.assemble"
FARM = "https://farm.example/li"
LOT = "https://id.gs1.org/01/09520123456788/10/LI-2026-117"
REPORT: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiableCredential", "LabReport"],
    "issuer": FARM,
    "validFrom": "2026-10-12T09:30:00+08:00",
    "credentialSubject": {"id": "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "lot": LOT, "verdict": "合格"},
}
SALT = "c2FsdC1zYWx0LXNhbHQtMQ"  # 16 bytes in base64url


def header(alg: str = "ES256", key: Any = FARM_KEY, typ: str = "vc+jwt", **more: object) -> str:
    """The protected header as our producers write it."""
    return compact({"alg": alg, "kid": kid(key), "typ": typ, **more})


def jws(head: str | bytes, payload: str | bytes | Mapping[str, Any], key: Any = FARM_KEY, **how: bool) -> str:
    """A compact JWS over exactly these bytes; a mapping is printed first."""
    text = payload if isinstance(payload, str | bytes) else compact(payload)
    parts = [b64u(part if isinstance(part, bytes) else part.encode()) for part in (head, text)]
    return ".".join([*parts, b64u(sign_bytes(".".join(parts).encode(), key, **how))])


def report(**change: Any) -> dict[str, Any]:
    """The report with members of the payload exchanged; None removes one."""
    return {name: value for name, value in {**REPORT, **change}.items() if value is not None}


def subject(**more: Any) -> dict[str, Any]:
    """The report with further members of credentialSubject."""
    return report(credentialSubject={**REPORT["credentialSubject"], **more})


def hidden(*parts: object) -> str:
    """A disclosure of [salt, name, value] as it travels."""
    return b64u(compact(parts).encode())


def digest(disclosure: str) -> str:
    """What `_sd` holds for a disclosure."""
    return b64u(sha256(disclosure.encode()).digest())


PRICE = hidden(SALT, "price", "12.80")
INSPECTOR = hidden(SALT, "inspector", "王")
SHOWN_HEADER = header(typ="vc+sd-jwt")
WITHHELD = subject(_sd=[digest(PRICE), digest(INSPECTOR)])


def travelling(payload: Mapping[str, Any], *disclosures: str) -> dict[str, str]:
    """The input of a vc+sd-jwt: JWS~D1~…~."""
    return {"statement": "~".join([jws(SHOWN_HEADER, payload), *disclosures, ""])}


def cases() -> Iterator[Case]:
    """All cases about statements."""
    yield from _accepted()
    yield from _headers()
    yield from _signatures()
    yield from _travel()
    yield from _payloads()
    yield from _times()


def _accepted() -> Iterator[Case]:
    plain, machine = jws(header(), REPORT), jws(header("EdDSA", MACHINE_KEY), REPORT, MACHINE_KEY)
    told: dict[str, Any] = {"kind": "LabReport", "issuer": FARM, "withheld": 0, "disclosed": REPORT["credentialSubject"]}
    hashed = {"digest": sha256(plain.encode()).hexdigest()}
    yield accepts(
        "statement-es256", "A farm's phone signs", PARSE, {"statement": plain}, {**hashed, "kid": kid(FARM_KEY), **told}
    )
    yield accepts("statement-es256-verified", "By the key it names", VERIFY, {"statement": plain, "jwk": jwk(FARM_KEY)})
    yield accepts("statement-eddsa-verified", "By a machine's key", VERIFY, {"statement": machine, "jwk": jwk(MACHINE_KEY)})
    given = {"header": header(), "payload": compact(REPORT), "signature": plain.split(".")[2], "disclosures": []}
    yield accepts(
        "statement-from-exact-texts",
        "A bundle's texts give back the same digest",
        ASSEMBLE,
        given,
        {**hashed, "kid": kid(FARM_KEY), **told},
    )
    spaced = jws(header(), compact(REPORT).replace(",", " ,\n"))
    yield accepts("statement-spaces-are-kept", "The bytes are hashed as received", PARSE, {"statement": spaced},
                  {"digest": sha256(spaced.encode()).hexdigest()})  # fmt: skip
    event = report(type=["VerifiableCredential", "TraceabilityEvent"], credentialSubject={"type": "ObjectEvent", "quantity": 3.5})
    yield accepts(
        "statement-event-keeps-decimals",
        "EPCIS numbers stay as received",
        PARSE,
        {"statement": jws(header(), event)},
        {"kind": "TraceabilityEvent"},
    )
    for name, about, shown, count in (
        ("nothing-shown", "Two members withheld, none shown", [], 2),
        ("one-shown", "One of two", [PRICE], 1),
        ("all-shown", "Both", [INSPECTOR, PRICE], 0),
    ):
        merged = dict(REPORT["credentialSubject"])
        if PRICE in shown:
            merged["price"] = "12.80"
        if INSPECTOR in shown:
            merged["inspector"] = "王"
        bare = travelling(WITHHELD)["statement"][:-1]
        expect = {"withheld": count, "disclosed": merged, "digest": sha256(bare.encode()).hexdigest()}
        yield accepts(f"statement-{name}", f"{about}; the digest is the same", PARSE, travelling(WITHHELD, *shown), expect)
    public = report(credentialSubject=WITHHELD["credentialSubject"], public=[digest(PRICE)], _sd_alg="sha-256")
    yield accepts(
        "statement-public-disclosure", "The party marks a member for everybody", PARSE, travelling(public, PRICE), {"withheld": 1}
    )


def _headers() -> Iterator[Case]:
    name = kid(FARM_KEY)
    for case, about, text in (
        ("extra-member", "A critical extension that nobody reads", header(crit=["exp"])),
        ("embedded-key", "A key that vouches for itself", header(jwk=jwk(OTHER_KEY))),
        ("no-typ", "A JWS of another purpose", compact({"alg": "ES256", "kid": name})),
        ("typ-jwt", "A token of another system", header(typ="JWT")),
        ("alg-none", "Signed by nobody", header("none")),
        ("alg-hs256", "A public key used as a secret", header("HS256")),
        ("alg-es256k", "Another curve", header("ES256K")),
        ("alg-lower-case", "Another spelling", header("es256")),
        ("alg-list", "Not even a string", compact({"alg": ["ES256"], "kid": name, "typ": "vc+jwt"})),
        ("kid-elsewhere", "Three members, but not these", compact({"alg": "ES256", "x5t": name, "typ": "vc+jwt"})),
        ("not-an-object", "A list", "[]"),
    ):
        yield refuses(f"statement-header-{case}", about, PARSE, {"statement": jws(text, REPORT)}, "bad-header", "/header")
    short = compact({"alg": "ES256", "kid": "AAAA", "typ": "vc+jwt"})
    yield refuses(
        "statement-header-kid-short", "Not a thumbprint", PARSE, {"statement": jws(short, REPORT)}, "bad-header", "/header/kid"
    )
    twice = header()[:-1] + ',"alg":"EdDSA"}'
    yield refuses(
        "statement-header-alg-twice",
        "Two readers, two algorithms",
        PARSE,
        {"statement": jws(twice, REPORT)},
        "duplicate-member",
        "/alg",
    )


def _signatures() -> Iterator[Case]:
    good = jws(header(), REPORT)
    signing_input, signature = good.rsplit(".", 1)
    machine = header("EdDSA", MACHINE_KEY)
    swapped = jws(machine, REPORT, MACHINE_KEY).rsplit(".", 1)[0] + "." + jws(machine, subject(), LOG_KEY).rsplit(".", 1)[1]
    as_es256 = jws(header("ES256", MACHINE_KEY), REPORT, MACHINE_KEY)
    rewritten = ".".join([b64u(header().encode()), b64u(compact(subject(verdict="不合格")).encode()), signature])
    for name, about, statement, key, code in (
        ("malleated", "s replaced by n - s: a second digest of one record", jws(header(), REPORT, low=False), FARM_KEY, "high-s"),
        ("by-another-key", "kid names the farm, another signed", jws(header(), REPORT, OTHER_KEY), FARM_KEY, "bad-signature"),
        ("zero", "64 zero bytes", f"{signing_input}.{b64u(bytes(64))}", FARM_KEY, "bad-signature"),
        ("kid-of-another", "Signed well, under another name", jws(header(key=OTHER_KEY), REPORT), FARM_KEY, "wrong-kid"),
        ("alg-of-another-type", "EdDSA claimed for a P-256 key", jws(header("EdDSA"), REPORT), FARM_KEY, "wrong-alg"),
        ("es256-for-a-machine", "ES256 claimed for an Ed25519 key", as_es256, MACHINE_KEY, "wrong-alg"),
        ("eddsa-of-another", "Another machine's signature", swapped, MACHINE_KEY, "bad-signature"),
        ("payload-changed", "Another verdict under the same signature", rewritten, FARM_KEY, "bad-signature"),
    ):
        yield refuses(f"statement-signature-{name}", about, VERIFY, {"statement": statement, "jwk": jwk(key)}, code)
    for name, about, spelling in (
        ("63-bytes", "Too short", b64u(bytes(63))),
        ("65-bytes", "Too long", b64u(bytes(65))),
        ("empty", "Unsigned", ""),
        ("padded", "Padding", signature + "=="),
        (
            "trailing-bits",
            "The last character spelled otherwise",
            signature[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-1]],
        ),
        ("standard-alphabet", "base64 instead of base64url", "+" + signature[1:]),
    ):
        yield refuses(f"statement-signature-{name}", about, PARSE, {"statement": f"{signing_input}.{spelling}"}, "bad-base64")


def _travel() -> Iterator[Case]:
    good = jws(header(), REPORT)
    head, payload, signature = good.split(".")
    for name, about, statement, code in (
        ("two-parts", "A JWS has three parts", f"{head}.{payload}", "not-a-jws"),
        ("five-parts", "An encrypted one has five", f"{good}.AAAA.AAAA", "not-a-jws"),
        ("empty", "Nothing", "", "not-a-jws"),
        ("not-ascii", "A letter outside ASCII", good + "é", "not-a-jws"),
        ("line-end", "A line end behind the signature", good + "\n", "bad-base64"),
        ("header-padded", "The header's base64url is padded", f"{head}=.{payload}.{signature}", "bad-base64"),
        ("tilde-on-plain", "vc+jwt travels without tilde", good + "~", "wrong-typ"),
        ("no-tilde-on-withholding", "vc+sd-jwt travels with tilde", jws(SHOWN_HEADER, WITHHELD), "wrong-typ"),
        ("key-binding", "Something behind the last tilde", travelling(WITHHELD)["statement"] + good, "key-binding"),
        ("empty-disclosure", "Two tildes in a row", travelling(WITHHELD)["statement"] + "~", "not-json"),
        ("payload-not-utf8", "Bytes that are no text", jws(header(), b'{"a":"\xff"}'), "not-utf8"),
        ("payload-bom", "A byte order mark", jws(header(), "\ufeff" + compact(REPORT)), "bom"),
        ("payload-not-json", "Another syntax", jws(header(), "issuer: li"), "not-json"),
        ("payload-a-list", "Not an object", jws(header(), "[]"), "malformed"),
    ):
        yield refuses(f"statement-{name}", about, PARSE, {"statement": statement}, code)


def _payloads() -> Iterator[Case]:
    proto = compact(REPORT).replace('"lot":', '"__proto__":{"lot":1},"lot":')
    twice = compact(REPORT)[:-1] + ',"issuer":"https://other.example/"}'
    cases: tuple[tuple[str, str, str | Mapping[str, Any], str, str], ...] = (
        ("issuer-twice", "Two readers, two issuers", twice, "duplicate-member", "/issuer"),
        ("proto", "A subject behind the subject", proto, "proto", "/credentialSubject/__proto__"),
        ("unknown-member", "A member nobody checks", report(validUntil="2027-01-01T00:00:00Z"), "unknown-member", "/validUntil"),
        ("no-issuer", "Nobody says it", report(issuer=None), "missing-member", "/issuer"),
        ("issuer-object", "The issuer is a URI", report(issuer={"id": FARM}), "wrong-type", "/issuer"),
        (
            "subject-list",
            "One subject",
            report(credentialSubject=[REPORT["credentialSubject"]]),
            "wrong-type",
            "/credentialSubject",
        ),
        ("unknown-kind", "A kind that is not ours", report(type=["VerifiableCredential", "Diploma"]), "unknown-kind", "/type"),
        ("kind-list", "A kind that is a list", report(type=["VerifiableCredential", ["LabReport"]]), "unknown-kind", "/type"),
        (
            "kind-of-prototype",
            "A name that JavaScript finds everywhere",
            report(type=["VerifiableCredential", "constructor"]),
            "unknown-kind",
            "/type",
        ),
        ("two-kinds", "One kind", report(type=["VerifiableCredential", "LabReport", "Certificate"]), "unknown-kind", "/type"),
        ("kind-first", "In this order", report(type=["LabReport", "VerifiableCredential"]), "unknown-kind", "/type"),
        ("no-context", "An empty context", report(**{"@context": []}), "bad-context", "/@context"),
        ("other-context", "Another vocabulary", report(**{"@context": ["https://schema.org"]}), "bad-context", "/@context"),
        (
            "context-object",
            "A context that redefines words",
            report(**{"@context": [*REPORT["@context"], {"lot": "x:y"}]}),
            "bad-context",
            "/@context",
        ),
        (
            "own-kind-decimal",
            "Measured values are strings",
            subject(results=[{"value": 0.5}]),
            "bad-number",
            "/credentialSubject/results/0/value",
        ),
        ("own-kind-2-53", "An integer JavaScript rounds", subject(count=2**53), "bad-number", "/credentialSubject/count"),
    )
    for name, about, payload, code, where in cases:
        yield refuses(f"statement-payload-{name}", about, PARSE, {"statement": jws(header(), payload)}, code, where)


def _times() -> Iterator[Case]:
    fn = "statement.parse_time"
    for name, text, ms in (
        ("offset", "2026-10-12T09:30:00+08:00", 1791768600000),
        ("z", "2026-10-12T01:30:00Z", 1791768600000),
        ("nanoseconds", "2026-10-12T01:30:00.123999999Z", 1791768600123),
        ("tenths", "2026-10-12T01:30:00.5-00:00", 1791768600500),
        ("leap-day", "2028-02-29T00:00:00Z", 1835395200000),
    ):
        yield accepts(f"statement-time-{name}", "RFC 3339 with an offset", fn, {"text": text}, {"ms": ms})
    wrong = {
        "no-offset": "2026-10-12T09:30:00",
        "date": "2026-10-12",
        "lower-case": "2026-10-12t01:30:00z",
        "space": "2026-10-12 01:30:00Z",
        "february-30": "2026-02-30T00:00:00Z",
        "february-29": "2026-02-29T00:00:00Z",
        "month-13": "2026-13-01T00:00:00Z",
        "month-0": "2026-00-01T00:00:00Z",
        "hour-24": "2026-10-12T24:00:00Z",
        "minute-60": "2026-10-12T01:60:00Z",
        "second-60": "2026-12-31T23:59:60Z",
        "offset-24": "2026-10-12T01:30:00+24:00",
        "offset-minute-75": "2026-10-12T01:30:00+05:75",
        "offset-short": "2026-10-12T01:30:00+8",
        "year-0": "0000-01-01T00:00:00Z",
        "ten-digits": "2026-10-12T01:30:00.1234567890Z",
        "full-width": "２026-10-12T01:30:00Z",
        "line-end": "2026-10-12T01:30:00Z\n",
        "year-5": "12026-10-12T01:30:00Z",
        "empty": "",
    }
    for name, text in wrong.items():
        yield refuses(f"statement-time-{name}", "A time has one spelling and an offset", fn, {"text": text}, "bad-time")
    late = jws(header(), report(validFrom="2026-10-12"))
    yield refuses(
        "statement-payload-valid-from", "A time without an offset", PARSE, {"statement": late}, "bad-time", "/validFrom"
    )
