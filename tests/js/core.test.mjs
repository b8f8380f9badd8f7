/*
 * What the vectors do not hold: trees of every size against a slow twin, tessera's log built from its seed, inputs too
 * large to store, and a browser without Ed25519.
 */
import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {describe, test} from "node:test";
import {b64, b64u, cat, equal, hex, sha256, text, unb64, unb64u, unhex, utf8} from "../../verify/web/bytes.js";
import {leafHash, nodeHash, rootOf, verifyConsistency, verifyInclusion, verifyMulti} from "../../verify/web/merkle.js";
import {linesOf, openNote, parseCheckpoint, parseNote, parseVkey, verifyCosignature} from "../../verify/web/note.js";
import {entryBytes, parseJws, verifyBytes} from "../../verify/web/statement.js";
import {Num, int, members, parse} from "../../verify/web/strict.js";

const refused = (code) => (error) => {
  assert.equal(error.code, code, error.stack);
  return true;
};
const vector = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));

/* The slow twin: RFC 6962's own recursions over a list of leaf hashes. */
function halves(leaves) {
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return [leaves.slice(0, k), leaves.slice(k)];
}

async function slowRoot(leaves) {
  if (leaves.length === 1) return leaves[0];
  const [left, right] = halves(leaves);
  return nodeHash(await slowRoot(left), await slowRoot(right));
}

async function slowPath(m, leaves) {
  if (leaves.length === 1) return [];
  const [left, right] = halves(leaves), k = left.length;
  if (m < k) return [...await slowPath(m, left), await slowRoot(right)];
  return [...await slowPath(m - k, right), await slowRoot(left)];
}

async function slowSubproof(m, leaves, known) {
  if (m === leaves.length) return known ? [] : [await slowRoot(leaves)];
  const [left, right] = halves(leaves), k = left.length;
  if (m <= k) return [...await slowSubproof(m, left, known), await slowRoot(right)];
  return [...await slowSubproof(m - k, right, false), await slowRoot(left)];
}

async function slowMulti(targets, leaves, start = 0) {
  if (!targets.some((target) => target >= start && target < start + leaves.length)) return [await slowRoot(leaves)];
  if (leaves.length === 1) return [];
  const [left, right] = halves(leaves);
  return [...await slowMulti(targets, left, start), ...await slowMulti(targets, right, start + left.length)];
}

describe("trees of every size up to 24", async () => {
  const leaves = await Promise.all(Array.from({length: 24}, (_, at) => leafHash(utf8(`leaf ${at}`))));
  const roots = [await rootOf([]), ...await Promise.all(leaves.map((_, at) => slowRoot(leaves.slice(0, at + 1))))];

  test("the fast root is the slow one", async () => {
    for (const [size, root] of roots.entries()) assert.ok(equal(await rootOf(leaves.slice(0, size)), root));
  });

  test("every inclusion proof verifies, and no other index does under the same proof length", async () => {
    for (let size = 1; size <= 24; size++) {
      for (let index = 0; index < size; index++) {
        const proof = await slowPath(index, leaves.slice(0, size)), given = {leaf: leaves[index], size, proof, root: roots[size]};
        await verifyInclusion({...given, index});
        for (const other of [index - 1, index + 1]) {
          await assert.rejects(verifyInclusion({...given, index: other}), refused("not-included"));
        }
      }
    }
  });

  test("every consistency proof verifies, and none with a node bent", async () => {
    for (let size = 1; size <= 24; size++) {
      for (let old = 1; old <= size; old++) {
        const proof = await slowSubproof(old, leaves.slice(0, size), true);
        const given = {old, oldRoot: roots[old], size, root: roots[size]};
        await verifyConsistency({...given, proof});
        for (const at of proof.keys()) {
          const bent = proof.map((node, place) => place === at ? node.map((byte, i) => i ? byte : byte ^ 1) : node);
          await assert.rejects(verifyConsistency({...given, proof: bent}), refused("not-consistent"));
        }
      }
    }
  });

  test("every set of targets in trees of 1 to 7 leaves verifies as one multiproof", async () => {
    for (let size = 1; size <= 7; size++) {
      for (let set = 1; set < 1 << size; set++) {
        const targets = [...Array(size).keys()].filter((index) => set >> index & 1);
        const proof = await slowMulti(targets, leaves.slice(0, size));
        const some = new Map(targets.map((index) => [index, leaves[index]]));
        await verifyMulti(some, {size, proof, root: roots[size]});
        await assert.rejects(verifyMulti(some, {size, proof: [...proof, leaves[0]], root: roots[size]}), refused("not-included"));
        if (proof.length) {
          await assert.rejects(verifyMulti(some, {size, proof: proof.slice(1), root: roots[size]}), refused("not-included"));
        }
      }
    }
  });
});

