/*
 * The gallery in JavaScript: whole bundles, most of them lies, each with the verdict that PROTOCOL.md asks for.
 * tests/verify/test_gallery.py runs the same files in Python.
 */
import assert from "node:assert/strict";
import {readFileSync, readdirSync} from "node:fs";
import {test} from "node:test";
import {convict, parseAnswer} from "../../verify/web/answer.js";
import {unb64} from "../../verify/web/bytes.js";
import {parseNote} from "../../verify/web/note.js";
import {verify} from "./support/gallery.mjs";

const FOLDER = new URL("../vectors/", import.meta.url);
const names = readdirSync(FOLDER).filter((name) => name.startsWith("gallery-")).sort();

test("there is a gallery", () => assert.ok(names.length >= 100));

for (const name of names) {
  const {name: title, about, input, expect} = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
  test(`${title}: ${about}`, async () => {
    const run = await verify(input);
    const failed = run.steps.find(({state, code}) => state === "failed" && code !== "recalled");
    assert.deepEqual([run.exitCode, failed?.number ?? null, failed?.code ?? null], [expect.exit, expect.step, expect.code], run.error?.stack);
    const seen = Object.fromEntries(run.steps.map(({number, state, code}) => [number, `${state} ${code}`]));
    for (const [number, told] of Object.entries(expect.seen)) assert.equal(seen[number], told);
    for (const [question, state] of Object.entries(expect.answers)) assert.equal(run.answers[question], state);
    if (!expect.convicted) return;
    const answer = parseAnswer(parseNote(run.bundle.answer).text), entries = input.entries.map((entry) => unb64(entry));
    await assert.rejects(convict(answer, entries), {code: expect.convicted});
    await assert.rejects(convict(answer, entries.slice(1)), {code: "other-log"});
  });
}
