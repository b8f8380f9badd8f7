"""GS1 identifiers and the canonical URI: one spelling per subject, so that one SHA-256 finds every statement about it.
A Digital Link is recognised by its right-most key and its check digit; any other URI must come normalised and stays as it is;
all else raises Malformed (`bad-check-digit`, `bad-uri`).  No URL library is asked: they repair what they read.  Source:
protocol.md section 1; GS1 Digital Link URI syntax; gs1-syntax-dictionary; EPC Tag Data Standard 6.3; CBV 2.0."""
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote
from .errors import Malformed, need

HOST, MAX_URI = "https://id.gs1.org", 1_024  # characters; GS1's longest has 100, and no index or memory holds more
_X = "[!\"%&'()*+,./0-9:;<=>?A-Z_a-z-]"  # GS1's 82 characters (General Specifications, figure 7.11-1)
_FREE, _OWN = _X + "{1,20}", "[0-9]{4}" + _X + "{0,26}"  # four leading digits: the shortest company prefix

# AI -> format, and how many characters its check digit closes.
_VALUES: Mapping[str, tuple[str, int]] = {
    "00": ("[0-9]{18}", 18), "01": ("[0-9]{14}", 14), "10": (_FREE, 0), "21": (_FREE, 0), "22": (_FREE, 0),
    "235": (_X + "{1,28}", 0), "253": ("[0-9]{13}" + _X + "{0,17}", 13), "254": (_FREE, 0), "255": ("[0-9]{13,25}", 13),
    "401": (_OWN, 0), "402": ("[0-9]{17}", 17), "414": ("[0-9]{13}", 13), "417": ("[0-9]{13}", 13),
    "7040": ("[0-9]" + _X + "{2}[0-9A-Z_a-z-]", 0), "8003": ("0[0-9]{13}" + _X + "{0,16}", 14), "8004": (_OWN, 0),
    "8006": ("[0-9]{18}", 14), "8010": ("[0-9]{4}[#/0-9A-Z-]{0,26}", 0), "8011": ("0|[1-9][0-9]{0,11}", 0),
    "8017": ("[0-9]{18}", 18), "8018": ("[0-9]{18}", 18), "8019": ("[0-9]{1,10}", 0),
}
# Primary key -> the orders in which its qualifiers may follow, as `dlpkey` of the dictionary writes them.
_KEYS = {key: [order.split(",") for order in orders.split("|")] for key, orders in {
    "00": "", "253": "", "255": "", "401": "", "402": "", "8003": "", "01": "22,10,21|235", "414": "254|7040", "417": "7040",
    "8004": "7040", "8006": "22,10,21", "8010": "8011", "8017": "8019", "8018": "8019",
}.items()}
# The finest qualifiers, each a subject of its own.  22, 7040 and 8019 identify nothing further and are dropped.
_FINEST = ("21", "235", "10", "254", "8011")
# The old alphabetic names of AIs: still met in foreign events, refused on labels.
_ALPHAS: Mapping[str, str] = {
    "sscc": "00", "gtin": "01", "lot": "10", "ser": "21", "cpv": "22", "tpx": "235", "gdti": "253", "glnx": "254", "gcn": "255",
    "ginc": "401", "gsin": "402", "gln": "414", "party": "417", "grai": "8003", "giai": "8004", "itip": "8006", "cpid": "8010",
    "cpsn": "8011", "gsrnp": "8017", "gsrn": "8018", "srin": "8019",
}
# EPC scheme -> AI, digits of company prefix and reference together (0: free text), number of parts, and what the last
# part is: the AI of a qualifier, "+" for a serial that belongs to the value itself, "" for none.
_SCHEMES: Mapping[str, tuple[str, int, int, str]] = {
    "sgtin": ("01", 13, 3, "21"), "lgtin": ("01", 13, 3, "10"), "upui": ("01", 13, 3, "235"), "itip": ("8006", 13, 5, "21"),
    "sscc": ("00", 17, 2, ""), "sgln": ("414", 12, 3, "254"), "pgln": ("417", 12, 2, ""), "grai": ("8003", 12, 3, "+"),
    "gdti": ("253", 12, 3, "+"), "sgcn": ("255", 12, 3, "+"), "gsrn": ("8018", 17, 2, ""), "gsrnp": ("8017", 17, 2, ""),
    "gsin": ("402", 16, 2, ""), "giai": ("8004", 0, 2, ""), "ginc": ("401", 0, 2, ""), "cpi": ("8010", 0, 3, "8011"),
}
_LEVELS: Mapping[str, str] = {
    "00": "sscc", "01": "product", "8006": "product", "414": "place", "254": "place", "417": "party", "8003": "asset",
    "8004": "asset", "21": "item", "235": "item", "10": "lot",
}
_URI = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986, appendix A
_WEB = re.compile(r"(?:https?|HTTPS?)://([A-Za-z0-9.:\[\]-]+)(|/[^?#]*)(?:\?([^#]*))?(?:#.*)?")
_EPC = re.compile(r"urn:epc:(id|class|idpat):([a-z]+):(.*)")
_TRIPLET = re.compile("%([0-9A-Fa-f]{2})")
_AUTHORITY = r"//(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?(?:[/?#].*)?"
_NORMAL = re.compile(rf"https?:{_AUTHORITY}|urn:[a-z0-9][a-z0-9-]{{0,31}}:[^?#].*"
                     rf"|(?!https?:|urn:)[a-z][a-z0-9+.-]*:(?:{_AUTHORITY}|(?!//).+)")
