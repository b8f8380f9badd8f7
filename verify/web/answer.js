/*
 * The answer note: what the operator says exists about the subjects of one scan, over its own signature.  Twin of answer.py.
 * Source: protocol.md section 1, Bundle.
 */
import {b64, equal, hex, need, refuse, sha256, unb64, utf8} from "./bytes.js";
import {rootOf} from "./merkle.js";
import {CONTROL_KINDS} from "./statement.js";
import {isCount} from "./strict.js";

const kindKeys = async (kinds) => new Set(await Promise.all(kinds.map(async (kind) => hex(await sha256(utf8("urn:originmark:kind:" + kind))))));

/** How many entries match, and the SHA-256 over their indexes (u64 big-endian each). */
async function matchesOf(indexes) {
  const bytes = indexes.map((index) => Array.from(index.toString(16).padStart(16, "0").match(/../g), (pair) => parseInt(pair, 16)));
  return `${indexes.length} ${b64(await sha256(...bytes))}`;
}

/** Parse the text of an answer note; keys are hexadecimal, each with its `count digest`. */
export function parseAnswer(noteText) {
  const lines = noteText.split("\n"), [header, origin, size, root, time] = lines, answer = {origin, key: new Map(), party: new Map()};
  const code = "bad-answer", isAscending = (list) => list.every((one, at) => !at || list[at - 1] < one);
  need(header === "originmark.org/answer@v1" && lines.length > 6 && lines.at(-1) === "", code);
  need(isCount(size) && time.startsWith("time ") && isCount(time.slice(5)), code);
  const order = [];
  for (const line of lines.slice(5, -2)) {
    const [word, key, count, digest, ...more] = line.split(" ");
    need(/^(key|party)$/.test(word) && digest && !more.length && isCount(count), code);
    answer[word].set(hex(unb64(key, 32)), `${count} ${b64(unb64(digest, 32))}`);
    order.push(word + hex(unb64(key, 32)));
  }
  const [word, ...control] = lines.at(-2).split(" ");
  need(word === "control" && control.every(isCount) && isAscending(control.map(Number)) && isAscending(order) && order.length <= 1024, code);
  return {...answer, size: Number(size), root: unb64(root, 32), time: Number(time.slice(5)), control: control.map(Number)};
}

/** Check an answer against what is shown with it (index -> keys as hex): see answer.py. */
export async function checkShown(answer, shown, asked, parties) {
  need(asked.every((key) => answer.key.has(key)) && parties.every((key) => answer.party.has(key)), "subject-not-asked");
  need(answer.control.every((index) => shown.has(index)), "control-not-shown");
  const controlKeys = await kindKeys(CONTROL_KINDS), partyKeys = await kindKeys(["PartyRegistration", "KeyRevocation"]);
  for (const word of ["key", "party"]) {
    for (const [key, claim] of answer[word]) {
      const seen = [...shown].filter(([, keys]) => keys.includes(key) && (word === "key" || keys.some((one) => partyKeys.has(one))));
      const control = seen.filter(([, keys]) => keys.some((one) => controlKeys.has(one)));
      need(control.every(([index]) => answer.control.includes(index)), "control-not-answered");
      const count = Number(claim.split(" ")[0]), isWhole = word === "party" || count === seen.length;
      need(count >= seen.length && (!isWhole || claim === await matchesOf(seen.map(([index]) => index))), "wrong-count");
    }
  }
}

/** Try an answer against the log's own entries, all of them: refuses `other-log` or `omitted`. */
export async function convict(answer, entries) {
  const leaves = [];
  for (const entry of entries) leaves.push(await sha256([0], entry));
  need(entries.length === answer.size && equal(await rootOf(leaves), answer.root), "other-log");
  const controlKeys = await kindKeys(CONTROL_KINDS), partyKeys = await kindKeys(["PartyRegistration", "KeyRevocation"]);
  const found = {key: new Map(), party: new Map()}, control = new Set();
  for (const [index, entry] of entries.entries()) {
    const keys = hex(entry.slice(41)).match(/.{64}/g) ?? refuse("bad-entry");
    for (const key of keys) {
      const isParty = keys.some((one) => partyKeys.has(one));
      if (answer.key.has(key)) found.key.set(key, [...found.key.get(key) ?? [], index]);
      if (isParty && answer.party.has(key)) found.party.set(key, [...found.party.get(key) ?? [], index]);
      if (answer.key.has(key) && keys.some((one) => controlKeys.has(one)) || isParty && answer.party.has(key)) control.add(index);
    }
  }
  need([...control].join() === answer.control.join(), "omitted");
  for (const word of ["key", "party"]) {
    for (const [key, claim] of answer[word]) need(claim === await matchesOf(found[word].get(key) ?? []), "omitted");
  }
}
