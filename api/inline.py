"""
The verifier's modules as two inline scripts, and the Content-Security-Policy that lets nothing else run.

Modules are put together in order.  Only comments, indentation, `import` lines, the word `export` and whole functions that
the page never names are taken out, so what runs is what an auditor reads.  The first script makes the proof and stands in
the page before the rest; a whole function that only the rest needs stands with the rest.  Neither script changes from page
to page: their hashes are constants of the release.  Both are classic scripts, which run where they stand and share their names.

Source: CSP Level 3, section 6.7.3; DECISIONS.md no. 14.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import verify

PROOF = ("bytes", "strict", "merkle", "note", "policy", "statement", "bundle", "proof", "first")
"""What makes the proof, and shows that it holds."""
REST = ("gs1", "subjects", "authority", "edges", "answer", "anchor", "verifier", "page")
BREAKS = "h1,dd{overflow-wrap:anywhere}"
"""Whatever nobody named has its URI for a title, or for its farm, which would make a phone's page twice as wide as the phone."""
PASTING = "paste"
"""The file that anyone can host takes the reader's own bundle and policy."""
WEB = Path(verify.__file__).parent / "web"
# A declaration that may be moved or left out: its line, and those after it that are indented or close what it opened.
_DECLARED = re.compile(
    r"^(?:export (?:async )?(?:function|const|class)|(?:async )?function) (\w+).*\n(?:[ })\]].*\n|\n(?= ))*", re.M
)


@dataclass(frozen=True, slots=True)
class Inlined:
    """The texts that stand in a page: its style sheet, and the two scripts in their order."""

    style: str
    proof: str
    rest: str

    def csp(self, rpc: Sequence[str] = ()) -> str:
        """The policy of a page that holds these and may talk to itself and to these RPC addresses."""
        connect = " ".join(["'self'", *sorted({url for url in rpc if url.startswith("http")})])
        return (
            f"default-src 'none'; script-src {csp_hash(self.proof)} {csp_hash(self.rest)}; style-src {csp_hash(self.style)}; "
            f"connect-src {connect}; img-src data:; base-uri 'none'; form-action 'self'"
        )


@lru_cache(maxsize=2)
def inlined(*, pasting: bool = False) -> Inlined:
    """The whole verifier; `pasting` adds the form for a reader's own bundle."""
    proof, rest = _joined(PROOF), _joined((*REST, PASTING) if pasting else REST)
    # The first script brings only what it names itself; the others' declarations come just before the modules that name them.
    while (moved := _unnamed(proof, proof)) is not None:
        proof, rest = proof.replace(moved, "", 1), moved + rest
    while (unused := _unnamed(rest, proof + rest)) is not None:
        rest = rest.replace(unused, "", 1)
    sheet = "".join((WEB / f"{name}.css").read_text("utf-8") for name in ("page", *([PASTING] if pasting else [])))
    bare = [re.sub(r"^(export | +|\n)", "", text, flags=re.M) for text in (proof, rest)]
    return Inlined(sheet.strip() + BREAKS, *('"use strict";\n' + text for text in bare))


def csp_hash(text: str) -> str:
    """The CSP source expression for an inline text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _joined(modules: Sequence[str]) -> str:
    return "".join(_stripped((WEB / f"{name}.js").read_text("utf-8")) for name in modules)


def _stripped(source: str) -> str:
    source = re.sub(r"^[ ]*/\*.*?\*/\n", "", source, flags=re.S | re.M)
    source = re.sub(r"^[ ]*//[^\n]*\n", "", source, flags=re.M)
    source = re.sub(r"^import \{[^}]*\} from \"[^\"]+\";\n", "", source, flags=re.M)
    return source.strip() + "\n"


def _unnamed(source: str, everywhere: str) -> str | None:
    """The last declaration in `source` that nothing else `everywhere` names."""
    found = ((one[0], one[1]) for one in reversed(list(_DECLARED.finditer(source))))
    return next((text for text, name in found if not re.search(rf"\b{name}\b", everywhere.replace(text, "", 1))), None)
