"""
The address that labels point to: refused before anything is printed, where a phone could not open what a sheet says.

    https://id.example.org          and a path, where the resolver has one
    HTTPS://ID.EXAMPLE.ORG          the same; capitals make a smaller QR code

Source: GS1 Digital Link URI syntax; RFC 3986; ISO/IEC 18004, 7.4.4 (alphanumeric mode has capitals only); RFC 6761,
6762 and 8375, ICANN's resolution of 2024-07-29 (names that no public server has).
"""

import re
from ipaddress import ip_address
from socket import inet_aton

from verify import gs1
from verify.errors import Malformed

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?P<port>:[1-9][0-9]{{0,4}})?"
_ADDRESS = re.compile(rf"(?:https?|HTTPS?)://{_HOST}(?:/[A-Za-z0-9._~-]+)*/?")
_FOREIGN = re.compile(r"https?://([^/?#:@\s]+)", re.IGNORECASE)
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")  # a host whose last label is one is an IPv4 address (WHATWG URL, host parsing)
_LOCAL = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".test", ".invalid")
FORM = "an address like https://id.example.org, without ? and # / 应为 https://id.example.org 这样的地址,不含 ? 和 #"


class NoResolver(ValueError):
    """Labels cannot point to this."""


def check_resolver(text: str) -> None:
    """Refuse an address that labels cannot point to.  Raises NoResolver, with a sentence."""
    if not text.isascii():
        raise NoResolver(f"{text}: write it in ASCII{_punycode(text)} / 请使用 ASCII 形式{_punycode(text)}")
    found = _ADDRESS.fullmatch(text)
    if found is None or (found["port"] and int(found["port"][1:]) > 65_535):
        raise NoResolver(f"{text or '(empty)'}: {FORM}")


def check_label(text: str, *, lot: str, serial: str) -> None:
    """Read a label's text back as a scanner does.  Raises NoResolver where it does not lead to this lot and serial."""
    try:
        link = gs1.parse_label(text)
    except Malformed as error:
        raise NoResolver(f"{text}: a scanner would not read this ({error.message}): {FORM}") from None
    if (link.uris()[-1], link.parts.get("21")) != (lot, serial):
        raise NoResolver(f"{text}: a scanner would read another item: {FORM}")


def is_private(text: str) -> bool:
    """Whether a shopper's phone cannot open the address, which `check_resolver` has passed: only this machine or network can."""
    found = _ADDRESS.fullmatch(text)
    host = "" if found is None else found["host"].lower()
    last = host.rpartition(".")[2]
    if host.startswith("[") or _NUMBER.fullmatch(last):
        return not _is_public(host.strip("[]"))
    return last == host or host.endswith(_LOCAL)


def _is_public(address: str) -> bool:
    try:
        # As browsers do: 0x7f.1 and 2130706433 are 127.0.0.1.
        ip = ip_address(address) if ":" in address else ip_address(inet_aton(address))
    except (ValueError, OSError):
        return False
    return ip.is_global and not ip.is_multicast


def _punycode(text: str) -> str:
    found = _FOREIGN.match(text)
    try:
        return f": {found[1].encode('idna').decode()}" if found else ""
    except UnicodeError:
        return ""
