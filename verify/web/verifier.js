/*
 * The numbered protocol, from label to verdict (PROTOCOL.md).  Twin of verifier.py: the same sixteen steps, states and codes;
 * those of the proof are in proof.js.
 */
import {checkShown, parseAnswer} from "./answer.js";
import {LogHistory, grantOf, recordOf, scopeUris, urisOf} from "./authority.js";
import {Refused, cat, equal, hex, inOrder, need, refuse, sha256, unb64u, unhex, utf8} from "./bytes.js";
import {journeyOf} from "./edges.js";
import {levelOf, parseLabel, productOf, subjectsOfUri} from "./gs1.js";
import {leafHash, verifyConsistency, verifyInclusion} from "./merkle.js";
import {parseNote} from "./note.js";
import {DEV_CHAIN_IDS} from "./policy.js";
import {
  atEntry, checkBundle, checkCheckpoint, checkClock, checkGenesis, checkInclusion, checkSignatures, checkSigned, checkWitnesses, keyOf,
  openRun, outcome,
} from "./proof.js";
import {CONTROL_KINDS, entryBytes, parseTime} from "./statement.js";
import {int} from "./strict.js";

const FOREVER = 2 ** 53;

/** Run the protocol over a bundle's text; see openRun and finish. */
export const verifyBundle = (data, given) => finish(openRun(data, given));

/**
 * Take all sixteen steps of a run in their order, whatever of them prove made before.  Returns the run {steps, answers, exitCode,
 * …}; where a step fails it is the last and `run.error` is set.
 */
export async function finish(run) {
  const take = (number, name, [state, code, facts]) => {
    const step = {number, name, state, code, ...facts};
    run.steps.push(step);
    Object.assign(run, verdictOf(run));
    run.onStep(step, run);
  };
  const steps = Object.entries(CHECKS);
  for (const [at, [name, check]] of steps.entries()) {
    try {
      take(at + 1, name, await outcome(run, check));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const {code, message: detail, where = "", step = at + 1} = run.error = Object.assign(error, {step: error.step ?? at + 1});
      // A browser without Ed25519 cannot tell: grey, and the run ends here.
      take(step, steps[step - 1][0], [code === "no-ed25519" ? "unchecked" : "failed", code, {detail, where}]);
      break;
    }
  }
  return run;
}

const stateOf = ({steps}, wanted) => steps.find(({number}) => number === wanted)?.state ?? "unchecked";

function verdictOf(run) {
  const seen = stateOf(run, 3) === "verified" || stateOf(run, 16) === "verified";
  const whole = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12].every((number) => stateOf(run, number) === "verified");
  // A recall says nothing against the record: it is an answer of its own.
  const failed = run.steps.some(({state, code}) => state === "failed" && code !== "recalled");
  const answers = {record: failed ? "failed" : seen && whole ? "verified" : "unchecked", item: stateOf(run, 13), recall: stateOf(run, 15)};
  const isGrey = answers.record === "unchecked" || answers.recall === "unchecked";
  return {answers, exitCode: Object.values(answers).includes("failed") ? 1 : isGrey ? 3 : 0};
}

async function checkStatements(run) {
  run.records = await inOrder(run.bundle.statements, ({index, time, statement}) => atEntry(index, () => recordOf(index, time, statement)));
  return ["verified", "statements-ok", {count: run.records.length}];
}

/** Step 6: registrations have their form, and then what the proof asks. */
async function checkRegistered(run) {
  const granting = run.records.filter(({kind}) => kind === "Genesis" || kind === "PartyRegistration");
  await inOrder(granting, ({statement, index}) => grantOf(statement, index));
  return outcome(run, checkSignatures);
}

async function checkEntries({records, bundle: {statements}}) {
  await inOrder(records, async ({index, time, keys, statement}, place) => {
    const leaf = await leafHash(entryBytes(time, statement.digest, keys));
    need(equal(leaf, statements[place].leaf), "wrong-entry", "index " + index);
  });
  return ["verified", "entries-ok"];
}

async function checkKeys(run) {
  const history = run.history = new LogHistory(run.checkpoint.origin, run.policy.registrars);
  for (const record of run.records) await history.add(record);
  for (const {index, kind, issuer, statement: {header: {kid}}} of run.records.slice(1)) {
    const reason = history.refused.get(index);
    await atEntry(index, () => {
      if (reason && ["Genesis", "PartyRegistration", "KeyRevocation"].includes(kind)) refuse(reason.code);
      history.keyAt(issuer, kid, index);
    });
  }
  run.counted = standingOf(run);
  return ["verified", "keys-ok", {erased: run.records.filter(({kind}) => kind === "Erasure").length}];
}

