/*
 * The proof: steps 1 to 4, 6, 8 and 9 of PROTOCOL.md, which need form and cryptography but no rule of who may say what.
 *
 * A check returns [state, code, facts] or refuses; what it finds stays in its run, and no run makes it twice.  The page makes
 * these first, while the rest of the verifier is still on its way; verifier.js then takes all sixteen steps in their order.
 */
import {parseBundle} from "./bundle.js";
import {Refused, equal, hex, inOrder, need, refuse, sha256, unhex, utf8} from "./bytes.js";
import {leafHash, verifyMulti} from "./merkle.js";
import {linesOf, openNote, parseCheckpoint, parseNote, verifyCosignature} from "./note.js";
import {metBy} from "./policy.js";
import {entryBytes, thumbprint, verifySignature} from "./statement.js";

const CLOCK_SKEW = 300; // seconds

/**
 * Open a run over a bundle's text.  `label` is what the reader scanned, `now` seconds since 1970, `heads(pin)` reads {size, root}
 * from the reader's own RPC, `onStep(step, run)` is told of each step.
 */
export const openRun = (data, {policy, label, now = Math.floor(Date.now() / 1000), heads, onStep = () => {}}) =>
  ({data, policy, label, now, heads, onStep, made: new Map(), steps: [], records: [], recalls: []});

/** What a check of the run came to; it is made once. */
export function outcome(run, check) {
  if (!run.made.has(check)) run.made.set(check, check(run));
  return run.made.get(check);
}

/**
 * Prove that the log holds exactly these records, signed and filed under `subjects` (for each record its URIs, or keys as
 * hexadecimal), or refuse.  That each record names these subjects and no others is for step 7.
 */
export async function prove(run, subjects) {
  await outcome(run, checkBundle);
  const keyed = async (uri) => [uri, /^[\da-f]{64}$/.test(uri) ? uri : await keyOf(uri)];
  const keys = new Map(await inOrder([...new Set(subjects.flat())], keyed));
  const checkFiled = () => inOrder(run.bundle.statements, async ({time, statement, leaf}, at) => {
    const filed = [...new Set(subjects[at].map((uri) => keys.get(uri)))].sort().map(unhex);
    need(equal(await leafHash(entryBytes(time, statement.digest, filed)), leaf), "wrong-entry");
  });
  // All at once: the checkpoint is read, if it can be, before the first of them waits.
  const checks = [checkCheckpoint, checkWitnesses, checkSignatures, checkFiled, checkInclusion, checkGenesis];
  await inOrder(checks, (check) => outcome(run, check));
}

/** The key of a subject in the log, as hexadecimal. */
export const keyOf = async (uri) => hex(await sha256(utf8(uri)));

/** Run a check about one entry, and name the entry where it refuses. */
export async function atEntry(index, check) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Refused) error.where = `index ${index}${error.where ?? ""}`;
    throw error;
  }
}

export async function checkBundle(run) {
  run.bundle = await parseBundle(run.data);
  return ["verified", "bundle-ok", {statements: run.bundle.statements.length}];
}

/** Signed by the log that is named `origin`, and no line by a key that no check here binds. */
export async function checkSigned(note, origin, logs, others = []) {
  const signed = await openNote(note, logs);
  need(signed.some((key) => key.name === origin), "wrong-origin");
  const known = [...logs, ...others].flatMap((key) => linesOf(note, key));
  need(note.lines.every((line) => known.includes(line)), "unknown-line");
}

export async function checkCheckpoint(run) {
  const {logs, clocks, witnesses} = run.policy, note = run.note = parseNote(run.bundle.checkpoint);
  const {origin, size} = run.checkpoint = parseCheckpoint(note.text);
  await checkSigned(note, origin, logs, [...clocks, ...witnesses.values()]);
  return ["verified", "checkpoint-ok", {origin, size}];
}

/** The times at which `key` cosigned the checkpoint. */
const cosigned = ({note}, key) => inOrder(linesOf(note, key), (line) => verifyCosignature(note.text, line, key));

export async function checkWitnesses(run) {
  const times = await inOrder([...run.policy.witnesses], async ([name, key]) => (await cosigned(run, key)).map(() => name));
  const signed = new Set(times.flat()), facts = {witnesses: [...signed].sort().join(", ")};
  if (metBy(run.policy, signed)) return ["verified", "witnessed", facts];
  return ["unchecked", signed.size ? "no-quorum" : "operator-only", facts];
}

export async function checkClock(run) {
  const times = (await inOrder(run.policy.clocks, (key) => cosigned(run, key))).flat();
  if (!times.length) return ["unchecked", "no-clock"];
  const time = run.time = Math.max(...times), age = run.now - time, isOld = age > run.policy.maxAge;
  if (isOld || age < -CLOCK_SKEW) return ["unchecked", isOld ? "too-old" : "from-the-future", {time}];
  return ["verified", "fresh", {time}];
}

export async function checkSignatures({bundle: {statements}}) {
  const granting = statements.filter(({statement: {kind}}) => kind === "Genesis" || kind === "PartyRegistration");
  const jwks = new Map(await inOrder(granting, async ({statement: {kind, subject}}) => {
    const jwk = kind === "Genesis" ? subject.registrar?.jwk : subject.jwk;
    return [await thumbprint(jwk), jwk];
  }));
  await inOrder(statements, ({index, statement}) => atEntry(index, () =>
    verifySignature(statement, jwks.get(statement.header.kid) ?? refuse("unknown-key"))));
  return ["verified", "signatures-ok", {count: statements.length}];
}

export async function checkInclusion({checkpoint: {size, root}, bundle: {statements, proof}}) {
  await verifyMulti(new Map(statements.map(({index, leaf}) => [index, leaf])), {size, proof, root});
  need(statements.every(({time}, place) => !place || statements[place - 1].time <= time), "time-runs-back");
  return ["verified", "inclusion-ok", {size}];
}

export async function checkGenesis({policy, checkpoint: {origin}, bundle: {statements: [{index, leaf, statement: {kind, subject}}]}}) {
  need(index === 0 && kind === "Genesis" && subject.log === origin, "no-genesis");
  need(policy.logs.some(({name, vkey}) => name === origin && vkey === subject.logKey), "wrong-genesis");
  need(policy.anchors.every(({logId}) => logId === "0x" + hex(leaf)), "wrong-genesis");
  return ["verified", "genesis-ok", {origin}];
}
