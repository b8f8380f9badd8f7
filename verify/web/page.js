/*
 * What the phone shows: each step as it is taken, then three separate answers, never one big tick.
 *
 * On a scan page the bundle stands in the page; as a file on its own the reader pastes or drops one, with his own policy.
 * Text is only ever set as text: nothing in a bundle becomes markup.
 */
import {readHead} from "./anchor.js";
import {parsePolicy} from "./policy.js";
import {verifyBundle} from "./verifier.js";

const MARKS = {verified: "✓", failed: "✗", unchecked: "?", stated: "·", none: "–"};
const element = (id) => document.getElementById(id);
const inlined = (id) => element(id)?.textContent.trim() ?? "";

function wordsOf(step, words) {
  const facts = {detail: "", ...step};
  if (typeof facts.time === "number") facts.time = new Date(facts.time * 1000).toLocaleString(document.documentElement.lang);
  if (facts.indexes) facts.indexes = facts.indexes.join(", ");
  const said = (words[step.code] ?? words.refused + " (" + step.code + ") " + facts.detail).replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");
  return `${words["step." + step.name]}: ${said}${step.where ? ` [${step.where}]` : ""}`;
}

function showStep(step, words) {
  const line = document.createElement("li");
  line.value = step.number;
  line.className = step.state;
  line.dataset.step = step.number;
  line.dataset.code = step.code;
  line.textContent = `${MARKS[step.state]} ${words["state." + step.state]} — ${wordsOf(step, words)}`;
  element("steps").append(line);
}

function showAnswers({answers, steps, recalls}, words) {
  for (const [question, state] of Object.entries(answers)) {
    const line = element("answer-" + question);
    line.className = "answer " + state;
    line.dataset.state = state;
    line.querySelector("b").textContent = `${MARKS[state]} ${words[`answer.${question}.${state}`]}`;
  }
  const failed = steps.find(({state}) => state === "failed"), anchor = steps.find(({number}) => number === 16);
  const witness = steps.find(({number}) => number === 3), detail = failed ?? witness;
  element("because").textContent = detail ? `${detail.number}. ${wordsOf(detail, words)}` : "";
  element("anchored").textContent = anchor ? wordsOf(anchor, words) : "";
  for (const {statement: {subject}} of recalls) {
    const lang = document.documentElement.lang.slice(0, 2), pick = (texts) => texts[lang] ?? Object.values(texts)[0] ?? "";
    const notice = element("recall");
    notice.hidden = false;
    notice.querySelector("p").textContent = `${pick(subject.reason)} ${pick(subject.instructions)}`;
  }
}

/** Mark the rows of the journey that only one side claims. */
function showClaims({steps}, words) {
  const claims = steps.find(({number}) => number === 12)?.claims ?? [];
  for (const row of document.querySelectorAll("[data-index]")) {
    if (claims.some(({index}) => String(index) === row.dataset.index)) row.querySelector("td:last-child").textContent += " " + words.claimed;
  }
}

/** Verify and show; the same for a scanned page and for a pasted bundle. */
async function show(bundle, policyText, label, urls, words) {
  element("steps").replaceChildren();
  try {
    const policy = await parsePolicy(policyText);
    const heads = urls.length ? (pin) => readHead(pin, urls) : undefined;
    const run = await verifyBundle(bundle, {policy, label, heads, onStep: (step, sofar) => {
      showStep(step, words);
      // The chain is asked last and may be slow: what the proof says is shown before.
      if (step.number === 15) showAnswers({steps: sofar.steps, recalls: sofar.recalls, answers: sofar.verdict()}, words);
    }});
    showAnswers(run, words);
    showClaims(run, words);
    document.body.dataset.exit = run.exitCode;
    document.body.dataset.failed = run.error?.step ?? "";
  } catch (error) {
    element("because").textContent = `${words.usage} ${error.message} ${error.where ?? ""}`;
    document.body.dataset.exit = 2;
  }
  performance.mark("verdict");
}

async function begin() {
  const words = JSON.parse(inlined("words")), config = JSON.parse(inlined("config") || "{}");
  if (inlined("bundle")) {
    const urls = (config.rpc ?? []).map((url) => new URL(url, location.href).href);
    await show(inlined("bundle"), JSON.parse(inlined("policy")), config.label ?? location.href.split("#")[0], urls, words);
    return;
  }
  const form = element("given"), field = (name) => form.elements[name];
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const urls = field("rpc").value.split(/\s+/).filter(Boolean);
    show(field("bundle").value.trim(), field("policy").value, field("label").value.trim() || undefined, urls, words);
  });
  for (const name of ["bundle", "policy"]) {
    element(name + "-file").addEventListener("change", async (event) => {
      field(name).value = await event.target.files[0].text();
    });
    field(name).addEventListener("drop", async (event) => {
      event.preventDefault();
      field(name).value = await event.dataTransfer.files[0].text();
    });
  }
}

begin();
