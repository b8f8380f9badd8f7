"""
Refusals: why the log did not take a statement, and the one table that turns each reason into an answer.

    Refused               this statement, for this reason, at this place; nothing was stored
    Fatal                 the log's own state is not what it must be: stop, reload, verify, go on (sequencer.py)

A code that is not in the table is a fault in the statement's format (FORMAT).  The sentence for people comes with the
refusal (`detail`); the title here is the same for every refusal of one code.

Source: RFC 9457; interface.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from producers.epcis.problems import EventRefused
from verify.errors import VerificationError


@dataclass(frozen=True, slots=True)
class Reason:
    """HTTP status and title of a code."""

    status: int
    en: str
    zh: str


FORMAT = Reason(400, "The statement is not in the one format it may have", "声明格式不符合规定")
_KEY = "The key may not sign for this party here"
_KEY_ZH = "此密钥不能在此代表该主体签名"
_SAY = "The issuer may not say this"
_SAY_ZH = "签发者无权作此声明"

REASONS: Mapping[str, Reason] = {
    # Size and load.  Both come with Retry-After where trying again helps.
    "too-large": Reason(413, "The statement is too large", "声明过大"),
    "too-many-subjects": Reason(413, "The statement names too many subjects: split it", "声明涉及的对象过多，请拆分"),
    "too-many-lines": Reason(413, "Too many statements in one request", "一次提交的声明过多"),
    "pool-full": Reason(503, "The log is busy: send it again later", "账本繁忙，请稍后重发"),
    "log-frozen": Reason(403, "This log takes no statements any more", "此账本已冻结，不再接收声明"),
    "key-too-often": Reason(429, "Too many statements under this key: wait a little", "此密钥提交过于频繁，请稍候"),
    "event-in-future": Reason(503, "The event lies too far in the future: send it again later", "事件时间超前过多，请稍后重发"),
    # Who signed.
    "bad-signature": Reason(401, "The signature does not verify", "签名验证失败"),
    "high-s": Reason(401, "The signature is not in its low-S form", "签名不是 low-S 形式"),
    "wrong-kid": Reason(401, "The signature names another key", "签名指向其他密钥"),
    "wrong-alg": Reason(401, "The algorithm does not belong to the key", "算法与密钥类型不符"),
    "unknown-key": Reason(403, _KEY, _KEY_ZH),
    "other-party-key": Reason(403, _KEY, _KEY_ZH),
    "revoked-key": Reason(403, "The key was revoked", "密钥已被撤销"),
    # What may be said: control kinds, in index order.
    "not-a-registrar": Reason(403, _SAY, _SAY_ZH),
    "other-registrar": Reason(403, _SAY, _SAY_ZH),
    "no-possession": Reason(403, "The new key did not sign for this party", "新密钥未为该主体签名"),
    "re-grant": Reason(409, "The key was bound to this party before", "该密钥此前已绑定该主体"),
    "foreign-log": Reason(403, "The statement was made for another log", "声明属于另一账本"),
    "second-genesis": Reason(409, "A log has one genesis", "账本只有一个创世记录"),
    "unknown-target": Reason(409, "The statement it names is not in this log", "所指声明不在此账本中"),
    "wrong-keys": Reason(409, "It does not name its target's subject keys", "所列对象键与目标不符"),
    "not-issuer": Reason(403, _SAY, _SAY_ZH),
    "not-operator": Reason(403, _SAY, _SAY_ZH),
    "not-erasable": Reason(403, "Control statements stay", "控制类声明不可删除"),
    "not-commissioner": Reason(403, _SAY, _SAY_ZH),
    "second-commitment": Reason(409, "The lot already has a label commitment", "该批次已有标签承诺"),
    "not-recall-owner": Reason(403, _SAY, _SAY_ZH),
    # What the log holds already.
    "event-id-taken": Reason(409, "The issuer has logged another event under this event ID", "该事件编号已被此签发者使用"),
    "serial-before-sale": Reason(422, "A serial stands in clear before its sale", "序列号在销售前以明文出现"),
    "uri-too-long": Reason(413, "An identifier is too long", "标识符过长"),
    "rolled-back": Reason(409, "Another statement of the same request was refused", "同一请求中另有声明被拒"),
    # Events.
    "not-an-event": Reason(422, "Not one EPCIS event", "不是单个 EPCIS 事件"),
    "wrong-value": Reason(422, "The event does not follow EPCIS 2.0", "事件不符合 EPCIS 2.0"),
    "bad-event": Reason(422, "The event does not follow EPCIS 2.0", "事件不符合 EPCIS 2.0"),
    "bad-quantity": Reason(422, "A quantity cannot be right", "数量有误"),
    "bad-declaration": Reason(422, "The error declaration contradicts itself", "错误声明自相矛盾"),
    "bad-check-digit": Reason(422, "A check digit is wrong", "校验码错误"),
    "bad-uri": Reason(422, "An identifier is not in its one form", "标识符格式不规范"),
}  # fmt: skip


class Refused(Exception):
    """
    A statement that the log does not take.

    `code` for machines, `where` a JSON pointer (/header/…, /issuer, /credentialSubject/…), `retry_after_s` where the
    same bytes may be good later.
    """

    def __init__(
        self, code: str, detail: str, *, where: str | None = None, retry_after_s: int | None = None, link: str | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where
        self.retry_after_s = retry_after_s
        self.link = link
        """Where a statement that is not taken here may go instead: a frozen log's successor."""

    @property
    def reason(self) -> Reason:
        """Status and title."""
        return REASONS.get(self.code, FORMAT)

    @classmethod
    def of(cls, error: VerificationError, under: str = "") -> "Refused":
        """The refusal that a failed check means; `under` is put before its pointer."""
        return cls(error.code, error.message, where=None if error.where is None else under + error.where)

    @classmethod
    def of_event(cls, error: EventRefused, under: str, retry_after_s: int) -> "Refused":
        """The refusal of an event, at its first problem; only `event-in-future` asks to come back."""
        first = error.problems[0]
        later = retry_after_s if first.code == "event-in-future" else None
        return cls(first.code, str(error), where=under + first.pointer, retry_after_s=later)

    def as_json(self) -> dict[str, Any]:
        """The form that the pool keeps; `from_json` reads it."""
        return {"code": self.code, "detail": self.detail, "where": self.where, "retry_after_s": self.retry_after_s,
                "link": self.link}  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Refused":
        """Read what `as_json` printed."""
        more = {"where": value["where"], "retry_after_s": value["retry_after_s"], "link": value.get("link")}
        return cls(value["code"], value["detail"], **more)


class Fatal(Exception):
    """The log's own state is not what it must be.  Nothing may be sequenced until a reload has verified it."""
