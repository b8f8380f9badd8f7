"""
What a shopper's phone proves: the scan page in a real browser, against a real contract on a real node.

The page is served from loopback with its own Content-Security-Policy; the same bundles go through `python -m verify`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from api import inline, scanpage
from api.scan import filed_under
from tests.e2e.conftest import PHONE
from tests.e2e.phone import AXE, NETWORKS, violations, visit
from tests.e2e.sizes import AIMS, Scan
from tests.support.anvil import Anvil, run_anvil
from tests.support.scene import CODES, LABEL, Anchored, Scene, anchored, contract_on, scene, summary
from tests.support.site import Page, Site, brotli, serving
from tests.support.workshop import LEADER, PACKED, quantity
from tests.verify.gallery_proof import flips
from verify.bundle import parse_bundle

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.chain, pytest.mark.node, pytest.mark.xdist_group("browser")]
SEVEN = {"checkpoint": 2, "witness": 3, "statement": 6, "leaf": 7, "proof": 8, "label": 11, "contract": 16}


@dataclass(frozen=True)
class World:
    """A node with the contract, a site, and one honest log whose head the contract holds; `fork` is another's."""

    node: Anvil
    site: Site
    scene: Scene
    anchor: Anchored
    fork: Anchored
    bundle: str

    @property
    def policy(self) -> str:
        """The reader's."""
        return self.scene.shop.policy(self.anchor.line)

    def show(self, path: str, lang: str = "en", **other: Any) -> str:
        """Serve a scan page and return its address; `other` replaces bundle, policy, label or summary."""
        given = {"bundle": self.bundle, "policy": self.policy, "label": LABEL, "summary": summary(self.bundle, lang)} | other
        # A false bundle comes with what an honest one is filed under: that is the best that a liar can do.
        filed = other.get("subjects", filed_under(parse_bundle(self.bundle)))
        html, csp = scanpage.scan_page(
            bundle_json=given["bundle"], lang=lang, messages=scanpage.words(lang), policy=given["policy"],
            summary=given["summary"], rpc=[self.node.url], subjects=filed, label=given["label"],
        )  # fmt: skip
        self.site.pages[path] = Page(html, csp)
        return self.site.url + path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with run_anvil() as node, serving() as site:
        contract, code = contract_on(node)
        honest, forked = scene(), scene()
        # The same beginning and the same size, but another last entry: the contract lets another signer anchor it.
        forked.shop.entries.pop(), forked.shop.carried.pop()
        forked.shop.tell(LEADER, "ObjectEvent", "storing", quantityList=[quantity(PACKED, 1, None)])
        anchor = anchored(node, contract, code, honest.shop, "operator")
        fork = anchored(node, contract, code, forked.shop, "thief")
        yield World(node, site, honest, anchor, fork, honest.bundle(int(time.time()), [anchor.evidence]))


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A phone's page; whatever the Content-Security-Policy refuses fails the test at its end."""
    context = browser.new_context(viewport=PHONE, device_scale_factor=2)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert said == []


def verdict(page: Any, address: str) -> dict[int, tuple[str, str]]:
    """Open a page, wait for its verdict, and read every step's state and code."""
    page.goto(address)
    page.locator("body[data-exit]").wait_for()
    found = page.locator("#steps li").evaluate_all("all => all.map((li) => [li.dataset.step, li.className, li.dataset.code])")
    return {int(number): (state, code) for number, state, code in found}


