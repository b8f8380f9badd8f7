"""
Cases about what a statement withholds and shows, and about the public keys that sign it.

Source: RFC 9901 (SD-JWT), RFC 7638, RFC 8037 appendix A; protocol.md section 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.verify.core_cases import FARM_KEY, Case, accepts, b64u, compact, jwk, kid, refuses
from tests.verify.core_cases_statement import (
    LOT,
    PARSE,
    PRICE,
    SALT,
    WITHHELD,
    digest,
    header,
    hidden,
    jws,
    report,
    subject,
    travelling,
)

THUMB = "statement.thumbprint"


def cases() -> Iterator[Case]:
    """All cases about withheld members and public keys."""
    yield from _withheld()
    yield from _disclosures()
    yield from _keys()


def _withheld() -> Iterator[Case]:
    escaped = compact(WITHHELD).replace('"_sd"', '"\\u005fsd"')
    for name, about, payload in (
        ("sd-in-plain", "Withheld members in vc+jwt", compact(WITHHELD)),
        ("sd-escaped-in-plain", "The same, with the name escaped", escaped),
        ("sd-alg-in-plain", "The algorithm alone", compact(report(_sd_alg="sha-256"))),
        ("public-in-plain", "Public marks without disclosures", compact(report(public=[]))),
    ):
        yield refuses(f"statement-{name}", about, PARSE, {"statement": jws(header(), payload)}, "wrong-typ", "/header/typ")
    about_sd = "/credentialSubject/_sd"
    wrong: tuple[tuple[str, str, Mapping[str, Any], str], ...] = (
        ("sd-alg-sha-512", "Another hash", report(_sd_alg="sha-512"), "/_sd_alg"),
        ("sd-not-a-list", "A single digest", subject(_sd=digest(PRICE)), about_sd),
        ("sd-null", "Null is not a list", subject(_sd=None), about_sd),
        ("sd-repeated", "A digest twice", subject(_sd=[digest(PRICE), digest(PRICE)]), about_sd),
        ("sd-number", "A number", subject(_sd=[7]), about_sd),
        ("sd-short", "Not SHA-256", subject(_sd=["AAAA"]), about_sd),
        ("sd-33", "More than anyone withholds", subject(_sd=[digest(str(n)) for n in range(33)]), about_sd),
        (
            "sd-nested",
            "A digest inside a result",
            subject(results=[{"_sd": [digest(PRICE)]}]),
            "/credentialSubject/results/0/_sd",
        ),
        ("sd-in-an-array", "An element withheld", subject(results=[{"...": digest(PRICE)}]), "/credentialSubject/results/0/..."),
        ("public-not-withheld", "Public names a digest that is not there", report(public=[digest(PRICE)]), "/public"),
    )
    for name, about, change, where in wrong:
        yield refuses(f"statement-{name}", about, PARSE, travelling(change), "bad-disclosure", where)
    outside = report(_sd=[digest(PRICE)])
    yield refuses(
        "statement-sd-at-the-top", "The issuer or time could be withheld", PARSE, travelling(outside), "unknown-member", "/_sd"
    )


def _disclosures() -> Iterator[Case]:
    def given(shown: Sequence[str], *signed: str) -> dict[str, str]:
        return travelling(subject(_sd=[digest(one) for one in signed]), *shown)

    lot, verdict = hidden(SALT, "lot", LOT), hidden(SALT, "verdict", "合格")
    other_price, proto = hidden(SALT[::-1], "price", "1.00"), hidden(SALT, "__proto__", {"lot": LOT})
    method = hidden(SALT, "method", "GB 23200.121")
    for name, about, payload, where in (
        ("not-signed", "A price the farm never signed", given([other_price], PRICE), "/price"),
        ("twice", "The same one twice", given([PRICE, PRICE], PRICE), "/price"),
        ("two-prices", "Two values for one member", given([PRICE, other_price], PRICE, other_price), "/price"),
        ("over-an-open-member", "It would replace what everybody sees", given([verdict], verdict), "/verdict"),
        ("not-withholdable", "Method may not be withheld", given([method], method), "/method"),
        ("of-the-lot", "Keys must come from what a shopper sees", given([lot], lot), "/lot"),
        ("of-proto", "A member that could reach behind an object", given([proto], proto), "/__proto__"),
    ):
        yield refuses(f"statement-disclosure-{name}", about, PARSE, payload, "bad-disclosure", where)
    for name, about, shown in (
        ("salt-short", "A price could be guessed", hidden("c2FsdA", "price", "12.80")),
        ("salt-of-emoji", "Eleven characters are not twenty-two", hidden("\U0001f345" * 11, "price", "12.80")),
        ("array-element", "Two parts are an array element", hidden(SALT, "12.80")),
        ("salt-number", "A salt is a string", hidden(1234567890123456789012, "price", "12.80")),
        ("name-number", "A name is a string", hidden(SALT, 1, "12.80")),
        ("nested", "A disclosure inside a disclosure", hidden(SALT, "price", {"_sd": [digest(PRICE)]})),
        ("an-object", "Not a list", b64u(compact({"price": "12.80"}).encode())),
    ):
        yield refuses(f"statement-disclosure-{name}", about, PARSE, given([shown], shown), "bad-disclosure")
    yield refuses(
        "statement-disclosure-padded",
        "Its base64url has one spelling too",
        PARSE,
        given([PRICE + "="], PRICE + "="),
        "bad-base64",
    )


def _keys() -> Iterator[Case]:
    known = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    yield accepts(
        "statement-jwk-rfc-8037",
        "RFC 8037 A.3; the members are put in order",
        THUMB,
        {"jwk": known},
        {"kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
    )
    yield accepts("statement-jwk-p-256", "A farm's key", THUMB, {"jwk": jwk(FARM_KEY)}, {"kid": kid(FARM_KEY)})
    farm, x = jwk(FARM_KEY), jwk(FARM_KEY)["x"]
    cases: tuple[tuple[str, str, object], ...] = (
        ("private", "A private key is no public one", {**farm, "d": x}),
        ("extra-member", "A member that would change no thumbprint", {**farm, "use": "sig"}),
        ("off-curve", "A point that is on another curve", {**farm, "y": x}),
        ("zero-point", "No point at all", {**farm, "x": b64u(bytes(32)), "y": b64u(bytes(32))}),
        ("not-reduced", "A coordinate past the prime", {**farm, "x": b64u(b"\xff" * 32)}),
        ("secp256k1", "Another curve", {**farm, "crv": "secp256k1"}),
        ("kty-list", "A list that prints like a string", {**known, "kty": ["OKP"]}),
        ("x-number", "A number", {**known, "x": 11}),
        ("rsa", "Another type of key", {"kty": "RSA", "n": x, "e": "AQAB"}),
        ("okp-with-y", "A member too many", {**known, "y": x}),
        ("empty", "Nothing", {}),
        ("null", "Not an object", None),
    )
    for name, about, key in cases:
        yield refuses(f"statement-jwk-{name}", about, THUMB, {"jwk": key}, "bad-jwk")
    for name, about, spelling in (("short", "31 bytes", b64u(bytes(31))), ("padded", "Padding", known["x"] + "=")):
        yield refuses(f"statement-jwk-x-{name}", about, THUMB, {"jwk": {**known, "x": spelling}}, "bad-base64")
    for name, point in (
        ("identity-point", bytes([1, *bytes(31)])),
        ("point-of-order-4", bytes(32)),
        ("not-reduced-point", b"\xff" * 32),
    ):
        weak = {**known, "x": b64u(point)}
        yield refuses(f"statement-jwk-{name}", "A key that anyone can sign for", THUMB, {"jwk": weak}, "weak-key")
