"""
The scan page: one response with the facts, the data and the verifier, and the same verifier as a file for anyone to host.

What the proof needs stands first, so that the phone makes it while the rest is on its way.  Data stands in
`<script type="application/json">` with `<` escaped, which no browser executes.  Not here: what the page says of a bundle
(scan.py), and the two scripts with the policy that lets nothing else run (inline.py).

Source: protocol.md section 3; architecture.md, "Rules that are easy to miss".
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import cast

from api.inline import WEB, inlined
from api.language import LANGUAGES

QUESTIONS = ("record", "item", "recall")
FACTS = ("farm", "dates")
# Words that stand in the page's markup; its script needs the rest.
_DRAWN = re.compile(
    "(question|paste)[.-].*|how|policy|no-script|journey|recall-heading|farm|dates|other-language|bundle-link|trust"
    "|waits|proved|file"
)


def scan_page(
    *, bundle_json: str, lang: str, messages: Mapping[str, str], policy: str, summary: Mapping[str, object], rpc: Sequence[str],
    subjects: Sequence[Sequence[str]] = (), label: str | None = None, banner: str | None = None,
) -> tuple[str, str]:  # fmt: skip
    """
    The page of one scan, and its CSP.  `summary` is the operator's own reading, shown while the phone checks: `product`,
    `farm`, `dates` (texts), `journey` (rows of index, when, who, what, where, mark), `papers` (rows of what, says, who, mark)
    under `papers-heading`, `erased`, and `recall`, the text of an open recall.
    `subjects` says for each record under which URIs it is filed; without it nothing is shown before the whole verdict.
    """
    facts = "".join(f"<dt>{escape(messages[name])}<dd>{escape(str(summary[name]))}" for name in FACTS)
    recall = str(summary.get("recall") or "")
    other, said = "en" if lang == "zh" else "zh", (banner or "").removeprefix(recall).strip()
    aside = f"<aside>{escape(said)}</aside>" if said else ""
    config = {"rpc": list(rpc)} | ({"label": label} if label else {}) | ({"subjects": subjects} if subjects else {})
    first = (
        f'<header><strong>源印 Originmark</strong><a href="?lang={other}" lang="{other}">{escape(messages["other-language"])}</a>'
        f"</header>{aside}<main>{_notice(messages, recall)}<h1>{escape(str(summary['product']))}</h1><dl>{facts}</dl>"
        # Where no script runs, or an old browser's breaks, this is what stays: it must be true then as well.
        f"{_answers(messages, messages['waits'])}"
        + _data("config", _json(config)) + _data("policy", _json(policy)) + _data("bundle", bundle_json)
    )  # fmt: skip
    rest = (
        f'<noscript><aside>{escape(messages["no-script"])}</aside></noscript>'
        f'<h2>{escape(messages["journey"])}</h2><ol class="journey">{_rows(summary)}</ol>{_papers(summary)}'
        f'{_how(messages)}</main><footer><p>{escape(messages["trust"])}</p><p>'
        f'<a id="save" href="?format=bundle" download="bundle.json">{escape(messages["bundle-link"])}</a> '
        f'<a href="/log/policy">{escape(messages["policy"])}</a></p></footer>'
    )
    return _page(lang, messages, f"{summary['product']} · 源印", (first, rest)), inlined().csp(rpc)


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
    csp = inlined(pasting=True).csp(["https:", "http:"])
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(csp)}">'
    title = messages["paste-title"]
    body = f"<main>{_notice(messages)}<h1>{escape(title)}</h1>{form}{_answers(messages, '–')}{_how(messages)}</main>"
    return _page(lang, messages, title, (body, ""), meta)


@lru_cache(maxsize=len(LANGUAGES))
def words(lang: str) -> Mapping[str, str]:
    """The table of messages that the command line uses too."""
    table: dict[str, str] = json.loads((WEB.parent / "messages" / f"{lang}.json").read_text("utf-8"))
    return table


def _page(lang: str, messages: Mapping[str, str], title: str, parts: tuple[str, str], meta: str = "") -> str:
    """Put a page together from what the proof needs and what follows; `meta` is the policy of a page without headers."""
    spoken = {name: text for name, text in messages.items() if not _DRAWN.fullmatch(name)}
    first, rest = parts
    put = inlined(pasting=bool(meta))
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head><meta charset="utf-8">{meta}'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{put.style}</style></head><body>{first}<script>{put.proof}</script>'
        f'{rest}{_data("words", _json(spoken))}<script>{put.rest}</script></body></html>'
    )


def _answers(messages: Mapping[str, str], waits: str) -> str:
    lines = "".join(
        f'<li class="answer" id="answer-{name}"{_proved(messages, name)}>{escape(messages["question." + name])} '
        f"<b>{escape(waits)}</b><small></small>"
        for name in QUESTIONS
    )
    return f'<div role="status"><ul class="answers">{lines}</ul></div>'


def _proved(messages: Mapping[str, str], name: str) -> str:
    return f' data-proved="{escape(messages["proved"])}"' if name == "record" else ""


def _notice(messages: Mapping[str, str], recall: str = "") -> str:
    heading = escape(messages["recall-heading"])
    return f'<section id="recall" role="alert"{"" if recall else " hidden"}><h2>{heading}</h2><p>{escape(recall)}</p></section>'


def _how(messages: Mapping[str, str]) -> str:
    return f'<details><summary>{escape(messages["how"])}</summary><ol id="steps"></ol></details>'


def _rows(summary: Mapping[str, object]) -> str:
    return "".join(
        f'<li data-index="{int(row["index"])}"><b>{escape(str(row["what"]))}</b> <time>{escape(str(row["when"]))}</time>'
        f'<span>{escape(" · ".join(filter(None, (str(row["who"]), str(row["where"])))))}</span>{_mark(row)}'
        for row in cast(Sequence[Mapping[str, str]], summary["journey"])
    )


def _papers(summary: Mapping[str, object]) -> str:
    """Certificates, reports, and what was erased; nothing where there is none."""
    rows = "".join(
        f'<li><b>{escape(row["what"])}</b> {escape(row["says"])}<span>{escape(row["who"])}</span>{_mark(row)}'
        for row in cast(Sequence[Mapping[str, str]], summary.get("papers", ()))
    )
    papers = f'<h2>{escape(str(summary["papers-heading"]))}</h2><ul class="journey">{rows}</ul>' if rows else ""
    erased = str(summary.get("erased") or "")
    return papers + (f'<p class="erased">{escape(erased)}</p>' if erased else "")


def _mark(row: Mapping[str, str]) -> str:
    return f"<em>{escape(row['mark'])}</em>" if row.get("mark") else ""


def _data(name: str, text: str) -> str:
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
