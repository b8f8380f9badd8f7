/*
 * The numbered protocol, from label to verdict (PROTOCOL.md).  Twin of verifier.py: the same sixteen steps, states and codes.
 */
import {checkShown, parseAnswer} from "./answer.js";
import {LogHistory, grantOf, recordOf, scopeUris, urisOf} from "./authority.js";
import {parseBundle} from "./bundle.js";
import {Refused, cat, equal, hex, inOrder, need, refuse, sha256, unb64u, unhex, utf8} from "./bytes.js";
import {journeyOf} from "./edges.js";
import {levelOf, parseLabel, productOf, subjectsOfUri} from "./gs1.js";
import {leafHash, verifyConsistency, verifyInclusion, verifyMulti} from "./merkle.js";
import {linesOf, openNote, parseCheckpoint, parseNote, verifyCosignature} from "./note.js";
import {DEV_CHAIN_IDS, metBy} from "./policy.js";
import {CONTROL_KINDS, entryBytes, parseTime, verifySignature} from "./statement.js";
import {int} from "./strict.js";

export const STEPS = ["bundle", "checkpoint", "witnesses", "clock", "statements", "signatures", "entries", "inclusion", "genesis",
  "keys", "label", "origin", "item", "answer", "recall", "anchor"];
const FOREVER = 2 ** 53, CLOCK_SKEW = 300; // seconds

/**
 * Run the protocol.  `label` is what the reader scanned, `now` seconds since 1970, `heads(pin)` reads {size, root} from the
 * reader's own RPC.  Returns the run {steps, answers, exitCode, …}; where a step fails it is the last and `run.error` is set.
 */
export async function verifyBundle(data, {policy, label, now = Math.floor(Date.now() / 1000), heads, onStep = () => {}}) {
  const run = {policy, label, now, heads, steps: [], records: [], recalls: []};
  run.take = (number, state, code, facts = {}) => {
    const step = {number, name: STEPS[number - 1], state, code, ...facts};
    run.steps.push(step);
    onStep(step, run);
  };
  run.state = (number) => run.steps.find((step) => step.number === number)?.state ?? "unchecked";
  run.verdict = () => verdictOf(run).answers;
  let number = 1;
  try {
    run.bundle = await parseBundle(data);
    run.take(1, "verified", "bundle-ok", {statements: run.bundle.statements.length});
    for (const take of TAKEN) {
      number += 1;
      await take(run, run.bundle);
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    error.step ??= number;
    run.error = error;
    // A browser without Ed25519 cannot tell: grey, and the run ends here.
    run.take(error.step, error.code === "no-ed25519" ? "unchecked" : "failed", error.code, {detail: error.message, where: error.where ?? ""});
  }
  return Object.assign(run, verdictOf(run));
}

function verdictOf(run) {
  const seen = run.state(3) === "verified" || run.state(16) === "verified";
  const whole = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12].every((number) => run.state(number) === "verified");
  // A recall says nothing against the record: it is an answer of its own.
  const failed = run.steps.some(({state, code}) => state === "failed" && code !== "recalled");
  const answers = {record: failed ? "failed" : seen && whole ? "verified" : "unchecked", item: run.state(13), recall: run.state(15)};
  const isGrey = answers.record === "unchecked" || answers.recall === "unchecked";
  return {answers, exitCode: Object.values(answers).includes("failed") ? 1 : isGrey ? 3 : 0};
}

/** Signed by the log that is named `origin`, and no line by a key that no check here binds. */
async function checkSigned(note, origin, logs, others = []) {
  const signed = await openNote(note, logs);
  need(signed.some((key) => key.name === origin), "wrong-origin");
  const known = [...logs, ...others].flatMap((key) => linesOf(note, key));
  need(note.lines.every((line) => known.includes(line)), "unknown-line");
}

async function takeCheckpoint(run, bundle) {
  const {logs, clocks, witnesses} = run.policy, note = run.note = parseNote(bundle.checkpoint);
  const {origin, size} = run.checkpoint = parseCheckpoint(note.text);
  await checkSigned(note, origin, logs, [...clocks, ...witnesses.values()]);
  run.take(2, "verified", "checkpoint-ok", {origin, size});
}