# A default port; a dot segment; a triplet in lower case, without hex, or for a character that needs none (%2E is ".").
_ODD = re.compile(r"^(?:http://[^/?#]*:80|https://[^/?#]*:443)(?![0-9])|^[^?#]*/\.\.?(?:[/?#]|$)"
                  r"|%(?![0-9A-F]{2})|%(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])")

@dataclass(frozen=True, slots=True)
class DigitalLink:
    """A GS1 key (its AI, "01") and its qualifiers in the table's order; values decoded, format and check digit good."""
    key: str
    value: str
    qualifiers: tuple[tuple[str, str], ...] = ()

    @property
    def parts(self) -> Mapping[str, str]:
        """Every value by its AI: "01" is the GTIN, "10" the lot, "21" the serial."""
        return {self.key: self.value, **dict(self.qualifiers)}

    def uris(self) -> list[str]:
        """The canonical URIs it names, the finest first: item and lot where it has 21 and 10, else one."""
        base = f"{HOST}/{self.key}/{quote(self.value, safe='')}"
        named = {ai: value for ai, value in self.qualifiers if (ai, value) != ("254", "0")}  # EPC: "0" is no extension
        return [f"{base}/{ai}/{quote(named[ai], safe='')}" for ai in _FINEST if ai in named] or [base]

@lru_cache(maxsize=4_096)
def check_digit(digits: str) -> str:
    """Compute GS1's check digit over ASCII digits, the right-most weighing 3.  Source: General Specifications 7.9.1."""
    return str(-sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits))) % 10)

def canonical_uri(text: object) -> str:
    """Return the one spelling under which the subject `text` is logged; an item before its lot.  Raises Malformed."""
    return _subjects(text if isinstance(text, str) else "")[0]

def subjects_of_uri(text: object) -> list[str]:
    """Return every canonical URI that `text` names: item and lot where it has both, else one.  Raises Malformed."""
    return list(_subjects(text if isinstance(text, str) else ""))

@lru_cache(maxsize=4_096)
def _subjects(text: str) -> tuple[str, ...]:
    link = read(text)
    return tuple(link.uris()) if link else (text,)

@lru_cache(maxsize=4_096)
def read(text: str) -> DigitalLink | None:
    """Read a GS1 key in any notation (EPC URN; link with short GTIN, alphabetic AIs), None for any other URI."""
    need(_URI.fullmatch(text), "not a URI in ASCII", "bad-uri")
    need(len(text) <= MAX_URI, f"an identifier has at most {MAX_URI} characters", "uri-too-long")
    try:
        if web := _WEB.fullmatch(text):
            return _read_path(web[2], _ALPHAS, short_gtin=True)
        if urn := _EPC.fullmatch(text):
            return _read_epc(*urn.groups())
    except Malformed:
        # Elsewhere a path may hold "/01/" by chance, and old EPCs of wrong length are about; GS1's own host means it.
        if web and web[1].lower().split(":")[0].rstrip(".") == "id.gs1.org":
            raise
    need(_NORMAL.fullmatch(text) and not _ODD.search(text), "neither a GS1 identifier nor a URI in normal form", "bad-uri")
    return None

def parse_label(text: str, *, short_gtin: bool = False) -> DigitalLink:
    """Parse the Digital Link of a label as GS1's own engine (dl.c) does: numeric AIs only, attributes of the table checked."""
    web = _WEB.fullmatch(text) if _URI.fullmatch(text) else None
    if web is None:
        raise Malformed("not a Digital Link", "bad-uri")
    link = _read_path(web[2], {}, short_gtin)
    seen = {link.key, *(path := {ai for ai, _ in link.qualifiers})}
    for ai, raw in re.findall("(?:^|&)([0-9]+)=([^&]*)", web[3] or ""):
        value = _decode(ai, raw, short_gtin)
        need(ai not in seen and value, f"the attribute ({ai}) is empty or repeated", "bad-uri")
        seen.add(ai)
        if ai in _VALUES:
            _check_value(ai, value)
            belongs = ai != "10" or any({ai, *path} <= set(order) for order in _KEYS[link.key])
            need(ai in _KEYS or not belongs, f"({ai}) belongs in the path", "bad-uri")
    return link

