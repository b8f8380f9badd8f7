"""
Problems: what is wrong with an event or a document, where, and in a sentence that its sender understands.

    EventRefused          one event may not be signed or logged; `code` names the first reason
    DocumentRefused       a file could not be read as EPCIS at all

A sentence is in English / 中文.  The schema's own `description` texts complete it, so that rule and explanation stay
in one place (schema.json); what verify/ says in English alone gets its Chinese here, by code.  Not here: the rules
themselves (validate.py).

Source: RFC 6901 for the pointers.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs

SHOWN = 5  # problems: a person repairs the first few, and the rest often go with them
_SCANNED = 200  # problems looked at before the deepest are chosen; a hostile event could cause thousands
_QUOTED = 60  # characters of a wrong value that are repeated to its sender
_CHINESE: Mapping[str, str] = {
    "bad-check-digit": "校验位有误", "bad-uri": "不是有效的标识", "uri-too-long": "标识过长",
    "bad-time": "时间有误", "bad-number": "数字有误", "missing-member": "缺少成员", "duplicate-member": "成员重复",
    "wrong-type": "类型有误", "proto": "成员名不可用", "lone-surrogate": "含无效字符", "bom": "开头有多余的 BOM",
    "too-large": "过大", "too-deep": "嵌套过深", "not-utf8": "不是有效的 UTF-8", "not-json": "不是有效的 JSON",
    "not-epcis": "不是 EPCIS 文档、事件或事件列表", "not-an-event": "不是事件",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    pointer: str
    """JSON pointer to the member; empty for the whole."""
    sentence: str
    """The predicate of a sentence whose subject is the pointer."""
    code: str
    """For machines and translations: `missing-member`, `bad-check-digit`, `event-in-future` ..."""
    source: str = ""
    """Name of the file that `pointer` is into; empty for an event that came alone."""

    def __str__(self) -> str:
        place = f"{self.source}#{self.pointer}" if self.source else self.pointer or "the event"
        return f"{place} {self.sentence}"

    def within(self, source: str, pointer: str) -> "Problem":
        """The same problem, seen from the file that holds the event at `pointer`."""
        return replace(self, source=source, pointer=pointer + self.pointer)


class Refused(ValueError):
    """What was given may not be used; at least one problem says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
        self.code = problems[0].code


class EventRefused(Refused):
    """The event may not be signed or logged."""


class DocumentRefused(Refused):
    """The file is not an EPCIS document that can be read."""


def in_both(sentence: str, code: str) -> str:
    """An English sentence with what its code means in Chinese."""
    return f"{sentence} / {_CHINESE.get(code, '内容有误')}"


def join(pointer: str, *names: str | int) -> str:
    """Extend a JSON pointer by member names and positions."""
    return pointer + "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)


def schema_problems(errors: Iterable[jsonschema_rs.ValidationError], schema: Mapping[str, Any]) -> list[Problem]:
    """The first few problems of a schema check, deepest first: they say most exactly what to repair."""
    found: dict[Problem, int] = {}
    for error, _ in zip(errors, range(_SCANNED), strict=False):
        for problem in _explain(error, schema):
            found.setdefault(problem, len(error.instance_path))
    return sorted(found, key=lambda problem: -found[problem])[:SHOWN]


def _explain(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]) -> list[Problem]:
    place, kind = join("", *error.instance_path), error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return [Problem(join(place, kind.property), "is missing / 缺少此成员", "missing-member")]
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return [_unknown(place, name) for name in kind.unexpected]
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.PropertyNames):
        return [_unknown(place, str(kind.error.instance))]
    found = "" if isinstance(error.instance, dict | list) else f"; found {_quote(error.instance)}"
    english, _, chinese = _description(error.schema_path, schema).partition(" / ")
    return [Problem(place, f"{english}{found} / {chinese}", "wrong-value")]


def _unknown(place: str, name: str) -> Problem:
    sentence = (
        "is not a member that belongs here; an extension carries a namespace prefix (prefix:name) / "
        "此处没有这个成员;扩展成员须带命名空间前缀(prefix:name)"
    )
    return Problem(join(place, name), sentence, "unknown-member")


def _description(path: Sequence[str | int], schema: Mapping[str, Any]) -> str:
    """The description nearest above the keyword that failed, in English / 中文."""
    node: Any = schema
    nearest = "is not as EPCIS 2.0 wants it / 不符合 EPCIS 2.0"
    for part in path:
        node = node[part]
        if isinstance(node, Mapping):
            nearest = node.get("description", nearest)
    return nearest


def _quote(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
