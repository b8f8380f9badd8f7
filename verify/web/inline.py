"""
One page, one response: the verifier's modules in one script, the data beside it, and the policy that lets nothing else run.

Modules are put together in order.  Only comments, indentation, `import` lines, the word `export` and whole functions that
the page never names are taken out, so what runs is what an auditor reads.  The script never changes from page to page: its
hash is a constant of the release.  Data stands in `<script type="application/json">` with `<` escaped, which no browser
executes.

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
PASTING = (*MODULES, "paste")
"""The file that anyone can host takes the reader's own bundle and policy."""
HERE = Path(__file__).parent
QUESTIONS = ("record", "item", "recall")
FACTS = ("farm", "dates")
# Words that stand in the page's markup; its script needs the rest.
_DRAWN = re.compile("(question|paste)[.-].*|how|journey|recall-heading|farm|dates|other-language|bundle-link|trust|checking|file")


# A declaration: its line, and those after it that are indented or close what it opened.
_EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+).*\n(?:[ })\]].*\n|\n(?= ))*", re.M)


@lru_cache(maxsize=2)
def script(modules: Sequence[str] = MODULES) -> str:
    """The whole verifier as one inline module."""
    source = "".join(_strip((HERE / f"{name}.js").read_text("utf-8")) for name in modules)
    while (unused := _unused(source)) is not None:
        source = source.replace(unused, "", 1)
    return re.sub(r"^(export | +|\n)", "", source, flags=re.M)


def _unused(source: str) -> str | None:
    """A declaration that nothing outside of it names: what only the command line or the tests need."""
    found = ((one[0], one[1]) for one in _EXPORT.finditer(source))
    return next((text for text, name in found if not re.search(rf"\b{name}\b", source.replace(text, "", 1))), None)


def _strip(source: str) -> str:
    source = re.sub(r"^[ ]*/\*.*?\*/\n", "", source, flags=re.S | re.M)
    source = re.sub(r"^[ ]*//[^\n]*\n", "", source, flags=re.M)
    source = re.sub(r"^import \{[^}]*\} from \"[^\"]+\";\n", "", source, flags=re.M)
    return source.strip() + "\n"


@lru_cache(maxsize=1)
def style() -> str:
    """The page's one style sheet."""
    return (HERE / "page.css").read_text("utf-8").strip()


def csp_hash(text: str) -> str:
    """The CSP source expression for an inline text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def csp(rpc: Sequence[str] = (), modules: Sequence[str] = MODULES) -> str:
    """The Content-Security-Policy of a page that may talk to itself and to these RPC addresses, and runs one script."""
    connect = " ".join(["'self'", *sorted({url for url in rpc if url.startswith("http")})])
    return (
        f"default-src 'none'; script-src {csp_hash(script(modules))}; style-src {csp_hash(style())}; connect-src {connect}; "
        "img-src data:; base-uri 'none'; form-action 'self'"
    )


def _data(name: str, text: str) -> str:
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _page(lang: str, words: Mapping[str, str], title: str, body: str, data: str, code: str, head: str = "") -> str:
    spoken = {name: text for name, text in words.items() if not _DRAWN.fullmatch(name)}
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head><meta charset="utf-8">{head}'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{style()}</style></head><body>{body}'
        f'{_data("words", _json(spoken))}{data}<script type="module">{code}</script></body></html>'
    )


def _answers(words: Mapping[str, str], recall: str = "") -> tuple[str, str, str]:
    """The recall notice, the three answers, and how they are known."""
    waits = f"<b>{escape(words['checking'])}</b><small></small>"
    lines = "".join(f'<li class="answer" id="answer-{name}">{escape(words["question." + name])} {waits}' for name in QUESTIONS)
    notice = (
        f'<section id="recall" role="alert"{"" if recall else " hidden"}><h2>{escape(words["recall-heading"])}</h2>'
        f"<p>{escape(recall)}</p></section>"
    )
    how = f'<details><summary>{escape(words["how"])}</summary><ol id="steps"></ol></details>'
    return notice, f'<div role="status"><ul class="answers">{lines}</ul></div>', how


def scan_page(
    *, bundle_json: str, lang: str, messages: Mapping[str, str], policy: str, summary: Mapping[str, object], rpc: Sequence[str],
    label: str | None = None, banner: str | None = None,
) -> tuple[str, str]:  # fmt: skip
    """
    The page of one scan, and its CSP.  `summary` is the operator's own reading, shown while the phone checks: `product`,
    `farm`, `dates` (texts), `journey` (rows of index, when, who, what, where) and `recall`, the text of an open recall.
    """
    rows = "".join(
        f'<li data-index="{int(row["index"])}"><b>{escape(str(row["what"]))}</b> <time>{escape(str(row["when"]))}</time>'
        f'<span>{escape(" · ".join(filter(None, (str(row["who"]), str(row["where"])))))}</span>'
        for row in cast(Sequence[Mapping[str, str]], summary["journey"])
    )
    facts = "".join(f"<dt>{escape(messages[name])}<dd>{escape(str(summary[name]))}" for name in FACTS)
    recall = str(summary.get("recall") or "")
    notice, answers, how = _answers(messages, recall)
    other, said = "en" if lang == "zh" else "zh", (banner or "").removeprefix(recall).strip()
    aside = f"<aside>{escape(said)}</aside>" if said else ""
    body = (
        f'<header><strong>源印 Originmark</strong><a href="?lang={other}" lang="{other}">{escape(messages["other-language"])}</a>'
        f'</header>{aside}<main>{notice}<h1>{escape(str(summary["product"]))}</h1><dl>{facts}</dl>{answers}'
        f'<h2>{escape(messages["journey"])}</h2><ol class="journey">{rows}</ol>{how}</main><footer>'
        f'<p>{escape(messages["trust"])}</p><p><a href="?format=bundle">{escape(messages["bundle-link"])}</a> '
        '<a href="/log/policy">policy</a></p></footer>'
    )
    config = {"rpc": list(rpc)} | ({"label": label} if label else {})
    data = _data("bundle", bundle_json) + _data("policy", json.dumps(policy)) + _data("config", json.dumps(config))
    return _page(lang, messages, f"{summary['product']} · 源印", body, data, script()), csp(rpc)


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
    form = f'<form id="given">{fields}<p><button>{escape(messages["paste-check"])}</button></p></form>'
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(csp(["https:", "http:"], PASTING))}">'
    notice, answers, how = _answers({**messages, "checking": "–"})
    title = messages["paste-title"]
    body = f"<main>{notice}<h1>{escape(title)}</h1>{form}{answers}{how}</main>"
    return _page(lang, messages, title, body, "", script(PASTING), meta)


def words(lang: str) -> dict[str, str]:
    """The table of messages that the command line uses too."""
    table: dict[str, str] = json.loads((HERE.parent / "messages" / f"{lang}.json").read_text("utf-8"))
    return table


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "en"
    Path(sys.argv[1]).write_text(standalone_page(chosen, words(chosen)), "utf-8")
    print(csp_hash(script(PASTING)))
