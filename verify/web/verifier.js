/*
 * The numbered protocol, from label to verdict (PROTOCOL.md).  Twin of verifier.py: the same sixteen steps, states and codes.
 */
import {checkShown, parseAnswer} from "./answer.js";
import {LogHistory, grantOf, recordOf, scopeUris, urisOf} from "./authority.js";
import {parseBundle} from "./bundle.js";
import {Refused, cat, equal, hex, need, refuse, sha256, unb64u, unhex, utf8} from "./bytes.js";
import {Tracer} from "./edges.js";
import {levelOf, parseLabel, subjectsOfUri} from "./gs1.js";
import {leafHash, verifyConsistency, verifyInclusion, verifyMulti} from "./merkle.js";
import {linesOf, openNote, parseCheckpoint, parseNote, verifyCosignature} from "./note.js";
import {DEV_CHAIN_IDS, metBy} from "./policy.js";
import {entryBytes, parseTime, verifySignature} from "./statement.js";
import {int} from "./strict.js";

export const STEPS = ["bundle", "checkpoint", "witnesses", "clock", "statements", "signatures", "entries", "inclusion", "genesis",
  "keys", "label", "origin", "item", "answer", "recall", "anchor"];
const FOREVER = 2 ** 53, CLOCK_SKEW = 300; // seconds

/**
 * Run the protocol.  `label` is what the reader scanned, `now` seconds since 1970, `heads(pin)` reads {size, root} from the
 * reader's own RPC.  Returns the run {steps, answers, exitCode, …}; where a step fails it is the last and `run.error` is set.
 */
export async function verifyBundle(data, {policy, label, now = Math.floor(Date.now() / 1000), heads, onStep = () => {}}) {
  const run = {policy, label, now, heads, steps: [], records: [], recalls: [], anchoredSize: 0};
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
  const failed = run.steps.some((step) => step.state === "failed");
  const answers = {record: failed ? "failed" : seen && whole ? "verified" : "unchecked", item: run.state(13), recall: run.state(15)};
  const isGrey = answers.record === "unchecked" || answers.recall === "unchecked";
  return {answers, exitCode: Object.values(answers).includes("failed") ? 1 : isGrey ? 3 : 0};
}

async function takeCheckpoint(run, bundle) {
  const note = parseNote(bundle.checkpoint), {logs, clocks, witnesses} = run.policy;
  run.note = note;
  run.checkpoint = parseCheckpoint(note.text);
  const {origin, size} = run.checkpoint, signed = await openNote(note, logs);
  need(signed.some((key) => key.name === origin), "wrong-origin");
  const known = [...logs, ...clocks, ...witnesses.values()].flatMap((key) => linesOf(note, key));
  need(note.lines.every((line) => known.includes(line)), "unknown-line");
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
  if (isOld || age < -CLOCK_SKEW) return run.take(4, "unchecked", isOld ? "too-old" : "from-the-future", {time, age});
  run.take(4, "verified", "fresh", {time, age});
}

async function takeStatements(run, {statements}) {
  for (const {index, time, statement} of statements) run.records.push(await recordOf(index, time, statement));
  run.take(5, "verified", "statements-ok", {count: run.records.length});
}

async function takeSignatures(run) {
  const jwks = new Map();
  for (const {kind, statement, index} of run.records) {
    if (kind !== "Genesis" && kind !== "PartyRegistration") continue;
    const {key, jwk} = await grantOf(statement, index);
    jwks.set(key, jwk);
  }
  for (const {index, statement} of run.records) {
    await at(index, () => verifySignature(statement, jwks.get(statement.header.kid) ?? refuse("unknown-key")));
  }
  run.take(6, "verified", "signatures-ok", {count: run.records.length});
}

/** Run a check about one entry, and name the entry where it refuses. */
async function at(index, check) {
  try {
    await check();
  } catch (error) {
    if (error instanceof Refused) error.where = "index " + index;
    throw error;
  }
}

async function takeEntries(run, {statements}) {
  for (const [place, {index, time, keys, statement}] of run.records.entries()) {
    const leaf = await leafHash(entryBytes(time, statement.digest, keys));
    need(equal(leaf, statements[place].leaf), "wrong-entry", "index " + index);
  }
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
  need(run.policy.logs.some(({vkey}) => vkey === subject.logKey), "wrong-genesis");
  need(run.policy.anchors.every(({logId}) => logId === "0x" + hex(leaf)), "wrong-genesis");
  run.take(9, "verified", "genesis-ok", {origin});
}

async function takeKeys(run) {
  const history = run.history = new LogHistory(run.checkpoint.origin, run.policy.registrars);
  for (const record of run.records) await history.add(record);
  for (const {index, kind, issuer, statement: {header: {kid}}} of run.records) {
    const reason = history.refused.get(index);
    await at(index, () => {
      if (reason && (kind === "PartyRegistration" || kind === "KeyRevocation")) refuse(reason.code);
      const isTrusted = run.policy.registrars.some((one) => one.uri === issuer && one.thumbprint === kid);
      if (index > 0 && !isTrusted) history.keyAt(issuer, kid, index);
    });
  }
  run.take(10, "verified", "keys-ok");
}

async function takeLabel(run, bundle) {
  try {
    const named = subjectsOfUri(run.label ?? bundle.label), own = subjectsOfUri(bundle.label);
    run.serial = parseLabel(run.label ?? bundle.label).serial;
    need(named.join() === own.join(), "wrong-label");
    [run.uri] = named;
    run.lot = named.find((uri) => ["lot", "sscc", "product"].includes(levelOf(uri))) ?? run.uri;
  } catch (error) {
    if (error instanceof Refused) error.where = "label";
    throw error;
  }
  need(run.records.some(({event}) => event && urisOf(event).includes(run.lot)), "label-not-told", run.lot);
  run.take(11, "verified", run.label ? "label-ok" : "label-of-bundle", {uri: run.lot});
}

