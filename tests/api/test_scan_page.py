"""The scan page as bytes: two scripts that say their own hashes, data that nothing executes, no address but the reader's own."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import inline, scanpage
from api.__main__ import originmark_app

SUMMARY = {
    "product": "a<b",
    "farm": "f",
    "dates": "d",
    "journey": [{"index": 1, "when": "w", "who": "x", "what": "y", "where": "<z>"}],
}
SCRIPT = re.compile(r"<script>(.*?)</script>", re.S)
MODULES = [*inline.PROOF, *inline.REST, inline.PASTING]


def page(lang: str = "en", bundle: str = '{"x":"</script>"}') -> tuple[str, str]:
    """A page around any bundle."""
    return scanpage.scan_page(
        bundle_json=bundle, lang=lang, messages=scanpage.words(lang), policy="p<", summary=SUMMARY, rpc=["https://rpc.example/"]
    )


def test_the_policy_allows_the_two_scripts_that_are_in_the_page() -> None:
    html, csp = page()
    hashes = " ".join(inline.csp_hash(script) for script in SCRIPT.findall(html))
    assert f"script-src {hashes};" in csp
    assert hashes.count("sha256-") == 2
    assert "default-src 'none'" in csp
    assert "unsafe" not in csp
    assert "connect-src 'self' https://rpc.example/" in csp


def test_the_scripts_are_the_same_on_every_page() -> None:
    found = {tuple(SCRIPT.findall(page(lang)[0])) for lang in ("en", "zh")}
    assert found == {(inline.inlined().proof, inline.inlined().rest)}


def test_all_that_the_proof_needs_stands_before_the_rest_of_the_page() -> None:
    html, _ = page()
    before = html[: html.index(inline.inlined().proof)]
    assert all(f'id="{name}"' in before for name in ("answer-record", "config", "policy", "bundle"))
    assert 'class="journey"' not in before


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_browser_without_scripts_is_told_that_nothing_was_checked(lang: str) -> None:
    html, _ = page(lang)
    assert f"<noscript><aside>{scanpage.words(lang)['no-script']}</aside></noscript>" in html


@pytest.mark.parametrize(("lang", "waits"), [("en", "Not checked yet"), ("zh", "尚未核验")])
def test_no_answer_is_called_being_checked_where_nothing_checks_it(lang: str, waits: str) -> None:
    html, _ = page(lang)
    assert re.findall(r'<li class="answer"[^>]*>[^<]+<b>([^<]+)</b>', html) == [waits] * 3


def test_a_title_that_is_one_long_address_breaks_where_the_phone_ends() -> None:
    html, csp = page()
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.S)
    assert "h1,dd{overflow-wrap:anywhere}" in style
    assert inline.csp_hash(style) in csp


def test_data_cannot_end_its_element() -> None:
    html, _ = page()
    assert html.count("</script>") == 6
    (data,) = re.findall(r'<script type="application/json" id="bundle">(.*?)</script>', html, re.S)
    assert json.loads(data) == {"x": "</script>"}
    assert "<h1>a&lt;b</h1>" in html


@pytest.mark.node
@pytest.mark.parametrize("pasting", [False, True], ids=["scan", "file"])
def test_the_two_scripts_share_one_set_of_names(pasting: bool, tmp_path: Path) -> None:
    run = inline.inlined(pasting=pasting)
    for name, text in {"proof": run.proof, "rest": run.rest, "both": run.proof + run.rest}.items():
        file = tmp_path / f"{name}.cjs"
        file.write_text(text)
        told = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        assert not re.search(r"^\s*(//|/\*)", text, re.M)


def test_only_whole_declarations_are_left_out_of_what_an_auditor_reads() -> None:
    run = inline.inlined()
    kept = {*run.proof.splitlines(), *run.rest.splitlines()} - {'"use strict";'}
    lines = (line for name in MODULES for line in (inline.WEB / f"{name}.js").read_text().splitlines())
    assert kept <= {line.strip().removeprefix("export ") for line in lines}


def test_no_template_text_spans_lines_since_indentation_is_taken_out() -> None:
    assert all(line.count("`") % 2 == 0 for path in inline.WEB.glob("*.js") for line in path.read_text().splitlines())


def test_both_languages_have_the_same_words() -> None:
    english, chinese = scanpage.words("en"), scanpage.words("zh")
    assert english.keys() == chinese.keys()
    slots = re.compile(r"\{\w+\}")
    assert {name: sorted(slots.findall(text)) for name, text in english.items()} == {
        name: sorted(slots.findall(text)) for name, text in chinese.items()}  # fmt: skip


def test_the_page_that_anyone_can_host_is_written_by_one_command(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    told = CliRunner().invoke(originmark_app(), ["page", str(file), "--lang", "zh"])
    assert told.exit_code == 0
    assert file.read_text("utf-8") == scanpage.standalone_page("zh", scanpage.words("zh"))
    assert all(inline.csp_hash(script) in told.output for script in SCRIPT.findall(file.read_text("utf-8")))
    assert CliRunner().invoke(originmark_app(), ["page", str(file), "--lang", "fr"]).exit_code == 2
