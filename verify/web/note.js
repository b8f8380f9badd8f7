/*
 * Signed notes, checkpoints and cosignatures.  Twin of note.py, checkpoint.py and cosignature.py.
 * Kinds of key: 1 Ed25519 over the text, 4 timestamped Ed25519 cosignature.  Unknown lines are ignored here and refused by
 * the bundle; a known key whose line does not verify rejects the whole note.  Where WebCrypto has no Ed25519 the code is
 * `no-ed25519`, which the verifier shows as "could not be checked", never as a failure.
 *
 * Source: c2sp.org/signed-note v1.0.0, c2sp.org/tlog-checkpoint v1.0.0, c2sp.org/tlog-cosignature.
 */
import {equal, hex, need, sha256, unb64, utf8} from "./bytes.js";
import {isCount} from "./strict.js";

const NOTE_CONTROL = /[\0-\t\v-\x1f\x7f]|\p{Cs}/u;
const NOT_IN_NAME = /[+\p{Z}\t-\r\x1c-\x1f\x85]/u;
// In hexadecimal without the sign bit: the small-order points 0, 1, p-1, the two of order 8, and every spelling from p up.
const WEAK_POINT = new RegExp("^(0[01](00){31}|(e[c-f]|f.)(ff){30}7f" +
  "|26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05" +
  "|c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a)$");

/** Refuse an Ed25519 public key that verifies signatures nobody made. */
export function checkPoint(point) {
  need(!WEAK_POINT.test(hex([...point.slice(0, 31), point[31] & 127])), "weak-key");
}

/** Refuse unless `point` (32 bytes) signed exactly `message`. */
export async function verifyEd25519(point, message, signature, where) {
  let good;
  try {
    const key = await crypto.subtle.importKey("raw", point, "Ed25519", false, ["verify"]);
    good = await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch (error) {
    // DataError: 32 bytes that are no point.  All else means that this browser does not know the curve.
    need(error.name === "DataError", "no-ed25519", where);
  }
  need(good, "bad-signature", where);
}

/** Parse `name+keyid+base64(kind || key)`. */
export async function parseVkey(vkey) {
  const [name, keyId, ...rest] = vkey.split("+"), data = unb64(rest.join("+")), kind = data[0], point = data.slice(1);
  need(data.length === 33 && (kind === 1 || kind === 4), "bad-vkey");
  const id = (await sha256(utf8(name + "\n"), data)).slice(0, 4);
  need(name && !NOT_IN_NAME.test(name) && hex(id) === keyId, "bad-vkey");
  checkPoint(point);
  return {name, kind, point, id, vkey};
}

/** Parse a note of at most 64 KiB into {text, lines: [{name, id, payload}]}.  Nothing is verified yet. */
export function parseNote(whole) {
  const gap = whole.lastIndexOf("\n\n"), lines = whole.slice(gap + 2).split("\n");
  need(gap > 0 && lines.pop() === "" && lines.length && lines.length <= 64 && !NOTE_CONTROL.test(whole) &&
    utf8(whole).length <= 65536, "bad-note");
  return {text: whole.slice(0, gap + 1), lines: lines.map(parseNoteLine)};
}

function parseNoteLine(line) {
  const [dash, name, encoded, ...more] = line.split(" ");
  need(dash === "—" && name && !NOT_IN_NAME.test(name) && encoded !== undefined && !more.length, "bad-note");
  const data = unb64(encoded);
  need(data.length > 4, "bad-note");
  return {name, id: data.slice(0, 4), payload: data.slice(4)};
}

/** The lines of a note that claim to be by `key`. */
export const linesOf = (note, key) => note.lines.filter((line) => line.name === key.name && equal(line.id, key.id));

/** Verify a parsed note against keys of kind 1 and return those that signed it, at least one. */
export async function openNote(note, keys) {
  const signed = keys.filter((key) => linesOf(note, key).length);
  for (const key of signed) {
    for (const line of linesOf(note, key)) await verifyEd25519(key.point, utf8(note.text), line.payload, key.name);
  }
  need(signed.length, "no-known-signature");
  return signed;
}

/** Parse a note's text as origin, size and root; extension lines are refused. */
export function parseCheckpoint(noteText) {
  const [origin, size, root, end, ...more] = noteText.split("\n");
  need(origin && isCount(size) && end === "" && !more.length, "bad-checkpoint");
  return {origin, size: Number(size), root: unb64(root, 32)};
}

/** Verify one line of kind 4 and return its time, seconds since 1970. */
export async function verifyCosignature(noteText, {payload}, key) {
  need(key.kind === 4 && payload.length === 72, "bad-signature", key.name);
  const time = BigInt("0x" + hex(payload.slice(0, 8)));
  await verifyEd25519(key.point, utf8(`cosignature/v1\ntime ${time}\n${noteText}`), payload.slice(8), key.name);
  return Number(time);
}