/** Records that count: not withdrawn, not disputed unless adopted. */
function standingOf({records, history}) {
  const bodies = (...kinds) => records.filter(({kind, index}) => kinds.includes(kind) && !history.refused.has(index)).map(({statement}) => statement.subject);
  const withdrawn = bodies("Withdrawal", "Erasure").map(({digest}) => digest), adopted = bodies("Adoption").map(({adopts}) => adopts);
  return records.filter(({issuer, index, digest, statement}) => {
    const from = history.revocation(issuer, statement.header.kid, FOREVER)?.from ?? Infinity;
    return !withdrawn.includes(digest) && (index < from || adopted.includes(digest));
  });
}

async function takeOrigin(run) {
  const {edges, origins, state} = run.journey = new Tracer(standingOf(run), run.history).journey(run.lot);
  need(!origins.length || origins.some((one) => one.state === "confirmed"), "third-party-claim", origins[0]?.party);
  const claims = edges.filter((edge) => edge.state !== "confirmed").map(({receiver, uri, index}) => ({receiver, uri, index}));
  if (!origins.length) run.take(12, "unchecked", "no-origin", {claims});
  else if (state === "confirmed") run.take(12, "verified", "origin-ok", {origins});
  else run.take(12, "unchecked", state === "unknown" ? "receiver-withheld" : "claimed-only", {origins, claims});
}

async function takeItem(run, {item}) {
  if (!run.serial) return run.take(13, "none", "no-serial");
  if (!item) return run.take(13, "unchecked", "no-item-proof");
  const commitments = run.history.commitments(run.lot, FOREVER), mine = commitments.find(({index}) => index === item.commitment);
  need(mine, "no-commitment");
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
  await openNote(note, run.policy.logs);
  const answer = parseAnswer(note.text);
  need(answer.origin === origin && answer.size === size && equal(answer.root, root), "other-checkpoint");
  const asked = await Promise.all([...run.journey.visited].map(keyOf)), registrars = run.policy.registrars.map(({uri}) => uri);
  const issuers = run.records.filter(({kind}) => kind !== "Genesis" && kind !== "PartyRegistration").map(({issuer}) => issuer);
  const parties = await Promise.all([...new Set(issuers)].filter((uri) => !registrars.includes(uri)).map(keyOf));
  await checkShown(answer, new Map(run.records.map(({index, keys}) => [index, keys.map(hex)])), asked, parties);
  run.take(14, "stated", "answer-ok", {size, keys: answer.key.size});
}

async function takeRecall(run) {
  const notices = run.records.filter(({kind, index}) => kind === "RecallNotice" && !run.history.refused.has(index));
  const closed = notices.map(({statement}) => statement.subject.closes), {size} = run.checkpoint;
  run.recalls = notices.filter((one) => !one.statement.subject.closes && !closed.includes(one.digest) && reaches(run, one.statement.subject));
  const facts = {size, time: run.time};
  if (run.recalls.length) run.take(15, "failed", "recalled", {indexes: run.recalls.map(({index}) => index)});
  else if (run.state(4) !== "verified") run.take(15, "unchecked", "answer-too-old", facts);
  else run.take(15, "stated", "none-reported", facts);
}

function reaches({uri, lot, journey, records}, subject) {
  if (!scopeUris(subject).some((named) => named === uri || named === lot || journey.visited.has(named))) return false;
  const {from, until} = subject.scope, made = journey.origins.map(({index}) => records.find((one) => one.index === index).event.time);
  return !made.length || made.some((time) => (!from || time >= parseTime(from)) && (!until || time <= parseTime(until)));
}

async function takeAnchor(run, bundle) {
  const {policy: {anchors}, checkpoint} = run, pairs = anchors.flatMap((pin) => bundle.anchors
    .filter(({chainId, contract}) => pin.chainId === chainId && pin.contract === contract.toLowerCase()).map((evidence) => [pin, evidence]));
  if (!pairs.length) return run.take(16, anchors.length ? "unchecked" : "none", "not-anchored");
  for (const [pin, {size, root, consistency: proof}] of pairs) {
    const [old, next] = size <= checkpoint.size ? [{size, root}, checkpoint] : [checkpoint, {size, root}];
    await verifyConsistency({old: old.size, oldRoot: old.root, size: next.size, root: next.root, proof});
    const facts = {chain: pin.chainId, size};
    if (!run.heads) return run.take(16, "unchecked", "no-rpc", facts);
    let head;
    try {
      head = await run.heads(pin);
    } catch (error) {
      return run.take(16, "unchecked", "rpc-failed", {...facts, detail: error.message});
    }
    need(head.size !== size || equal(head.root, root), "anchor-mismatch", "chain " + pin.chainId);
    if (head.size !== size) return run.take(16, "unchecked", head.size > size ? "anchor-moved-on" : "not-yet-anchored", {...facts, size: head.size});
    if (DEV_CHAIN_IDS.includes(pin.chainId)) return run.take(16, "unchecked", "dev-chain", facts);
    run.anchoredSize = Math.max(run.anchoredSize, size);
  }
  const isWhole = run.anchoredSize > run.records.at(-1).index;
  run.take(16, isWhole ? "verified" : "unchecked", isWhole ? "anchored" : "anchored-in-part", {size: run.anchoredSize});
}

const TAKEN = [takeCheckpoint, takeWitnesses, takeClock, takeStatements, takeSignatures, takeEntries, takeInclusion, takeGenesis, takeKeys,
  takeLabel, takeOrigin, takeItem, takeAnswer, takeRecall, takeAnchor];