async function takeWitnesses(run) {
  const signed = new Set();
  for (const [name, key] of run.policy.witnesses) {
    for (const line of linesOf(run.note, key)) {
      await verifyCosignature(run.note.text, line, key);
      signed.add(name);
    }
  }
  const facts = {witnesses: [...signed].sort().join(", ")};
  if (metBy(run.policy, signed)) run.take(3, "verified", "witnessed", facts);
  else run.take(3, "unchecked", signed.size ? "no-quorum" : "operator-only", facts);
}

async function takeClock(run) {
  const times = [];
  for (const key of run.policy.clocks) for (const line of linesOf(run.note, key)) times.push(await verifyCosignature(run.note.text, line, key));
  if (!times.length) return run.take(4, "unchecked", "no-clock");
  const time = run.time = Math.max(...times), age = run.now - time, isOld = age > run.policy.maxAge;
  if (isOld || age < -CLOCK_SKEW) return run.take(4, "unchecked", isOld ? "too-old" : "from-the-future", {time});
  run.take(4, "verified", "fresh", {time});
}

async function takeStatements(run, {statements}) {
  run.records = await inOrder(statements, ({index, time, statement}) => at(index, () => recordOf(index, time, statement)));
  run.take(5, "verified", "statements-ok", {count: run.records.length});
}

async function takeSignatures(run) {
  const granting = run.records.filter(({kind}) => kind === "Genesis" || kind === "PartyRegistration");
  const grants = await inOrder(granting, ({statement, index}) => grantOf(statement, index));
  const jwks = new Map(grants.map(({key, jwk}) => [key, jwk]));
  await inOrder(run.records, ({index, statement}) => at(index, () =>
    verifySignature(statement, jwks.get(statement.header.kid) ?? refuse("unknown-key"))));
  run.take(6, "verified", "signatures-ok", {count: run.records.length});
}

/** Run a check about one entry, and name the entry where it refuses. */
async function at(index, check) {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Refused) error.where = `index ${index}${error.where ?? ""}`;
    throw error;
  }
}

async function takeEntries(run, {statements}) {
  await inOrder(run.records, async ({index, time, keys, statement}, place) => {
    const leaf = await leafHash(entryBytes(time, statement.digest, keys));
    need(equal(leaf, statements[place].leaf), "wrong-entry", "index " + index);
  });
  run.take(7, "verified", "entries-ok");
}

async function takeInclusion(run, {statements, proof}) {
  const {size, root} = run.checkpoint;
  await verifyMulti(new Map(statements.map(({index, leaf}) => [index, leaf])), {size, proof, root});
  need(run.records.every(({time}, place) => !place || run.records[place - 1].time <= time), "time-runs-back");
  run.take(8, "verified", "inclusion-ok", {size});
}

async function takeGenesis(run, {statements: [{leaf}]}) {
  const [{index, kind, statement: {subject}}] = run.records, {origin} = run.checkpoint;
  need(index === 0 && kind === "Genesis" && subject.log === origin, "no-genesis");
  need(run.policy.logs.some(({name, vkey}) => name === origin && vkey === subject.logKey), "wrong-genesis");
  need(run.policy.anchors.every(({logId}) => logId === "0x" + hex(leaf)), "wrong-genesis");
  run.take(9, "verified", "genesis-ok", {origin});
}

async function takeKeys(run) {
  const history = run.history = new LogHistory(run.checkpoint.origin, run.policy.registrars);
  for (const record of run.records) await history.add(record);
  for (const {index, kind, issuer, statement: {header: {kid}}} of run.records.slice(1)) {
    const reason = history.refused.get(index);
    await at(index, () => {
      if (reason && ["Genesis", "PartyRegistration", "KeyRevocation"].includes(kind)) refuse(reason.code);
      history.keyAt(issuer, kid, index);
    });
  }
  run.counted = standingOf(run);
  run.take(10, "verified", "keys-ok");
}

