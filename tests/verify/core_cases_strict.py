"""
Cases about the JSON profile and base64: one meaning for one text, in every language.

Source: protocol.md section 1; RFC 8259; RFC 4648.
"""

from collections.abc import Iterator

from tests.verify.core_cases import Case, accepts, b64, refuses

FN = "strict.parse"


def cases() -> Iterator[Case]:
    """All cases about the JSON profile and base64."""
    yield from _accepted()
    yield from _members()
    yield from _text()
    yield from _numbers()
    yield from _syntax()
    yield from _base64()


def _given(text: str | bytes, own: bool = False) -> dict[str, object]:
    return {"base64": b64(text if isinstance(text, bytes) else text.encode()), "own": own}


def _number(spelling: str) -> dict[str, str]:
    return {"$number": spelling}


def _accepted() -> Iterator[Case]:
    good: dict[str, tuple[str, bool, str, object]] = {
        "plain": ("All kinds of value", True, ' {"a":[1,true,false,null,"x"],"":{}}\n',
                  {"a": [_number("1"), True, False, None, "x"], "": {}}),
        "event-keeps-decimals": ("A foreign event keeps its numbers", False, '{"a":1.50,"b":-2}',
                                 {"a": _number("1.50"), "b": _number("-2")}),
        "largest-integer": ("2^53-1 is the largest own integer", True, "9007199254740991", _number("9007199254740991")),
        "surrogate-pair": ("Two escapes that make one character", True, '"\\ud83c\\udf45"', "\U0001f345"),
        "escapes": ("Every escape", True, '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"', '"\\/\b\f\n\r\té'),
        "depth-64": ("The deepest text allowed", True, "[" * 64 + "]" * 64, _nested(64)),
        "brackets-in-a-string": ("Brackets in a string are not depth", True, '"' + "[" * 80 + '\\"{"', "[" * 80 + '"{'),
        "names-of-prototypes": ("Names that mean something to JavaScript are names", True, '{"constructor":1,"toString":2}',
                                {"constructor": _number("1"), "toString": _number("2")}),
    }  # fmt: skip
    for name, (about, own, text, value) in good.items():
        yield accepts(f"strict-{name}", about, FN, _given(text, own), {"value": value})


def _nested(depth: int) -> object:
    value: object = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _members() -> Iterator[Case]:
    twice = "duplicate-member"
    for name, about, text, code, where in (
        ("duplicate", "The last of two members would win in silence", '{"a":1,"a":1}', twice, "/a"),
        ("duplicate-escaped", "The same name, once escaped", '{"a":1,"\\u0061":2}', twice, "/a"),
        ("duplicate-deep", "Deep inside", '{"x":[0,{"y":1,"z":2,"y":3}]}', twice, "/x/1/y"),
        ("duplicate-pointer-escaped", "A name with / and ~", '{"a/b~c":1,"a/b~c":1}', twice, "/a~1b~0c"),
        ("duplicate-outermost-first", "Two faults: the outer object is named", '{"x":{"y":1,"y":2},"x":1}', twice, "/x"),
        ("duplicate-before-surrogate", "Two faults: the object's own comes first", '{"a":"\\ud800","b":1,"b":2}', twice, "/b"),
        (
            "duplicate-after-surrogate",
            "Two faults: the earlier sibling's comes first",
            '["\\ud800",{"b":1,"b":2}]',
            "lone-surrogate",
            "/0",
        ),
        ("duplicate-empty-name", "The empty name is a name", '{"":1,"":2}', twice, "/"),
        ("proto", "A member that could reach behind an object", '{"__proto__":{"issuer":"x"}}', "proto", "/__proto__"),
        ("proto-escaped", "The same, escaped", '{"a":{"__pr\\u006fto__":1}}', "proto", "/a/__proto__"),
    ):
        yield refuses(f"strict-{name}", about, FN, _given(text), code, where)


def _text() -> Iterator[Case]:
    for name, about, text, where in (
        ("high", "Half a character at the end", '{"a":"x\\ud83c"}', "/a"),
        ("low", "The other half alone", '["\\udf45"]', "/0"),
        ("halves-reversed", "Two halves in the wrong order", '"\\udf45\\ud83c"', ""),
        ("in-a-name", "A name that is not text", '{"a":{"\\ud800":1}}', "/a"),
    ):
        yield refuses(f"strict-lone-surrogate-{name}", about, FN, _given(text), "lone-surrogate", where)
    for name, about, data, code in (
        ("surrogate-as-utf8", "A surrogate encoded in three bytes", b'"\xed\xa0\x80"', "not-utf8"),
        ("overlong-utf8", "A slash in two bytes", b'"\xc0\xaf"', "not-utf8"),
        ("cut-utf8", "A character that is cut", b'"\xe6\xba', "not-utf8"),
        ("past-unicode", "Beyond U+10FFFF", b'"\xf4\x90\x80\x80"', "not-utf8"),
        ("utf16", "Another encoding", "\ufeff{}".encode("utf-16-le"), "not-utf8"),
        ("bom", "A byte order mark", "\ufeff{}".encode(), "bom"),
    ):
        yield refuses(f"strict-{name}", about, FN, _given(data), code)


