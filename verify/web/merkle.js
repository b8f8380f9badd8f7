/*
 * The Merkle tree of RFC 6962: hash and verify.  Twin of merkle.py, without proving.
 * A proof binds neither size nor index: take size and root together from one signed checkpoint.  Sizes reach 2^53-1, so
 * nothing here shifts or masks: JavaScript would do that in 32 bits.
 *
 * Source: RFC 6962 section 2.1; protocol.md section 1 (multiproof).
 */
import {equal, need, refuse, sha256} from "./bytes.js";

/** Hash one entry as a leaf: SHA-256(0x00 || entry). */
export const leafHash = (entry) => sha256([0], entry);

/** Hash two subtrees as a node: SHA-256(0x01 || left || right). */
export const nodeHash = (left, right) => sha256([1], left, right);

/** The first leaf of the right half of [start, end): `start` plus the largest power of two below the count. */
function middleOf(start, end) {
  let width = 1;
  while (2 * width < end - start) width *= 2;
  return start + width;
}

const isBelow = (index, size) => Number.isSafeInteger(size) && Number.isInteger(index) && index >= 0 && index < size;

/** Go down towards leaf `last` until `arrived`; for each step, the deepest first: is the sibling on the left? */
function sidesTo(last, size, arrived) {
  const lefts = [];
  for (let start = 0, end = size; !arrived(start, end);) {
    const middle = middleOf(start, end);
    lefts.unshift(last >= middle);
    if (lefts[0]) start = middle;
    else end = middle;
  }
  return lefts;
}

/** Verify that `leaf` is at `index` under (size, root). */
export async function verifyInclusion({leaf, index, size, proof, root}) {
  need(isBelow(index, size), "not-included");
  const lefts = sidesTo(index, size, (start, end) => end - start === 1);
  need(proof.length === lefts.length, "not-included");
  let found = leaf;
  for (const [at, left] of lefts.entries()) {
    found = left ? await nodeHash(proof[at], found) : await nodeHash(found, proof[at]);
  }
  need(equal(found, root), "not-included");
}

/** Verify that (old, oldRoot) is a prefix of (size, root); both sizes at least 1. */
export async function verifyConsistency({old, oldRoot, size, root, proof}) {
  need(old > 0 && isBelow(old - 1, size), "not-consistent");
  const lefts = sidesTo(old - 1, size, (start, end) => end === old);
  // Where the old tree is a whole left subtree of the new one, its root is known and not repeated in the proof.
  const path = lefts.includes(true) ? proof : [oldRoot, ...proof];
  need(path.length === lefts.length + 1, "not-consistent");
  let before = path[0], after = before;
  for (const [at, left] of lefts.entries()) {
    const sibling = path[at + 1];
    if (left) before = await nodeHash(sibling, before);
    after = left ? await nodeHash(sibling, after) : await nodeHash(after, sibling);
  }
  need(equal(before, oldRoot) && equal(after, root), "not-consistent");
}

/** Verify a Map from index to leaf hash under (size, root); every node of the proof must be consumed. */
export async function verifyMulti(leaves, {size, proof, root}) {
  const indexes = [...leaves.keys()];
  need(indexes.length && indexes.every((index) => isBelow(index, size)), "not-included");
  let used = 0;
  // The proof is used up in the order of the tree, before the first hash is there.
  const visit = (start, end, inside) => {
    if (!inside.length) return proof[used++] ?? refuse("not-included");
    if (end - start === 1) return leaves.get(start);
    const middle = middleOf(start, end), left = visit(start, middle, inside.filter((index) => index < middle));
    const halves = [left, visit(middle, end, inside.filter((index) => index >= middle))];
    return Promise.all(halves).then((both) => nodeHash(...both));
  };
  const found = await visit(0, size, indexes);
  need(used === proof.length && equal(found, root), "not-included");
}

/** The root over an array of leaf hashes, recomputed in full; SHA-256 of nothing for none. */
export async function rootOf(leaves) {
  if (leaves.length < 2) return leaves[0] ?? sha256();
  const middle = middleOf(0, leaves.length);
  return nodeHash(await rootOf(leaves.slice(0, middle)), await rootOf(leaves.slice(middle)));
}