describe("tessera's test log, from its seed", async () => {
  const NAME = "example.com/log/testdata", SECRET = "AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";
  const WORDS = "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten".split(" ");
  const PKCS8 = unhex("302e020100300506032b657004220420");
  const key = await crypto.subtle.importKey("pkcs8", cat(PKCS8, unb64(SECRET).slice(1)), "Ed25519", false, ["sign"]);
  const known = await parseVkey(vector("note-tessera-0").input.keys[0]);

  async function checkpoint(size) {
    const root = await rootOf(await Promise.all(WORDS.slice(0, size).map((word) => leafHash(utf8(word)))));
    const signed = `${NAME}\n${size}\n${b64(root)}\n`;
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key, utf8(signed)));
    return `${signed}\n— ${NAME} ${b64(cat(known.id, signature))}\n`;
  }

  for (const size of [0, 1, 8, 15]) {
    test(`the checkpoint at size ${size} is the known one`, async () => {
      assert.equal(await checkpoint(size), vector(`note-tessera-${size}`).input.note);
    });
  }

  const folder = new URL("../../../shared/conformance/tlog/", import.meta.url);
  const skip = !existsSync(folder) && process.env.CI !== "true" && "the conformance data is not beside the repository";
  test("all sixteen checkpoints come out byte for byte, and open", {skip}, async () => {
    for (let size = 0; size <= 15; size++) {
      const stored = readFileSync(new URL(`checkpoint.${size}`, folder), "utf8");
      assert.equal(await checkpoint(size), stored);
      const note = parseNote(stored);
      assert.deepEqual((await openNote(note, [known])).map(({name}) => name), [NAME]);
      assert.equal(parseCheckpoint(note.text).size, size);
    }
  });

  test("the stored tile and entries are the leaves", {skip}, async () => {
    const bundle = readFileSync(new URL("entries.15", folder)), tile = readFileSync(new URL("tile-0.15", folder));
    for (let at = 0, index = 0; at < bundle.length; index++) {
      const length = bundle.readUInt16BE(at), entry = bundle.subarray(at + 2, at + 2 + length);
      assert.equal(text(entry), WORDS[index]);
      assert.ok(equal(await leafHash(entry), tile.subarray(32 * index, 32 * index + 32)));
      at += 2 + length;
    }
  });
});

describe("receipts", () => {
  test("the known tlog-proof holds: log, witness and inclusion under one checkpoint", async () => {
    const {proof, entry, vkey} = vector("proof-known-answer").input, gap = proof.indexOf("\n\n");
    const [, index, ...path] = proof.slice(0, gap).split("\n"), note = parseNote(proof.slice(gap + 2));
    await openNote(note, [await parseVkey(vkey)]);
    const {size, root} = parseCheckpoint(note.text), leaf = await leafHash(unhex(entry));
    await verifyInclusion({leaf, index: Number(index.slice(6)), size, proof: path.map((line) => unb64(line, 32)), root});
    const witness = await parseVkey(vector("cosignature-known-answer").input.vkey);
    assert.equal(await verifyCosignature(note.text, linesOf(note, witness)[0], witness), 1679315147);
  });
});