def lot_uri(gtin: str, lot: str) -> str:
    """The canonical URI of a lot; `gtin` has 14 digits.  Raises Malformed."""
    return _link(("01", gtin), ("10", lot)).uris()[0]

def product_of(uri: str) -> str | None:
    """The canonical URI of the product of an item or lot, None for other subjects.  Raises Malformed."""
    return f"{HOST}/01/{link.value}" if (link := read(uri)) and link.key == "01" else None

def level(uri: str) -> str:
    """Name what a URI stands for: item, lot, product, sscc, place, party, asset or other.  Raises Malformed."""
    if (link := read(uri)) is None:
        return "place" if uri.startswith("geo:") else "other"
    return _LEVELS.get(link.uris()[0].split("/")[-2], "other")

def matches_prefix(uri: str, prefix: str) -> bool:
    """Whether a canonical URI lies in the scope of a prefix, which ends where one of the URI's segments ends."""
    if not uri.startswith(prefix) or re.fullmatch("(https?:?/*)?", prefix):
        return False
    rest, ends = uri[len(prefix) :], "/?#" if prefix.startswith("http") else ":/?#"
    # Only leading digits of a GS1 key, https://id.gs1.org/01/0952, may end earlier: that is what a company prefix is.
    key = re.fullmatch(re.escape(HOST) + "/([0-9]+)/([0-9]+)", prefix)
    open_end = key is not None and key[1] in _KEYS and _VALUES[key[1]][0] != f"[0-9]{{{len(key[2])}}}"
    return open_end or not rest or rest[0] in ends or prefix[-1] in ends

def _decode(ai: str, raw: str, short_gtin: bool = False) -> str:
    need("%" not in _TRIPLET.sub("", raw), "a broken percent triplet", "bad-uri")
    value = _TRIPLET.sub(lambda triplet: chr(int(triplet[1], 16)), raw)
    return value.rjust(14, "0") if short_gtin and ai == "01" and len(value) in (8, 12, 13) else value

def _read_path(path: str, names: Mapping[str, str], short_gtin: bool) -> DigitalLink:
    parts = path.split("/")
    pairs: list[tuple[str, str]] = []
    # From the right: what stands before the right-most key is the host's own; no key has more than three qualifiers.
    for at in range(len(parts) - 2, max(0, len(parts) - 9), -2):
        ai = names.get(parts[at], parts[at])
        if ai not in _VALUES:
            break
        pairs.insert(0, (ai, _decode(ai, parts[at + 1], short_gtin)))
        if ai in _KEYS:
            return _link(*pairs)
    raise Malformed("no GS1 key in the path", "bad-uri")

def _link(key: tuple[str, str], *qualifiers: tuple[str, str]) -> DigitalLink:
    for ai, value in (key, *qualifiers):
        _check_value(ai, value)
    named = [ai for ai, _ in qualifiers]
    is_ordered = any(named == [ai for ai in order if ai in named] for order in _KEYS[key[0]])
    need(is_ordered, f"the qualifiers of ({key[0]}) are unknown or not in order", "bad-uri")
    return DigitalLink(*key, qualifiers)

def _check_value(ai: str, value: str) -> None:
    pattern, closed = _VALUES[ai]
    fits = re.fullmatch(pattern, value) and (ai != "8006" or "00" < value[14:16] <= value[16:])
    need(fits, f"({ai}) does not have the format of that identifier", "bad-uri")
    fits = not closed or check_digit(value[: closed - 1]) == value[closed - 1]
    need(fits, f"the check digit of ({ai}) {value[:closed]} is wrong", "bad-check-digit")

def _read_epc(space: str, scheme: str, body: str) -> DigitalLink:
    key, digits, count, tail = _SCHEMES.get(scheme, ("", 0, 0, ""))
    prefix, *parts = body.split(".", count - 1)
    pattern = space != "id" and tail != "" and parts[-1:] == ["*"]  # stands for its class
    right_space = space != ("id" if tail == "10" else "class") and (space != "idpat" or pattern)
    need(len(parts) == count - 1 and re.fullmatch("[0-9]{6,12}", prefix) and right_space, f"not an EPC: {scheme}", "bad-uri")
    value = prefix + _decode(key, parts[0])
    if digits:
        if key in ("00", "01", "8006"):  # extension or indicator digit goes before the company prefix
            value = parts[0][:1] + prefix + parts[0][1:]
        need(re.fullmatch(f"[0-9]{{{digits}}}", value), f"{scheme} has {digits} digits", "bad-uri")
        value = "0" * (key == "8003") + value + check_digit(value) + "".join(parts[1 : count - 2])
    if pattern or not tail:
        return _link((key, value))
    serial = _decode(tail, parts[-1])
    return _link((key, value + serial)) if tail == "+" else _link((key, value), (tail, serial))
