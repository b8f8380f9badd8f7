/*
 * Ask sigstore's verifier about our log: checkpoints and inclusion proofs, read as JSON from standard input.
 *
 * In: {"name", "public": base64 SPKI, "keyId": base64, "proofs": [{"index", "hashes": [base64], "entry": base64, "checkpoint"}]}
 * Out: one JSON list, "verified" or sigstore's own message for each proof.
 */
const {createPublicKey} = require("node:crypto");
const {readFileSync} = require("node:fs");
const {verifyCheckpoint} = require("./node_modules/@sigstore/verify/dist/tlog/checkpoint.js");
const {verifyMerkleInclusion} = require("./node_modules/@sigstore/verify/dist/tlog/merkle.js");

const bytes = (text) => Buffer.from(text, "base64");
const given = JSON.parse(readFileSync(0, "utf8"));
const log = {
  baseURL: `https://${given.name}`,
  logID: bytes(given.keyId),
  publicKey: createPublicKey({key: bytes(given.public), format: "der", type: "spki"}),
};

function check({index, hashes, entry, checkpoint}) {
  const proof = {logIndex: String(index), hashes: hashes.map(bytes), checkpoint: {envelope: checkpoint}};
  const found = {inclusionProof: proof, canonicalizedBody: bytes(entry)};
  try {
    verifyMerkleInclusion(found, verifyCheckpoint(found, [log]));
    return "verified";
  } catch (error) {
    return error.message;
  }
}

console.log(JSON.stringify(given.proofs.map(check)));
