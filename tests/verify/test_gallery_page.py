"""The scan page as bytes: one script that says its own hash, data that nothing executes, no address but the reader's own."""

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from verify.web import inline

WEB = Path(inline.__file__).parent
SUMMARY = {
    "product": "a<b",
    "farm": "f",
    "dates": "d",
    "journey": [{"index": 1, "when": "w", "who": "x", "what": "y", "where": "<z>"}],
}


def page(lang: str = "en", bundle: str = '{"x":"</script>"}') -> tuple[str, str]:
    """A page around any bundle."""
    return inline.scan_page(
        bundle_json=bundle, lang=lang, messages=inline.words(lang), policy="p<", summary=SUMMARY, rpc=["https://rpc.example/"]
    )


def test_the_policy_allows_the_one_script_that_is_in_the_page() -> None:
    html, csp = page()
    (script,) = re.findall(r'<script type="module">(.*?)</script>', html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in csp
    assert "default-src 'none'" in csp
    assert "unsafe" not in csp
    assert "connect-src 'self' https://rpc.example/" in csp


def test_the_script_is_the_same_on_every_page() -> None:
    scripts = {re.findall(r'<script type="module">(.*?)</script>', page(lang)[0], re.S)[0] for lang in ("en", "zh")}
    assert scripts == {inline.script()}


def test_data_cannot_end_its_element() -> None:
    html, _ = page()
    assert html.count("</script>") == 5
    (data,) = re.findall(r'<script type="application/json" id="bundle">(.*?)</script>', html, re.S)
    assert json.loads(data) == {"x": "</script>"}
    assert "<h1>a&lt;b</h1>" in html


@pytest.mark.node
@pytest.mark.parametrize("modules", [inline.MODULES, inline.PASTING], ids=["scan", "file"])
def test_the_modules_fit_into_one(modules: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "page.mjs"
    file.write_text(inline.script(modules))
    told = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert not re.search(r"^\s*(//|/\*)", file.read_text(), re.M)


def test_only_whole_declarations_are_left_out_of_what_an_auditor_reads() -> None:
    kept = set(inline.script().splitlines())
    sources = [
        line.strip().removeprefix("export ") for name in inline.MODULES for line in (WEB / f"{name}.js").read_text().splitlines()
    ]
    assert kept <= set(sources)


def test_no_template_text_spans_lines_since_indentation_is_taken_out() -> None:
    assert all(line.count("`") % 2 == 0 for path in WEB.glob("*.js") for line in path.read_text().splitlines())


def test_an_auditor_reads_it_in_one_sitting() -> None:
    assert sum(len(path.read_text().splitlines()) for path in WEB.glob("*.js")) <= 2_000


def test_both_languages_have_the_same_words() -> None:
    english, chinese = inline.words("en"), inline.words("zh")
    assert english.keys() == chinese.keys()
    slots = re.compile(r"\{\w+\}")
    assert {name: sorted(slots.findall(text)) for name, text in english.items()} == {
        name: sorted(slots.findall(text)) for name, text in chinese.items()}  # fmt: skip