def _numbers() -> Iterator[Case]:
    own = {
        "2-53": "9007199254740992", "2-53-plus-1": "9007199254740993", "decimal": "1.5", "decimal-zero": "1.0",
        "exponent": "1e2", "negative": "-1", "minus-zero": "-0",
    }  # fmt: skip
    for name, spelling in own.items():
        about = "In our own kinds a number is an integer 0 to 2^53-1; all else is a string"
        yield refuses(f"strict-own-number-{name}", about, FN, _given(f'{{"a":{spelling}}}', own=True), "bad-number", "/a")
    for name, about, spelling in (
        ("65-characters", "A spelling that only serves to exhaust a parser", "1" * 65),
        ("exponent-401", "Beyond ten to the 400th", "1e401"),
        ("exponent-minus-401", "Below ten to the minus 400th", "1.5e-401"),
        ("exponent-astronomic", "An exponent no decimal type holds", "1e9999999999999999999"),
        ("zero-with-exponent-999", "Nothing, at length", "0e999"),
    ):
        yield refuses(f"strict-number-{name}", about, FN, _given(f"[{spelling}]"), "bad-number")


def _syntax() -> Iterator[Case]:
    wrong = {
        "nan": "[NaN]",
        "infinity": "[Infinity]",
        "minus-infinity": "[-Infinity]",
        "leading-zero": "[01]",
        "plus-sign": "[+1]",
        "full-width-digits": "[\uff11]",
        "full-width-after-ascii": "[1\uff11]",
        "hexadecimal": "[0x1]",
        "bare-point": "[1.]",
        "no-whole": "[.5]",
        "trailing-comma": "[1,]",
        "trailing-comma-in-object": '{"a":1,}',
        "missing-comma": "[1 2]",
        "missing-colon": '{"a" 1}',
        "single-quotes": "{'a':1}",
        "bare-name": "{a:1}",
        "comment": "[1/*2*/]",
        "two-texts": "{} {}",
        "cut": '{"a":',
        "empty": "",
        "only-space": " ",
        "raw-line-end": '"a\nb"',
        "raw-null": '"a\0b"',
        "bad-escape": '"\\x41"',
        "short-escape": '"\\u12"',
        "no-break-space": "[\u00a01]",
        "form-feed": "[\f1]",
        "capital-true": "[True]",
        "unclosed-string": '["a]',
        "unopened": "]",
    }
    for name, text in wrong.items():
        yield refuses(f"strict-syntax-{name}", "Not JSON, though some parser takes it", FN, _given(text), "not-json")
    for name, text in (("65", "[" * 65 + "]" * 65), ("65-objects", '{"a":' * 65 + "1" + "}" * 65), ("unclosed", "[" * 5_000)):
        yield refuses(
            f"strict-depth-{name}", "A deep text must end in an error, not in a dead process", FN, _given(text), "too-deep"
        )


def _base64() -> Iterator[Case]:
    yield accepts("strict-base64url", "Unpadded, URL alphabet", "strict.b64u_decode", {"text": "_-8"}, {"hex": "ffef"})
    yield accepts("strict-base64url-empty", "Nothing is nothing", "strict.b64u_decode", {"text": ""}, {"hex": ""})
    for name, text in (
        ("trailing-bits", "_-9"), ("padded", "_-8="), ("standard-alphabet", "/+8"), ("space", "_- 8"), ("line-end", "_-8\n"),
        ("length-1-mod-4", "_-8AA"), ("full-width", "\uff21\uff21"),
    ):  # fmt: skip
        yield refuses(
            f"strict-base64url-{name}",
            "Two spellings would be two digests of one record",
            "strict.b64u_decode",
            {"text": text},
            "bad-base64",
        )
    yield accepts("strict-base64", "Padded, standard alphabet", "strict.b64_decode", {"text": "/+8="}, {"hex": "ffef"})
    for name, text in (
        ("trailing-bits", "/+9="), ("unpadded", "/+8"), ("url-alphabet", "_-8="), ("space", "/+8= "), ("line-end", "/+8=\n"),
        ("over-padded", "/+8=="), ("padding-inside", "/+8=AAAA"), ("only-padding", "===="),
    ):  # fmt: skip
        yield refuses(
            f"strict-base64-{name}",
            "Two spellings would be two notes of one text",
            "strict.b64_decode",
            {"text": text},
            "bad-base64",
        )