describe("inputs too large to store", () => {
  test("a JSON text may have 64 KiB and not a byte more, counted in UTF-8", () => {
    assert.equal(parse(`"${"x".repeat(65534)}"`).length, 65534);
    assert.throws(() => parse(`"${"x".repeat(65535)}"`), refused("too-large"));
    assert.throws(() => parse(`"${"源".repeat(21845)}"`), refused("too-large"));
    assert.equal(parse(`"${"x".repeat(4e6)}"`, {max: 5e6}).length, 4e6);
  });

  test("a statement may have 64 KiB", async () => {
    await assert.rejects(parseJws("a".repeat(65537)), refused("too-large"));
  });

  test("a note may have 64 KiB", () => {
    assert.throws(() => parseNote(`${"x".repeat(65536)}\n\n— a AAAAAAA=\n`), refused("bad-note"));
  });

  test("an entry may have 1,024 keys", () => {
    const keys = Array.from({length: 1025}, (_, at) => unhex(at.toString(16).padStart(64, "0")));
    assert.equal(entryBytes(1, keys[0], keys.slice(0, 1024)).length, 41 + 32 * 1024);
    assert.throws(() => entryBytes(1, keys[0], keys), refused("bad-entry"));
  });
});

describe("a browser without Ed25519", () => {
  const {input: {note, keys}} = vector("note-known-answer");

  async function without(name, run) {
    const {subtle} = crypto;
    const lacking = {digest: subtle.digest.bind(subtle), importKey: () => Promise.reject(new DOMException("no", name))};
    Object.defineProperty(globalThis, "crypto", {value: {subtle: lacking}, configurable: true});
    try {
      await run();
    } finally {
      Object.defineProperty(globalThis, "crypto", {value: {subtle}, configurable: true});
    }
  }

  test("says that it could not check, which is not a failure", () => without("NotSupportedError", async () => {
    await assert.rejects(openNote(parseNote(note), [await parseVkey(keys[0])]), refused("no-ed25519"));
  }));

  test("but 32 bytes that are no point are a bad signature", () => without("DataError", async () => {
    await assert.rejects(openNote(parseNote(note), [await parseVkey(keys[0])]), refused("bad-signature"));
  }));
});

describe("values", () => {
  test("a number is the text it was, and an integer only on request", () => {
    const {a, b} = parse('{"a":9007199254740993,"b":12}');
    assert.ok(a instanceof Num && a.text === "9007199254740993");
    assert.equal(int(b), 12);
    assert.throws(() => int(a, "/a"), (error) => refused("bad-number")(error) && error.where === "/a");
    assert.throws(() => int("12"), refused("bad-number"));
  });

  test("half a character in a JavaScript string is no UTF-8", () => {
    assert.throws(() => parse('"\ud83c"'), refused("not-utf8"));
  });

  test("an object has no prototype to fall back on", () => {
    assert.equal(parse("{}").toString, undefined);
  });

  test("members are all named, and all of their type", () => {
    const check = (source) => members(parse(source), {a: "string"}, {b: "int"}, "/x");
    assert.equal(check('{"a":"y","b":1}').a, "y");
    assert.throws(() => check('{"b":1}'), refused("missing-member"));
    assert.throws(() => check('{"a":"y","c":1}'), refused("unknown-member"));
    assert.throws(() => check('{"a":"y","b":1.5}'), refused("wrong-type"));
    assert.throws(() => check('{"a":"y","b":true}'), refused("wrong-type"));
    assert.throws(() => check("[]"), refused("malformed"));
  });

  test("bytes and their spellings go both ways", async () => {
    for (let length = 0; length < 70; length++) {
      const bytes = (await sha256(utf8(String(length)), new Uint8Array(40))).slice(0, length % 33);
      for (const [encode, decode] of [[hex, unhex], [b64, unb64], [b64u, unb64u]]) assert.deepEqual(decode(encode(bytes)), bytes);
    }
    assert.throws(() => unhex("0G"), refused("bad-hex"));
    assert.throws(() => unhex("AB"), refused("bad-hex"));
    assert.throws(() => unb64u("AAAA", 4), refused("bad-base64"));
  });

  test("an ES256 signature has 64 bytes: r and s with leading zeros are no second form", async () => {
    const {jwk, statement} = vector("statement-es256-verified").input, signature = unb64u(statement.split(".")[2]);
    const longer = cat(signature.slice(0, 32), new Uint8Array(8), signature.slice(32));
    const message = utf8(statement.slice(0, statement.lastIndexOf(".")));
    await verifyBytes(message, signature, jwk);
    await assert.rejects(verifyBytes(message, longer, jwk), refused("bad-signature"));
  });
});