async function takeLabel(run, bundle) {
  const label = run.label ?? bundle.label;
  try {
    run.serial = parseLabel(label).serial;
    run.named = subjectsOfUri(label);
    need(run.named.join() === subjectsOfUri(bundle.label).join(), "wrong-label");
  } catch (error) {
    if (error instanceof Refused) error.where = "label";
    throw error;
  }
  run.lot = run.named.find((uri) => levelOf(uri) === "lot") ?? run.named[0];
  need(run.records.some(({event}) => event && urisOf(event).includes(run.lot)), "label-not-told", run.lot);
  run.take(11, "verified", run.label === undefined ? "label-of-bundle" : "label-ok", {uri: run.lot});
}

/** Records that count: not refused, disputed, withdrawn, erased or declared wrong, and no adoption of one that stands. */
function standingOf({records, history}) {
  let kept = records.filter(({issuer, index, statement}) => !history.refused.has(index) &&
    index < (history.revocation(issuer, statement.header.kid, FOREVER)?.from ?? Infinity));
  const gone = kept.filter(({kind}) => kind === "Withdrawal" || kind === "Erasure").map(({statement}) => statement.subject.digest);
  const nameOf = ({issuer, event}) => JSON.stringify([issuer, event.eventId]);
  const wrong = kept.filter(({event}) => event?.errorDeclaration).map(nameOf);
  kept = kept.filter((one) => (CONTROL_KINDS.includes(one.kind) || !gone.includes(one.digest)) && !(one.event && wrong.includes(nameOf(one))));
  const told = kept.map(({digest}) => digest);
  return kept.filter(({kind, statement}) => kind !== "Adoption" || !told.includes(statement.subject.adopts));
}

async function takeOrigin(run) {
  const {edges, origins, state} = run.journey = journeyOf(run.lot, run.counted, run.history);
  const usurper = origins.find((one) => one.uri === run.lot && one.state === "claimed");
  need(!usurper, "third-party-claim", usurper?.party);
  const claims = edges.filter((edge) => edge.state !== "confirmed").map(({receiver, uri, index}) => ({receiver, uri, index}));
  if (!origins.length) run.take(12, "unchecked", "no-origin", {claims});
  else if (state === "confirmed") run.take(12, "verified", "origin-ok", {origins});
  else run.take(12, "unchecked", state === "unknown" ? "receiver-withheld" : "claimed-only", {origins, claims});
}

async function takeItem(run, {item}) {
  for (const record of run.records.filter(({event}) => event && !event.isSelling)) await at(record.index, () => run.history.checkSerials(record));
  if (!run.serial) return run.take(13, "none", "no-serial");
  if (!item) return run.take(13, "unchecked", "no-item-proof");
  const commitments = run.history.commitments(run.lot, FOREVER), mine = commitments.find(({index}) => index === item.commitment);
  need(mine, "no-commitment");
  if (!run.counted.some(({index}) => index === item.commitment)) return run.take(13, "unchecked", "disputed");
  const {root, count} = mine.statement.subject, code = unhex(item.code.toString(16).padStart(8, "0"));
  try {
    const leaf = await leafHash(cat(await sha256(utf8(run.lot)), code, utf8(run.serial)));
    await verifyInclusion({leaf, index: item.code, size: int(count), proof: item.path, root: unb64u(root, 32)});
  } catch (error) {
    if (error instanceof Refused) refuse("not-committed");
    throw error;
  }
  run.take(13, "stated", "one-of", {count: commitments.reduce((sum, {statement}) => sum + int(statement.subject.count), 0)});
}

const keyOf = async (uri) => hex(await sha256(utf8(uri)));

async function takeAnswer(run, bundle) {
  const note = parseNote(bundle.answer), {origin, size, root} = run.checkpoint;
  await checkSigned(note, origin, run.policy.logs);
  const answer = parseAnswer(note.text);
  need(answer.origin === origin && answer.size === size && equal(answer.root, root), "other-checkpoint");
  const asked = await Promise.all([...run.journey.visited].map(keyOf)), registrars = run.policy.registrars.map(({uri}) => uri);
  const issuers = run.records.filter(({kind}) => kind !== "Genesis" && kind !== "PartyRegistration").map(({issuer}) => issuer);
  const parties = await Promise.all([...new Set(issuers)].filter((uri) => !registrars.includes(uri)).map(keyOf));
  await checkShown(answer, new Map(run.records.map(({index, keys}) => [index, keys.map(hex)])), asked, parties);
  run.take(14, "stated", "answer-ok", {size, keys: answer.key.size});
}

