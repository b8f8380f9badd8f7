"""
Prefixes under which a party may name lots, as a grant states them: one spelling each, and never one that matches nothing.

A grant is final.  With a prefix that no lot begins with, such as a bare number, every lot of the party would be "a third
party's claim" for ever.  Not here: what lies under a prefix (verify.gs1.matches_prefix), who grants it.

    9521234000013                         a GTIN of 8, 12, 13 or 14 digits       https://id.gs1.org/01/09521234000013
    9521234                               a company prefix, indicator digit 0     https://id.gs1.org/01/09521234
    https://shop.example/01/9521234000013 a Digital Link                          https://id.gs1.org/01/09521234000013
    https://farm.example/lots/            any other URI in normal form            the same

Source: protocol.md section 2; GS1 General Specifications (GTIN in 14 digits, length of company prefixes).
"""

import re

from verify import gs1
from verify.errors import Malformed

PRODUCTS = f"{gs1.HOST}/01/"
_COMPANY = range(6, 13)  # digits of a company prefix; three name a country, and with it everybody there
_GTIN = (8, 12, 13, 14)
_SHORTEST = 12  # characters; verify.authority takes no shorter one
_PARTIAL = re.compile(r"https?://id\.gs1\.org/01/([0-9]{1,13})", re.IGNORECASE)
_LIKE_GS1 = re.compile(r"https?://[^/]+/(?:.*/)?01/[0-9]+(?:/.*)?", re.IGNORECASE)
FORM = "a GTIN, or a prefix as https://id.gs1.org/01/09521234 / 应为 GTIN 或前缀 URI"


class NoPrefix(ValueError):
    """No lot could be named under this, or it could mean two things."""


def mint_prefix(text: str) -> str:
    """The canonical prefix that `text` means.  Raises NoPrefix, with a sentence."""
    said = text.strip()
    if re.fullmatch("[0-9]+", said):
        return _number(said)
    if found := _PARTIAL.fullmatch(said.rstrip("/")):
        return _digits(found[1])
    return _uri(said)


def check_mint_prefix(prefix: object) -> None:
    """Refuse what is not a prefix in canonical form: as it is granted, readers compare it.  Raises NoPrefix."""
    meant = mint_prefix(prefix if isinstance(prefix, str) else "")
    if meant != prefix:
        raise NoPrefix(f"{prefix} is not in its canonical form, {meant} / 不是规范形式,应为 {meant}")


def _number(digits: str) -> str:
    if len(digits) in _GTIN:
        if not _is_gtin(digits):
            # Eight and twelve digits may also be a company's: guessed wrong, the grant would be for nothing.
            company = f"; a company prefix is {PRODUCTS}0{digits} / 厂商识别代码请写成 URI" if len(digits) in _COMPANY else ""
            raise NoPrefix(f"{digits}: the check digit of this GTIN is wrong / GTIN 校验位有误{company}")
        return PRODUCTS + digits.rjust(14, "0")
    if len(digits) in _COMPANY:
        return f"{PRODUCTS}0{digits}"
    raise NoPrefix(f"{digits}: {FORM}")


def _digits(digits: str) -> str:
    """What fewer than 14 digits on GS1's own host mean: the leading digits of GTINs, or a GTIN that was not filled up."""
    if len(digits) - 1 not in _COMPANY:
        raise NoPrefix(f"{digits}: too short for one company: {FORM} / 位数过少,不能只代表一家企业")
    if len(digits) not in _GTIN or (digits[0] == "0" and (len(digits) == 8 or not _is_gtin(digits))):
        return PRODUCTS + digits
    if digits[0] == "0":
        raise NoPrefix(f"{digits} may be a GTIN or leading digits of many: write all 14 digits / 含义不明:请写全 14 位数字")
    return _number(digits)


def _uri(said: str) -> str:
    try:
        if gs1.read(said.rstrip("/")) is not None:
            return _canonical(said.rstrip("/"))
        if said.startswith("urn:epc:"):
            # A whole EPC has become a Digital Link above; what is left of one begins no lot, since lots are canonical.
            raise NoPrefix(f"{said}: lots are named {PRODUCTS}…, none begins with urn:epc: / 批次以 {PRODUCTS} 开头; {FORM}")
        if not _LIKE_GS1.fullmatch(said) and len(said) >= _SHORTEST and gs1.matches_prefix(said, said):
            return gs1.canonical_uri(said)
    except Malformed as error:
        raise NoPrefix(f"{said or '(empty)'}: {error.message}; {FORM}") from None
    raise NoPrefix(f"{said}: no GTIN with a right check digit in it; {FORM}")


def _canonical(link: str) -> str:
    uri = gs1.canonical_uri(link)
    if gs1.level(uri) == "item":
        raise NoPrefix(f"{link} names one item: {FORM} / 这是单件商品")
    return uri


def _is_gtin(digits: str) -> bool:
    return gs1.check_digit(digits[:-1]) == digits[-1]
