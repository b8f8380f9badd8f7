/*
 * The bundle: everything one scan needs, in one JSON document.  Twin of bundle.py.
 *
 * Source: protocol.md section 1, Bundle.
 */
import {Refused, inOrder, need, unb64u} from "./bytes.js";
import {parseStatement} from "./statement.js";
import {int, members, parse, typeOf} from "./strict.js";

const MAX_BUNDLE = 4 * 1024 * 1024;

/** Parse a bundle; every form rule holds, nothing is verified. */
export async function parseBundle(data) {
  const body = parse(data, {own: true, max: MAX_BUNDLE});
  members(body, {v: "string", label: "string", checkpoint: "string", answer: "string", statements: "array", proof: "array",
    anchors: "array"}, {item: "object"});
  need(body.v === "originmark.org/bundle@v1", "bad-version", "/v");
  need(body.statements.length && body.statements.length <= 2048 && body.anchors.length <= 16, "bad-bundle", "/statements");
  const statements = await inOrder(body.statements, (one, at) => parseCarried(one, "/statements/" + at));
  need(statements.every(({index}, at) => !at || statements[at - 1].index < index), "bad-bundle", "/statements");
  const anchors = body.anchors.map((one, at) => parseEvidence(one, "/anchors/" + at));
  return {...body, statements, proof: hashes(body.proof, "/proof"), anchors, item: body.item && parseItem(body.item)};
}

async function parseCarried(one, where) {
  members(one, {index: "int", time: "int", header: "string", payload: "string", signature: "string", leaf: "string"},
    {disclosures: "array"}, where);
  try {
    need((one.disclosures ?? []).every((text) => typeOf(text) === "string"), "malformed");
    return {index: int(one.index), time: int(one.time), statement: await parseStatement(one), leaf: unb64u(one.leaf, 32)};
  } catch (error) {
    if (error instanceof Refused) Object.assign(error, {where: where + (error.where ?? ""), step: 5});
    throw error;
  }
}

function parseEvidence(one, where) {
  members(one, {chain: "int", contract: "string", size: "int", root: "string", consistency: "array"}, {}, where);
  return {chainId: int(one.chain), contract: one.contract, size: int(one.size), root: unb64u(one.root, 32),
    consistency: hashes(one.consistency, where)};
}

function parseItem(one) {
  members(one, {commitment: "int", code: "int", path: "array"}, {}, "/item");
  return {commitment: int(one.commitment), code: int(one.code), path: hashes(one.path, "/item/path")};
}

function hashes(values, where) {
  need(values.every((value) => typeof value === "string"), "malformed", where);
  return values.map((value) => unb64u(value, 32));
}