async function takeRecall(run) {
  // A disputed notice still warns; a disputed closing closes nothing.
  const notices = run.records.filter(({kind, index}) => kind === "RecallNotice" && !run.history.refused.has(index));
  const closed = run.counted.map(({kind, statement}) => kind === "RecallNotice" && statement.subject.closes), {size} = run.checkpoint;
  const opened = notices.filter(({digest, statement}) => !("closes" in statement.subject) && !closed.includes(digest));
  run.recalls = opened.filter(({statement}) => reaches(run, statement.subject));
  const isFresh = run.state(4) === "verified";
  if (run.recalls.length) run.take(15, "failed", "recalled", {indexes: run.recalls.map(({index}) => index).join(", ")});
  else run.take(15, isFresh ? "stated" : "unchecked", isFresh ? "none-reported" : "answer-too-old", {size, time: run.time});
}

/** Whether a recall names something on the way back that was made, or was at a named place, within the recall's time. */
function reaches({named, lot, journey, records}, subject) {
  const reached = scopeUris(subject).filter((uri) => named[0] === uri || lot === uri || journey.visited.has(uri));
  const {from, until} = subject.scope, way = records.filter(({event, index}) => event && journey.records.has(index));
  const times = way.filter(({event}) => madeOrAt(event).some((uri) => reached.includes(uri))).map(({event}) => event.time);
  const inside = times.filter((time) => (!from || time >= parseTime(from)) && (!until || time <= parseTime(until)));
  return reached.length > 0 && (!times.length || inside.length > 0);
}

const madeOrAt = ({commissioned, readPoint, bizLocation}) =>
  [...commissioned.flatMap(({uri, lot}) => [uri, lot, productOf(uri)]), readPoint, bizLocation];

async function takeAnchor(run, bundle) {
  const {policy: {anchors}} = run, pairs = anchors.flatMap((pin) => bundle.anchors
    .filter(({chainId, contract}) => pin.chainId === chainId && pin.contract === contract.toLowerCase()).map((evidence) => [pin, evidence]));
  if (!pairs.length) return run.take(16, anchors.length ? "unchecked" : "none", "not-anchored");
  const found = [];
  for (const [pin, evidence] of pairs) found.push(await oneAnchor(run, pin, evidence));
  // Anchors stand by themselves: one chain that is down does not hide another.
  run.take(16, ...found.find(([state]) => state === "verified") ?? found[0]);
}

async function oneAnchor({checkpoint, heads, records}, pin, {size, root, consistency: proof}) {
  const [old, next] = size <= checkpoint.size ? [{size, root}, checkpoint] : [checkpoint, {size, root}];
  await verifyConsistency({old: old.size, oldRoot: old.root, size: next.size, root: next.root, proof});
  const facts = {chain: pin.chainId, size};
  if (!heads) return ["unchecked", "no-rpc", facts];
  let head;
  try {
    head = await heads(pin);
  } catch (error) {
    return ["unchecked", "rpc-failed", {...facts, detail: error.message}];
  }
  need(head.size !== size || equal(head.root, root), "anchor-mismatch", "chain " + pin.chainId);
  if (head.size !== size) return ["unchecked", head.size > size ? "anchor-moved-on" : "not-yet-anchored", {...facts, size: head.size}];
  if (DEV_CHAIN_IDS.includes(pin.chainId)) return ["unchecked", "dev-chain", facts];
  return size > records.at(-1).index ? ["verified", "anchored", facts] : ["unchecked", "anchored-in-part", facts];
}

const TAKEN = [takeCheckpoint, takeWitnesses, takeClock, takeStatements, takeSignatures, takeEntries, takeInclusion, takeGenesis, takeKeys,
  takeLabel, takeOrigin, takeItem, takeAnswer, takeRecall, takeAnchor];
