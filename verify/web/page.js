/*
 * What the phone shows: each step as it is taken, then three separate answers, never one big tick.
 * On a scan page the bundle stands in the page; paste.js asks for one.  Text is only ever set as text: nothing in a bundle
 * becomes markup.
 */
import {readHead} from "./anchor.js";
import {begun, element, inlined} from "./first.js";
import {parsePolicy} from "./policy.js";
import {openRun} from "./proof.js";
import {finish} from "./verifier.js";

const MARKS = {verified: "✓", failed: "✗", unchecked: "?", stated: "·", none: "–"};
const words = JSON.parse(inlined("words"));

/** Date and time as this phone's clock hangs.  Not by Intl, whose first call costs a slow phone a fifth of a second. */
function shownTime(seconds) {
  const date = new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000);
  return isNaN(date) ? seconds : date.toISOString().slice(0, 16).replace("T", " ");
}

function wordsOf(step) {
  const facts = {detail: "", ...step, time: shownTime(step.time)}, said = words[step.code] ?? `${words.refused} (${step.code})`;
  return said.replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "") + (step.where ? ` [${step.where}]` : "");
}

function showStep(step) {
  const line = document.createElement("li");
  Object.assign(line, {value: step.number, className: step.state});
  Object.assign(line.dataset, {step: step.number, code: step.code});
  line.textContent = `${MARKS[step.state]} ${words["step." + step.name]} · ${words["state." + step.state]}: ${wordsOf(step)}`;
  element("steps").append(line);
}

function showAnswers({answers, steps, recalls}) {
  const at = (...numbers) => steps.filter(({number}) => numbers.includes(number)), failed = steps.find(({state}) => state === "failed");
  const why = {record: answers.record === "failed" ? [failed] : [...at(12).filter(({state}) => state === "unchecked"), ...at(3, 16)], item: at(13), recall: at(15)};
  for (const [question, state] of Object.entries(answers)) {
    const line = element("answer-" + question);
    line.className = "answer " + state;
    line.dataset.state = state;
    line.querySelector("b").textContent = words[`answer.${question}.${state}`];
    const told = why[question].filter(({code}) => code !== "not-anchored");
    const nameOf = ({number, name}) => state === "failed" && question === "record" ? `${number} ${words["step." + name]}: ` : "";
    line.querySelector("small").textContent = told.map((step) => nameOf(step) + wordsOf(step)).join(" · ");
  }
  for (const {statement: {subject}} of recalls) {
    const lang = document.documentElement.lang.slice(0, 2), pick = (texts) => texts[lang] ?? Object.values(texts)[0] ?? "";
    const notice = element("recall");
    notice.hidden = false;
    notice.querySelector("p").textContent = `${pick(subject.reason)}\n${pick(subject.instructions)}`;
  }
}

/** Mark the rows of the journey that only one side claims. */
function showClaims({steps}) {
  const claims = steps.find(({number}) => number === 12)?.claims ?? [];
  const rows = [...document.querySelectorAll("[data-index]")].filter((row) => claims.some(({index}) => String(index) === row.dataset.index));
  for (const row of rows) row.append(Object.assign(document.createElement("em"), {textContent: words.claimed}));
}

/** The answer about recalls is of its minute: offline it greys, and a page that is looked at again later asks anew. */
function askAgain() {
  const line = element("answer-recall"), isOld = Date.now() - performance.timeOrigin > 60000;
  if (!navigator.onLine && line.dataset.state === "stated") {
    Object.assign(line, {className: "answer unchecked"}).dataset.state = "unchecked";
    line.querySelector("b").textContent = words["answer.recall.unchecked"];
  } else if (navigator.onLine && !document.hidden && (isOld || line.dataset.state === "unchecked")) location.reload();
}

/** Take all steps of a run and show them; `urls` are the reader's own RPC. */
async function show(opening, urls) {
  element("steps").replaceChildren();
  try {
    const run = await opening;
    run.heads = urls.length ? (pin) => readHead(pin, urls) : undefined;
    run.onStep = (step) => {
      showStep(step);
      // The chain is asked last and may be slow: what the other steps say is shown before.
      if (step.number === 15) showAnswers(run);
    };
    await finish(run);
    showAnswers(run);
    showClaims(run);
    Object.assign(document.body.dataset, {exit: run.exitCode, failed: run.error?.step ?? ""});
  } catch (error) {
    element("answer-record").querySelector("small").textContent = `${words.usage} ${words[error.message] ?? error.message} ${error.where ?? ""}`;
    document.body.dataset.exit = 2;
  }
  performance.mark("verdict");
}

/** The same for a bundle that the reader brings.  What an earlier one was told is taken away first: it is not about this one. */
export function showPasted(bundle, policyText, label, urls) {
  element("recall").hidden = true;
  delete document.body.dataset.exit;
  for (const line of document.querySelectorAll(".answer")) {
    Object.assign(line, {className: "answer"}).removeAttribute("data-state");
    for (const one of line.children) one.textContent = one.localName === "b" ? "–" : "";
  }
  show(parsePolicy(policyText).then((policy) => openRun(bundle, {policy, label})), urls);
}

if (begun) {
  show(begun, JSON.parse(inlined("config")).rpc.map((url) => new URL(url, location.href).href));
  element("save").href = URL.createObjectURL(new Blob([inlined("bundle")], {type: "application/json"})); // what was checked, not a new answer
  for (const name of ["online", "offline", "visibilitychange"]) addEventListener(name, askAgain);
}
