"""
One page, one response: the verifier's modules in one script, the data beside it, and the policy that lets nothing else run.

Modules are put together in order; only comments, `import` lines and the word `export` are taken out, so what runs is what
an auditor reads.  The script never changes from page to page: its hash is a constant of the release.  Data stands in
`<script type="application/json">` with `<` escaped, which no browser executes.

    python -m verify.web.inline OUT.html [en|zh]     the page as a file that anyone can host

Source: CSP Level 3, section 6.7.3; architecture.md, "Rules that are easy to miss".
"""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import cast

MODULES = ("bytes", "strict", "merkle", "note", "policy", "gs1", "statement", "subjects", "authority", "edges", "answer",
           "bundle", "anchor", "verifier", "page")  # fmt: skip
HERE = Path(__file__).parent
# Where the words stand that a page needs before it runs.
QUESTIONS = ("record", "item", "recall")
COLUMNS = ("when", "who", "what", "where")


@lru_cache(maxsize=1)
def script() -> str:
    """The whole verifier as one inline module."""
    return "\n".join(_strip((HERE / f"{name}.js").read_text("utf-8")) for name in MODULES)


def _strip(source: str) -> str:
    source = re.sub(r"^[ ]*/\*.*?\*/\n", "", source, flags=re.S | re.M)
    source = re.sub(r"^[ ]*//[^\n]*\n", "", source, flags=re.M)
    source = re.sub(r"^import \{[^}]*\} from \"[^\"]+\";\n", "", source, flags=re.M)
    return re.sub(r"^export ", "", source, flags=re.M).strip().replace("\n\n", "\n")


@lru_cache(maxsize=1)
def style() -> str:
    """The page's one style sheet."""
    return (HERE / "page.css").read_text("utf-8").strip()


def csp_hash(text: str) -> str:
    """The CSP source expression for an inline text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def csp(rpc: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of a page that may talk to itself and to these RPC addresses, and runs one script."""
    connect = " ".join(["'self'", *sorted({url for url in rpc if url.startswith("http")})])
    return (
        f"default-src 'none'; script-src {csp_hash(script())}; style-src {csp_hash(style())}; connect-src {connect}; "
        "img-src data:; base-uri 'none'; form-action 'self'"
    )


def _data(name: str, text: str) -> str:
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>'


def _page(lang: str, words: Mapping[str, str], title: str, body: str, data: str) -> str:
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{style()}</style></head><body>{body}'
        f'{_data("words", json.dumps(dict(words), ensure_ascii=False, separators=(",", ":")))}{data}'
        f'<script type="module">{script()}</script></body></html>'
    )


def _answers(words: Mapping[str, str]) -> str:
    lines = "".join(
        f'<li class="answer" id="answer-{name}">{escape(words["question." + name])} <b>{escape(words["checking"])}</b></li>'
        for name in QUESTIONS
    )
    return (
        f'<section id="recall" role="alert" hidden><h2>{escape(words["recall-heading"])}</h2><p></p></section>'
        f'<ul class="answers" role="status" aria-live="polite">{lines}</ul><p id="because"></p><p id="anchored"></p>'
        f'<details><summary>{escape(words["how"])}</summary><ol id="steps"></ol></details>'
    )


def scan_page(
    *, bundle_json: str, lang: str, messages: Mapping[str, str], policy: str, summary: Mapping[str, object], rpc: Sequence[str],
    label: str | None = None, banner: str | None = None,
) -> tuple[str, str]:  # fmt: skip
    """
    The page of one scan, and its CSP.  `summary` is the operator's own reading, shown while the phone checks: `product`,
    `farm`, `dates` (texts) and `journey` (rows of index, when, who, what, where).
    """
    rows = "".join(
        f'<tr data-index="{int(row["index"])}">' + "".join(f"<td>{escape(str(row[name]))}</td>" for name in COLUMNS) + "</tr>"
        for row in cast(Sequence[Mapping[str, str]], summary["journey"])
    )
    facts = "".join(f"<dt>{escape(messages[name])}</dt><dd>{escape(str(summary[name]))}</dd>" for name in ("farm", "dates"))
    heads = "".join(f'<th scope="col">{escape(messages[name])}</th>' for name in COLUMNS)
    other = "en" if lang == "zh" else "zh"
    body = (
        f'<header><strong>源印 Originmark</strong><a href="?lang={other}" lang="{other}">{escape(messages["other-language"])}</a>'
        + "</header><main>"
        + (f'<p class="banner">{escape(banner)}</p>' if banner else "")
        + f'<h1>{escape(str(summary["product"]))}</h1><dl>{facts}</dl>{_answers(messages)}'
        + f'<table><caption>{escape(messages["journey"])}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        + "</main>"
        + f'<footer><p>{escape(messages["trust"])} <a href="?format=bundle">{escape(messages["bundle-link"])}</a> '
        + '<a href="/log/policy">policy</a></p></footer>'
    )
    config = {"rpc": list(rpc)} | ({"label": label} if label else {})
    data = _data("bundle", bundle_json) + _data("policy", json.dumps(policy)) + _data("config", json.dumps(config))
    return _page(lang, messages, f"{summary['product']} · 源印", body, data), csp(rpc)


def standalone_page(lang: str, messages: Mapping[str, str]) -> str:
    """The same verifier as a file: the reader brings bundle, policy, label and RPC."""
    fields = "".join(
        f'<p><label for="{name}">{escape(messages["paste-" + name])}</label><textarea id="{name}" name="{name}"></textarea>'
        f'<label for="{name}-file">{escape(messages["file"])}</label><input type="file" id="{name}-file"></p>'
        for name in ("bundle", "policy")
    ) + "".join(
        f'<p><label for="{name}">{escape(messages["paste-" + name])}</label><input id="{name}" name="{name}"></p>'
        for name in ("label", "rpc")
    )
    form = f'<form id="given">{fields}<button>{escape(messages["paste-check"])}</button></form>'
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(csp(["https:", "http:"]))}">'
    body = f'<main><h1>{escape(messages["paste-title"])}</h1>{form}{_answers(messages)}</main>'
    return _page(lang, messages, messages["paste-title"], body, "").replace("<link rel", meta + "<link rel", 1)


def words(lang: str) -> dict[str, str]:
    """The table of messages that the command line uses too."""
    table: dict[str, str] = json.loads((HERE.parent / "messages" / f"{lang}.json").read_text("utf-8"))
    return table


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "en"
    Path(sys.argv[1]).write_text(standalone_page(chosen, words(chosen)), "utf-8")
    print(csp_hash(script()))
