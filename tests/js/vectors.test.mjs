/*
 * The JavaScript runner of the formats' vectors.  tests/verify/test_core_vectors.py runs the same files in Python.
 */
import assert from "node:assert/strict";
import {readFileSync, readdirSync} from "node:fs";
import {test} from "node:test";
import {hex, unb64, unb64u, unhex} from "../../verify/web/bytes.js";
import {rootOf, verifyConsistency, verifyInclusion, verifyMulti} from "../../verify/web/merkle.js";
import {linesOf, openNote, parseCheckpoint, parseNote, parseVkey, verifyCosignature} from "../../verify/web/note.js";
import {covers, metBy, parsePolicy} from "../../verify/web/policy.js";
import {entryBytes, parseJws, parseStatement, parseTime, thumbprint, verifySignature} from "../../verify/web/statement.js";
import {Num, parse} from "../../verify/web/strict.js";

const FOLDER = new URL("../vectors/", import.meta.url);
const PREFIXES = ["merkle", "note", "checkpoint", "cosignature", "proof", "entry", "strict", "statement", "policy"];
// A phone rebuilds entries and never decodes one; a tlog-proof is a receipt for the command line.
const PYTHON_ONLY = ["entry.decode", "proof.verify"];

/** A parsed value with its numbers as text, and ordinary objects. */
function spelled(value) {
  if (value instanceof Num) return {$number: value.text};
  if (Array.isArray(value)) return value.map(spelled);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, spelled(member)]));
}

function told({digest, kind, issuer, header, withheld, disclosed}) {
  return {digest: hex(digest), kind, issuer, kid: header.kid, withheld, disclosed: spelled(disclosed)};
}

const FUNCTIONS = {
  "strict.parse": ({base64, own}) => ({value: spelled(parse(unb64(base64), {own}))}),
  "strict.b64_decode": (given) => ({hex: hex(unb64(given.text))}),
  "strict.b64u_decode": (given) => ({hex: hex(unb64u(given.text))}),
  "merkle.root": async ({leaves}) => ({root: hex(await rootOf(leaves.map((leaf) => unhex(leaf))))}),
  "merkle.verify_inclusion": ({leaf, index, size, proof, root}) =>
    verifyInclusion({leaf: unhex(leaf), index, size, proof: proof.map(unhex), root: unhex(root)}),
  "merkle.verify_consistency": ({old, old_root: oldRoot, new: size, new_root: root, proof}) =>
    verifyConsistency({old, oldRoot: unhex(oldRoot), size, root: unhex(root), proof: proof.map(unhex)}),
  "merkle.verify_multi": ({leaves, size, proof, root}) => verifyMulti(
    new Map(Object.entries(leaves).map(([index, leaf]) => [Number(index), unhex(leaf)])),
    {size, proof: proof.map(unhex), root: unhex(root)}),
  "note.open": async ({note, keys}) => {
    const known = await Promise.all(keys.map(parseVkey));
    return {signed: (await openNote(parseNote(note), known)).map(({name}) => name)};
  },
  "note.vkey": async ({vkey}) => {
    const {name, kind, id} = await parseVkey(vkey);
    return {name, kind, id: hex(id)};
  },
  "checkpoint.parse": (given) => {
    const {origin, size, root} = parseCheckpoint(given.text);
    return {origin, size, root: hex(root)};
  },
  "cosignature.verify": async ({note, vkey}) => {
    const key = await parseVkey(vkey), parsed = parseNote(note), [line] = linesOf(parsed, key);
    return {time: await verifyCosignature(parsed.text, line, key)};
  },
  "entry.encode": ({time, digest, keys}) => ({entry: hex(entryBytes(time, unhex(digest), keys.map(unhex)))}),
  "statement.parse": async ({statement}) => told(await parseJws(statement)),
  "statement.assemble": async (given) => told(await parseStatement(given)),
  "statement.verify": async ({statement, jwk}) => verifySignature(await parseJws(statement), jwk),
  "statement.thumbprint": async ({jwk}) => ({kid: await thumbprint(jwk)}),
  "statement.parse_time": (given) => ({ms: parseTime(given.text)}),
  "policy.parse": async (given) => {
    const {logs, clocks, witnesses, groups, quorum, registrars, anchors, maxAge} = await parsePolicy(given.text);
    return {
      logs: logs.map(({name}) => name), clocks: clocks.map(({name}) => name), quorum, max_age_s: maxAge,
      witnesses: Object.fromEntries([...witnesses].map(([name, key]) => [name, key.name])),
      groups: Object.fromEntries([...groups].map(([name, {threshold, members}]) => [name, [threshold, members]])),
      registrars: registrars.map((one) => [one.uri, one.thumbprint, one.first, one.until ?? null, one.scope]),
      anchors: anchors.map((one) => [one.chainId, one.contract, one.logId, one.signer, one.codeSha256]),
    };
  },
  "policy.met_by": async (given) => ({met: metBy(await parsePolicy(given.text), new Set(given.signed))}),
  "policy.covers": async (given) => {
    const {registrars: [registrar]} = await parsePolicy(given.text);
    return {covers: covers(registrar, given.index, given.party)};
  },
};

const names = readdirSync(FOLDER).filter((name) => PREFIXES.includes(name.split("-")[0])).sort();

test("every area has vectors", () => {
  assert.deepEqual([...new Set(names.map((name) => name.split("-")[0]))].sort(), [...PREFIXES].sort());
});

for (const name of names) {
  const vector = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
  if (PYTHON_ONLY.includes(vector.fn)) continue;
  test(`${vector.name}: ${vector.about}`, async () => {
    assert.ok(Object.hasOwn(FUNCTIONS, vector.fn), `nobody knows the function ${vector.fn}`);
    const run = async () => FUNCTIONS[vector.fn](vector.input);
    if (!vector.error) {
      const found = await run() ?? {};
      for (const [member, expected] of Object.entries(vector.expect)) assert.deepEqual(found[member], expected);
      return;
    }
    const {code, where} = vector.error;
    await assert.rejects(run, (error) => {
      assert.equal(error.code, code, error.stack);
      if (where !== undefined) assert.equal(error.where, where);
      return true;
    });
  });
}
