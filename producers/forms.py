"""
Records of the kinds that are no event, from a JSON file that somebody wrote: every fault has its place.

    read_form(kind, text)    the value of kinds.py; members in camel case, as docs/records.md shows them

Not here: what the values mean (kinds.py), whether the issuer may say it (the log's readers).

Source: protocol.md section 1; RFC 6901 (JSON pointer).
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_args, get_origin
from uuid import uuid4

from producers.epcis.text import parse
from producers.kinds import Certificate, CommitmentCertificate, LabReport, MasterData, Subject, member
from verify.errors import Malformed

FORMS: Mapping[str, type[Subject]] = {one.kind: one for one in (MasterData, Certificate, CommitmentCertificate, LabReport)}
_NAMED: Mapping[type, str] = {str: "a text / 文本", int: "a whole number / 整数", list: "a list / 列表", dict: "an object / 对象"}


def read_form(kind: str, text: str | bytes) -> Subject:
    """
    Read the subject of a record of `kind`, a key of FORMS.  A paper without an `id` gets a new one.

    Raises Malformed with the JSON pointer: not JSON, a member that is missing, unknown or of another type.
    """
    body = parse(text)
    if kind != "MasterData" and isinstance(body, dict):
        body = {"id": f"urn:uuid:{uuid4()}", **body}
    found: Subject = _build(FORMS[kind], body, "")
    return found


def _build(form: type, body: object, where: str) -> Any:
    told = _typed(body, dict, where)
    known = {member(one.name): one for one in fields(form) if one.name != "more"}
    more = {name: value for name, value in told.items() if name not in known}
    if more and form is not MasterData:  # whose owner may describe it as he likes
        place = f"{where}/{next(iter(more))}"
        raise Malformed(f"no such member; there are {', '.join(known)} / 没有此项", "unknown-member", place)
    given = {one.name: _value(one.type, told[name], f"{where}/{name}") for name, one in known.items() if name in told}
    for name, one in known.items():
        if one.name not in given and _is_needed(one):
            raise Malformed("is missing / 缺少此项", "missing-member", f"{where}/{name}")
    return form(**given, **({"more": more} if more else {}))


def _is_needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _value(wanted: Any, value: object, where: str) -> object:
    if isinstance(wanted, types.UnionType):  # what may be absent
        wanted = next(one for one in get_args(wanted) if one is not types.NoneType)
    if is_dataclass(wanted):
        return _build(wanted, value, where)  # type: ignore[arg-type]
    base = get_origin(wanted) or wanted
    if base is Sequence:
        (inner,) = get_args(wanted)
        return [_value(inner, one, f"{where}/{at}") for at, one in enumerate(_typed(value, list, where))]
    if base is Mapping:
        inner = get_args(wanted)[1]
        return {name: value if inner is object else _value(inner, value, f"{where}/{name}")
                for name, value in _typed(value, dict, where).items()}  # fmt: skip
    return _typed(value, base, where)


def _typed(value: object, kind: type, where: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Malformed(f"{_NAMED[kind]} was expected / 类型不符", "wrong-type", where)
    return value
