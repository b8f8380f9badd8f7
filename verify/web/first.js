/*
 * What a scan page shows first.  This and what it imports stand in the page before the rest of the verifier: the proof is made as
 * soon as it has arrived, while the rest is on its way.  It says that the proof holds, in grey; no answer is given before page.js.
 */
import {parsePolicy} from "./policy.js";
import {openRun, prove} from "./proof.js";

export const element = (id) => document.getElementById(id);
export const inlined = (id) => element(id)?.textContent ?? "";

/** The run over the page's own bundle; page.js takes it up. */
export const begun = inlined("bundle") ? begin() : undefined;
// A policy that cannot be read is told by page.js.
begun?.catch(() => {});

async function begin() {
  const {subjects, label = location.href.split("#")[0]} = JSON.parse(inlined("config"));
  const run = openRun(inlined("bundle"), {policy: await parsePolicy(JSON.parse(inlined("policy"))), label});
  // What this refuses, the whole run refuses at its numbered step.
  if (subjects) run.proof = prove(run, subjects).then(showProof, () => {});
  return run;
}

function showProof() {
  const {dataset, children: [told]} = element("answer-record");
  if (dataset.state) return;
  told.textContent = dataset.proved;
  performance.mark("proof");
}