def command(folder: Path, world: World, bundle: str, policy: str, label: str) -> tuple[int, dict[str, Any]]:
    """What `python -m verify` says of the same."""
    (folder / "bundle.json").write_text(bundle)
    (folder / "policy.txt").write_text(policy)
    arguments = [
        str(folder / "bundle.json"),
        "--policy",
        str(folder / "policy.txt"),
        "--label",
        label,
        "--rpc",
        world.node.url,
        "--json",
    ]
    told = subprocess.run(
        [sys.executable, "-m", "verify", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    return told.returncode, json.loads(told.stdout)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_phone_verifies_every_step_and_reads_the_contract_itself(page: Any, world: World, lang: str, pictures: Path) -> None:
    steps = verdict(page, world.show(f"/honest-{lang}", lang))
    assert {number for number, (state, _) in steps.items() if state == "verified"} == {*range(1, 13), 16}
    assert (steps[13], steps[14], steps[15]) == (("stated", "one-of"), ("stated", "answer-ok"), ("stated", "none-reported"))
    assert page.locator("body").get_attribute("data-exit") == "0"
    assert [page.locator(f"#answer-{name}").get_attribute("data-state") for name in ("record", "item", "recall")] == [
        "verified", "stated", "stated"]  # fmt: skip
    page.screenshot(path=pictures / f"scan-{lang}.png")
    page.screenshot(path=pictures / f"scan-{lang}-whole.png", full_page=True)


def test_the_proof_needs_no_second_request(page: Any, world: World) -> None:
    address = world.show("/alone")
    world.site.requests.clear()
    verdict(page, address)
    assert world.site.requests == ["/alone"]


def cases(world: World) -> dict[str, dict[str, Any]]:
    """The seven flips: each a bundle, label or policy with one thing changed."""
    found = {name: {"bundle": bundle, **more} for name, _, _, bundle, more in flips(world.bundle)}
    return found | {"contract": {"policy": world.scene.shop.policy(world.fork.line)}}


@pytest.mark.parametrize(("name", "step"), SEVEN.items())
def test_one_flip_fails_at_its_own_step_in_the_browser_and_in_python(
    page: Any, world: World, name: str, step: int, tmp_path: Path
) -> None:
    given = {"bundle": world.bundle, "policy": world.policy, "label": LABEL} | cases(world)[name]
    steps = verdict(page, world.show(f"/flip-{name}", **given))
    assert [number for number, (state, _) in steps.items() if state == "failed"] == [step]
    assert page.locator("#answer-record").get_attribute("data-state") == "failed"
    assert page.locator("body").get_attribute("data-failed") == str(step)
    code, told = command(tmp_path, world, **given)
    last = told["steps"][-1]
    assert (code, last["number"], last["state"], last["code"]) == (1, step, "failed", steps[step][1])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_recall_is_the_first_thing_anyone_sees(page: Any, world: World, lang: str, pictures: Path) -> None:
    recalled = scene(recalled=True)
    bundle = recalled.bundle(int(time.time()))
    address = world.show(f"/recalled-{lang}", lang, bundle=bundle, policy=recalled.shop.policy(), summary=summary(bundle, lang))
    steps = verdict(page, address)
    assert steps[15] == ("failed", "recalled")
    notice = page.locator("#recall")
    assert notice.bounding_box()["y"] < page.locator("h1").bounding_box()["y"]
    assert {"en": "Do not eat it", "zh": "请勿食用"}[lang] in notice.inner_text()
    states = [page.locator(f"#answer-{name}").get_attribute("data-state") for name in ("record", "recall")]
    assert states == ["verified", "failed"], "a recalled lot's records are genuine all the same"
    page.screenshot(path=pictures / f"recalled-{lang}.png")


def test_a_recall_that_the_page_does_not_mention_is_shown_by_the_phone_itself(page: Any, world: World) -> None:
    recalled = scene(recalled=True)
    bundle = recalled.bundle(int(time.time()))
    quiet = summary(bundle, "en") | {"recall": ""}
    verdict(page, world.show("/quiet", bundle=bundle, policy=recalled.shop.policy(), summary=quiet))
    assert "Residue of an insecticide" in page.locator("#recall").inner_text()


def test_a_claim_of_one_side_is_marked_where_it_stands(page: Any, world: World, pictures: Path) -> None:
    claimed = scene()
    claimed.shop.entries.pop(), claimed.shop.carried.pop()
    index = claimed.shop.tell(
        "https://hub.example/central", "ObjectEvent", "receiving", quantityList=[quantity(PACKED, 400, None)]
    )
    claimed.shop.tell(LEADER, "ObjectEvent", "receiving", quantityList=[quantity(PACKED.replace("P-1", "P-9"), 1)])
    bundle = claimed.bundle(int(time.time()))
    shown = world.show("/claimed", bundle=bundle, policy=claimed.shop.policy(), summary=summary(bundle, "en"))
    steps = verdict(page, shown)
    assert steps[12] == ("unchecked", "claimed-only")
    assert page.locator("body").get_attribute("data-exit") == "3"
    assert "claimed by one side only" in page.locator(f'[data-index="{index}"]').inner_text()
    page.screenshot(path=pictures / "claimed-en.png")


def test_a_dead_node_turns_nothing_green_and_nothing_red(page: Any, world: World) -> None:
    with run_anvil() as other:
        away = replace(world, node=other)
        assert verdict(page, away.show("/no-contract"))[16] == ("unchecked", "rpc-failed")
    assert verdict(page, away.show("/dead"))[16] == ("unchecked", "rpc-failed")
    assert page.locator("#answer-record").get_attribute("data-state") == "verified", "the witness still stands"


def test_the_page_can_talk_to_nobody_but_its_host_and_the_chain(browser: Any, world: World) -> None:
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    verdict(page, world.show("/quiet-page"))
    asked = "fetch('http://localhost:9/').then(() => 'sent', (error) => error.name)"
    assert page.evaluate(asked) == "TypeError"
    context.close()
    assert any("Content Security Policy" in text for text in said), "what `page` watches for is really said"


def test_offline_the_answer_about_recalls_greys_and_back_online_it_is_asked_anew(page: Any, world: World) -> None:
    """A recall that came after the page was loaded must not hide behind it."""
    verdict(page, world.show("/leaves-the-network"))
    recall = page.locator("#answer-recall")
    assert recall.get_attribute("data-state") == "stated"
    page.context.set_offline(True)
    page.wait_for_selector("#answer-recall[data-state=unchecked]")
    assert recall.locator("b").text_content() == scanpage.words("en")["answer.recall.unchecked"]
    assert page.locator("#answer-record").get_attribute("data-state") == "verified"  # what was proved stays proved
    with page.expect_navigation():
        page.context.set_offline(False)
    page.wait_for_selector("#answer-recall[data-state=stated]")


def test_what_is_saved_is_the_evidence_that_was_checked(page: Any, world: World, tmp_path: Path) -> None:
    verdict(page, world.show("/saved"))
    with page.expect_download() as saved:
        page.locator("#save").click()
    saved.value.save_as(tmp_path / "bundle.json")
    assert (tmp_path / "bundle.json").read_text() == world.bundle


def test_nothing_in_a_bundle_becomes_markup(page: Any, world: World) -> None:
    evil = world.bundle.replace('"label":"', '"label":"</script><img src=x onerror=alert(1)>', 1)
    verdict(page, world.show("/evil", bundle=evil, summary=summary(world.bundle, "en") | {"product": "<b>x</b>"}))
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text() == "<b>x</b>"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_as_a_file_verifies_a_pasted_bundle(page: Any, world: World, lang: str, tmp_path: Path, pictures: Path) -> None:
    file = tmp_path / "verify.html"
    file.write_text(scanpage.standalone_page(lang, scanpage.words(lang)))
    page.goto(file.as_uri())
    for name, value in (("bundle", world.bundle), ("policy", world.policy), ("label", LABEL), ("rpc", world.node.url)):
        page.fill(f"#{name}", value)
    page.click("button")
    page.locator("body[data-exit]").wait_for()
    assert page.locator("body").get_attribute("data-exit") == "0"
    assert page.locator('#steps [data-step="16"]').get_attribute("data-code") == "anchored"
    page.screenshot(path=pictures / f"file-{lang}.png", full_page=True)
    page.fill("#label", LABEL.replace(CODES.serial(7), CODES.serial(8)))
    page.click("button")
    page.locator('body[data-failed="11"]').wait_for()


def test_what_one_bundle_was_told_does_not_stand_beside_the_next(page: Any, world: World, tmp_path: Path) -> None:
    file = tmp_path / "verify.html"
    file.write_text(scanpage.standalone_page("en", scanpage.words("en")))
    page.goto(file.as_uri())
    for name, value in (("bundle", world.bundle), ("policy", world.policy), ("label", LABEL)):
        page.fill(f"#{name}", value)
    page.click("button")
    page.locator('#answer-record[data-state="verified"]').wait_for()
    page.fill("#policy", "nonsense")
    page.click("button")
    page.locator('body[data-exit="2"]').wait_for()
    assert page.locator("[data-state], .verified, .stated, #steps li").count() == 0
    assert page.locator("#answer-record b").inner_text() == "–"
    assert page.locator("#answer-record small").inner_text() == "Cannot start: this policy cannot be read line 1"


@pytest.mark.parametrize("name", ["honest", "recalled", "file"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nobody_is_kept_out(browser: Any, world: World, lang: str, name: str, tmp_path: Path) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in tests/js/")
    recalled = scene(recalled=True)
    bundle = recalled.bundle(int(time.time()))
    world.show("/axe-honest", lang)
    world.show("/axe-recalled", lang, bundle=bundle, policy=recalled.shop.policy(), summary=summary(bundle, lang))
    file = tmp_path / "verify.html"
    file.write_text(scanpage.standalone_page(lang, scanpage.words(lang)))
    # Axe is put into the page from outside, which the page's own policy forbids.
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    page = context.new_page()
    page.goto(file.as_uri() if name == "file" else f"{world.site.url}/axe-{name}")
    if name != "file":
        page.locator("body[data-exit]").wait_for()
        page.click("summary")
    found = violations(page)
    context.close()
    assert found == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_the_proof_needs_fits_into_the_first_flight(lang: str) -> None:
    sizes = {name: len(brotli(text.encode())) for name, text in Scan.of(lang).parts()}
    assert {name: size for name, size in sizes.items() if size > AIMS.get(name, size)}.keys() <= {"whole page"}


def test_a_slow_phone_needs_one_request_for_proof_and_verdict(browser: Any, world: World) -> None:
    told = visit(browser, world.site, world.show("/slow").removeprefix(world.site.url), NETWORKS[0])
    assert told.requests == 1
    assert 0 < told.proof <= told.verdict


def begun(page: Any, world: World, path: str, **other: Any) -> str:
    """Open a page of which only what the proof needs has arrived, and return what it says of the record."""
    world.show(path, **other)
    whole, proof = world.site.pages[path], inline.inlined().proof
    end = whole.html.index(proof) + len(proof)
    world.site.pages[path] = Page(whole.html[:end] + "</script>", whole.csp)
    page.goto(world.site.url + path)
    page.evaluate("begun.then((run) => run.proof)")
    assert page.locator("[data-state], .verified").count() == 0, "nothing is green before the last step"
    said: str = page.locator("#answer-record b").inner_text()
    return said


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_proof_is_told_before_the_rest_has_arrived_and_is_no_verdict(
    page: Any, world: World, lang: str, pictures: Path
) -> None:
    assert begun(page, world, f"/begun-{lang}", lang=lang) == scanpage.words(lang)["proved"]
    page.screenshot(path=pictures / f"begun-{lang}.png")


@pytest.mark.parametrize("name", ["checkpoint", "witness", "statement", "leaf", "proof"])
def test_a_false_proof_is_never_said_to_hold(page: Any, world: World, name: str) -> None:
    assert begun(page, world, f"/begun-{name}", **cases(world)[name]) == scanpage.words("en")["waits"]


def test_a_page_that_lies_about_what_a_record_is_filed_under_gets_no_early_word(page: Any, world: World) -> None:
    swapped = filed_under(parse_bundle(world.bundle))[::-1]
    assert begun(page, world, "/begun-swapped", subjects=swapped) == scanpage.words("en")["waits"]
    verdict(page, world.show("/swapped", subjects=swapped))
    assert page.locator("body").get_attribute("data-exit") == "0", "the verdict reads the records themselves"
