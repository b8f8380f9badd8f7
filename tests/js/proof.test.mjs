/*
 * The proof alone, over the whole gallery: it holds wherever the steps it stands for are verified, and nowhere else, so that a
 * page never says early what the whole run then denies of signatures and log.
 */
import assert from "node:assert/strict";
import {readFileSync, readdirSync} from "node:fs";
import {test} from "node:test";
import {parsePolicy} from "../../verify/web/policy.js";
import {openRun, prove} from "../../verify/web/proof.js";
import {subjectUris} from "../../verify/web/subjects.js";
import {finish} from "../../verify/web/verifier.js";

const FOLDER = new URL("../vectors/", import.meta.url);
const PROVED = [1, 2, 3, 6, 8, 9];

/** What an honest server says a record is filed under. */
const filedUnder = ({statement}) => [...subjectUris(statement), ...statement.kind === "Withdrawal" || statement.kind === "Erasure" ?
  statement.disclosed.keys : []];

async function proofOf({bundle, policy, label, now}) {
  const run = openRun(bundle, {policy: await parsePolicy(policy), label: label ?? undefined, now});
  await finish(run);
  const again = openRun(bundle, {policy: run.policy, label: run.label, now});
  const refused = run.records.length ? await prove(again, run.bundle.statements.map(filedUnder)).then(() => null, (error) => error) : undefined;
  return {run, again, refused};
}

let held = 0, denied = 0;
for (const name of readdirSync(FOLDER).filter((one) => one.startsWith("gallery-")).sort()) {
  const {name: title, input, expect} = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
  test(`the proof of ${title}`, async (t) => {
    const {run, again, refused} = await proofOf(input);
    if (refused === undefined) return t.skip("its records cannot be read");
    if (PROVED.includes(expect.step)) assert.equal(refused?.code, expect.code);
    else if (expect.step === null || expect.step > 9) assert.equal(refused, null);
    denied += refused ? 1 : 0;
    held += refused ? 0 : 1;
    // Taken up after the proof, a run ends as one that was never asked for it.
    await finish(again);
    assert.deepEqual(again.steps.map(({number, state, code}) => [number, state, code]), run.steps.map(({number, state, code}) => [number, state, code]));
  });
}

test("both were seen", () => assert.ok(held > 50 && denied >= 10, `${held} held, ${denied} denied`));