async function checkLabel(run) {
  const label = run.label ?? run.bundle.label;
  try {
    run.serial = parseLabel(label).serial;
    run.named = subjectsOfUri(label);
    need(run.named.join() === subjectsOfUri(run.bundle.label).join(), "wrong-label");
  } catch (error) {
    if (error instanceof Refused) error.where = "label";
    throw error;
  }
  run.lot = run.named.find((uri) => levelOf(uri) === "lot") ?? run.named[0];
  need(run.records.some(({event}) => event && urisOf(event).includes(run.lot)), "label-not-told", run.lot);
  return ["verified", run.label === undefined ? "label-of-bundle" : "label-ok", {uri: run.lot}];
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

async function checkOrigin(run) {
  const {edges, origins, state} = run.journey = journeyOf(run.lot, run.counted, run.history);
  const usurper = origins.find((one) => one.uri === run.lot && one.state === "claimed");
  need(!usurper, "third-party-claim", usurper?.party);
  const claims = edges.filter((edge) => edge.state !== "confirmed").map(({receiver, uri, index}) => ({receiver, uri, index}));
  if (!origins.length) return ["unchecked", "no-origin", {claims}];
  if (state === "confirmed") return ["verified", "origin-ok", {origins}];
  return ["unchecked", state === "unknown" ? "receiver-withheld" : "claimed-only", {origins, claims}];
}

async function checkItem(run) {
  const {item} = run.bundle;
  for (const record of run.records.filter(({event}) => event && !event.isSelling)) await atEntry(record.index, () => run.history.checkSerials(record));
  if (!run.serial) return ["none", "no-serial"];
  if (!item) return ["unchecked", "no-item-proof"];
  const commitments = run.history.commitments(run.lot, FOREVER), mine = commitments.find(({index}) => index === item.commitment);
  need(mine, "no-commitment");
  if (!run.counted.some(({index}) => index === item.commitment)) return ["unchecked", "disputed"];
  const {root, count} = mine.statement.subject, code = unhex(item.code.toString(16).padStart(8, "0"));
  try {
    const leaf = await leafHash(cat(await sha256(utf8(run.lot)), code, utf8(run.serial)));
    await verifyInclusion({leaf, index: item.code, size: int(count), proof: item.path, root: unb64u(root, 32)});
  } catch (error) {
    if (error instanceof Refused) refuse("not-committed");
    throw error;
  }
  return ["stated", "one-of", {count: commitments.reduce((sum, {statement}) => sum + int(statement.subject.count), 0)}];
}

async function checkAnswer(run) {
  const note = parseNote(run.bundle.answer), {origin, size, root} = run.checkpoint;
  await checkSigned(note, origin, run.policy.logs);
  const answer = parseAnswer(note.text);
  need(answer.origin === origin && answer.size === size && equal(answer.root, root), "other-checkpoint");
  const asked = await Promise.all([...run.journey.visited].map(keyOf)), registrars = run.policy.registrars.map(({uri}) => uri);
  const issuers = run.records.filter(({kind}) => kind !== "Genesis" && kind !== "PartyRegistration").map(({issuer}) => issuer);
  const parties = await Promise.all([...new Set(issuers)].filter((uri) => !registrars.includes(uri)).map(keyOf));
  await checkShown(answer, new Map(run.records.map(({index, keys}) => [index, keys.map(hex)])), asked, parties);
  return ["stated", "answer-ok", {size, keys: answer.key.size}];
}

async function checkRecall(run) {
  // A disputed notice still warns; a disputed closing closes nothing.
  const notices = run.records.filter(({kind, index}) => kind === "RecallNotice" && !run.history.refused.has(index));
  const closed = run.counted.map(({kind, statement}) => kind === "RecallNotice" && statement.subject.closes), {size} = run.checkpoint;
  const opened = notices.filter(({digest, statement}) => !("closes" in statement.subject) && !closed.includes(digest));
  run.recalls = opened.filter(({statement}) => reaches(run, statement.subject));
  const isFresh = stateOf(run, 4) === "verified";
  if (run.recalls.length) return ["failed", "recalled", {indexes: run.recalls.map(({index}) => index).join(", ")}];
  return [isFresh ? "stated" : "unchecked", isFresh ? "none-reported" : "answer-too-old", {size, time: run.time}];
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

async function checkAnchor(run) {
  const {policy: {anchors}, bundle} = run, pairs = anchors.flatMap((pin) => bundle.anchors
    .filter(({chainId, contract}) => pin.chainId === chainId && pin.contract === contract.toLowerCase()).map((evidence) => [pin, evidence]));
  if (!pairs.length) return [anchors.length ? "unchecked" : "none", "not-anchored"];
  const found = [];
  for (const [pin, evidence] of pairs) found.push(await oneAnchor(run, pin, evidence));
  // Anchors stand by themselves: one chain that is down does not hide another.
  return found.find(([state]) => state === "verified") ?? found[0];
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

const CHECKS = {
  bundle: checkBundle, checkpoint: checkCheckpoint, witnesses: checkWitnesses, clock: checkClock, statements: checkStatements,
  signatures: checkRegistered, entries: checkEntries, inclusion: checkInclusion, genesis: checkGenesis, keys: checkKeys,
  label: checkLabel, origin: checkOrigin, item: checkItem, answer: checkAnswer, recall: checkRecall, anchor: checkAnchor,
};
