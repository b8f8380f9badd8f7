/*
 * Who may say what: keys bound to parties by registrars, and the authority of the control kinds.  Twin of authority.py:
 * one class over records, judged by log order alone.
 *
 * Source: protocol.md section 2.
 */
import {Refused, hex, need, refuse, unb64u, utf8} from "./bytes.js";
import {canonicalUri, levelOf, matchesPrefix, productOf} from "./gs1.js";
import {covers} from "./policy.js";
import {CONTROL_KINDS, parseTime, thumbprint, verifyBytes} from "./statement.js";
import {int, members} from "./strict.js";
import {readEvent, subjectKeys, subjectUris} from "./subjects.js";

const ROLES = "producer warehouse retailer certifier laboratory authority brand-owner registrar".split(" ");
const SUBJECT = "/credentialSubject";

/** A statement at its place in the log, with its subjects and its event where it tells one. */
export async function recordOf(index, time, statement) {
  const {kind, disclosed} = statement;
  const told = {TraceabilityEvent: disclosed, Adoption: disclosed.event}[kind];
  const event = kind === "TraceabilityEvent" || kind === "Adoption" ? readEvent(told, SUBJECT) : null;
  const keys = await subjectKeys(statement);
  return {index, time, statement, kind, issuer: statement.issuer, event, keys, uris: subjectUris(statement), digest: hex(statement.digest)};
}

/** Every object an event names, in any role, items with the lot their link names. */
export const urisOf = (event) => event.objects.flatMap(({uri, lot}) => lot ? [uri, lot] : [uri]);

/** The grant that a PartyRegistration, or the genesis, makes. */
export async function grantOf({kind, subject, issuer}, index) {
  if (kind === "Genesis") {
    members(subject.registrar, {id: "string", jwk: "object"}, {}, SUBJECT + "/registrar");
    const {id: party, jwk} = subject.registrar;
    return {index, party, jwk, key: await thumbprint(jwk), roles: ["registrar"], mint: [], registrar: party};
  }
  members(subject, {id: "string", log: "string", name: "object", roles: "array", jwk: "object", mint: "array", possession: "string"},
    {}, SUBJECT);
  const {roles, mint, jwk} = subject;
  need(roles.every((role) => ROLES.includes(role)), "bad-role", SUBJECT + "/roles");
  need(mint.length <= 64 && mint.every((prefix) => typeof prefix === "string" && prefix.length >= 12), "bad-mint", SUBJECT + "/mint");
  return {index, party: canonicalUri(subject.id), jwk, key: await thumbprint(jwk), roles, mint, name: subject.name, registrar: issuer};
}

/** What the log says, as far as the records added tell; add them in index order.  Every answer is from indexes below `before`. */
export class LogHistory {
  constructor(origin, registrars) {
    Object.assign(this, {origin, registrars, refused: new Map(), known: [], given: [], revoked: [], committed: [], owners: [], made: new Map()});
  }

  async add(record) {
    const {index, kind, statement, event} = record, {subject} = statement;
    if (index && CONTROL_KINDS.includes(kind)) {
      try {
        this.keyAt(record.issuer, statement.header.kid, index);
        await this.checkControl(record);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.refused.set(index, error);
        return;
      }
    }
    this.known.push(record);
    if (kind === "Genesis" || kind === "PartyRegistration") this.given.push(await grantOf(statement, index));
    if (kind === "KeyRevocation") {
      const from = "compromisedFrom" in subject ? int(subject.compromisedFrom) : Infinity;
      this.revoked.push({index, party: subject.id, key: subject.kid, from});
    }
    if (kind === "LabelCommitment") this.committed.push({...record, lot: subject.id});
    if (kind === "MasterData" && Array.isArray(subject.allowedProducers)) this.takeOwner(record);
    for (const {uri, lot} of event?.commissioned ?? []) {
      for (const made of lot ? [uri, lot] : [uri]) {
        if (!this.made.has(made) && this.mayMint(record, made)) this.made.set(made, record);
      }
    }
  }

  /** Refuse a clear serial of a committed lot before sale: who reads the log could print the code. */
  checkSerials({uris, index}) {
    const products = uris.filter((uri) => levelOf(uri) === "item").map(productOf);
    for (const lot of uris.filter((uri) => levelOf(uri) === "lot" && products.includes(productOf(uri)))) {
      need(!this.commitments(lot, index).length, "serial-before-sale");
    }
  }

  takeOwner({index, statement: {header, subject}, issuer}) {
    const {id: product, allowedProducers: allowed} = subject, grant = this.grantAt(issuer, header.kid, index);
    if (grant?.mint.some((prefix) => matchesPrefix(product, prefix))) this.owners.push({index, product, allowed});
  }

  grants = (key, before) => this.given.filter((grant) => grant.key === key && grant.index < before);
  grantsOf = (party, before) => this.given.filter((grant) => grant.party === party && grant.index < before);
  revocation = (party, key, before) => this.revoked.find((one) => one.party === party && one.key === key && one.index < before);
  logged = (digest, before) => this.known.find((one) => one.digest === digest && one.index < before);
  commitments = (lot, before) => this.committed.filter((one) => one.lot === lot && one.index < before);

  commissioner(uri, before) {
    const made = this.made.get(uri);
    return made && made.index < before ? made.issuer : undefined;
  }

  keyAt(party, key, index) {
    const grants = this.grants(key, index), mine = grants.find((grant) => grant.party === party);
    need(mine, grants.length ? "other-party-key" : "unknown-key");
    need(!this.revocation(party, key, index), "revoked-key");
    return mine;
  }

  grantAt(party, key, index) {
    try {
      return this.keyAt(party, key, index);
    } catch {
      return undefined;
    }
  }

  mayMint({issuer, statement, index}, uri) {
    const grant = this.grantAt(issuer, statement.header.kid, index), product = productOf(uri);
    return !!grant && (grant.mint.some((prefix) => matchesPrefix(uri, prefix)) ||
      this.owners.some((one) => one.index < index && one.product === product && one.allowed.includes(issuer)));
  }

  async checkControl(record) {
    need(record.statement.subject.log === this.origin, "foreign-log", SUBJECT + "/log");
    await CONTROL_CHECKS[record.kind](this, record, record.statement.subject);
  }
}

const CONTROL_CHECKS = {
  Genesis() {
    refuse("second-genesis");
  },

  async PartyRegistration(history, {statement, issuer, index}, subject) {
    const {party, key, jwk} = await grantOf(statement, index), {kid} = statement.header;
    const speaks = history.registrars.filter((one) => one.uri === issuer && one.thumbprint === kid);
    need(speaks.some((one) => covers(one, index, party)), "not-a-registrar", "/issuer");
    const message = utf8(`originmark/possession/v1\n${history.origin}\n${party}\n${key}\n`);
    try {
      await verifyBytes(message, unb64u(subject.possession, 64), jwk);
    } catch (error) {
      need(error.code === "no-ed25519", "no-possession", SUBJECT + "/possession");
      throw error;
    }
    const earlier = history.grantsOf(party, index);
    need(earlier.every((grant) => grant.registrar === issuer), "other-registrar", "/issuer");
    need(!earlier.some((grant) => grant.key === key) && !history.revocation(party, key, index), "re-grant", SUBJECT + "/jwk");
  },

  KeyRevocation(history, {statement, issuer, index}, subject) {
    members(subject, {id: "string", log: "string", kid: "string", reason: "string"}, {compromisedFrom: "int"}, SUBJECT);
    const {id, kid} = subject, grant = history.grantsOf(id, index).find((one) => one.key === kid);
    need(grant && !history.revocation(id, kid, index), "unknown-target", SUBJECT + "/kid");
    need(issuer === id && statement.header.kid !== kid || issuer === grant.registrar, "not-issuer", "/issuer");
  },

  Withdrawal(history, {issuer, index}, subject) {
    const target = targetOf(history, index, subject);
    const registrars = history.grantsOf(target.issuer, index).map((grant) => grant.registrar);
    need(issuer === target.issuer || registrars.includes(issuer), "not-issuer", "/issuer");
  },

  Erasure(history, {statement, issuer, index}, subject) {
    const target = targetOf(history, index, subject);
    need(history.grants(statement.header.kid, index).some((grant) => grant.index === 0 && grant.party === issuer), "not-operator", "/issuer");
    need(!CONTROL_KINDS.includes(target.kind), "not-erasable", SUBJECT + "/digest");
  },

  LabelCommitment(history, {issuer, index}, subject) {
    members(subject, {id: "string", log: "string", root: "string", count: "int"}, {previous: "string"}, SUBJECT);
    unb64u(subject.root, 32);
    const count = int(subject.count), lot = canonicalUri(subject.id), last = history.commitments(lot, index).at(-1);
    need(count > 0 && count < 2 ** 32, "bad-count", SUBJECT + "/count");
    need(history.commissioner(lot, index) === issuer, "not-commissioner", "/issuer");
    need(!last || subject.previous === last.digest, "second-commitment", SUBJECT + "/previous");
  },

  RecallNotice(history, record, subject) {
    const {statement, issuer, index} = record;
    members(subject, {id: "string", log: "string", scope: "object", class: "string", reason: "object", instructions: "object"},
      {closes: "string"}, SUBJECT);
    const named = scopeUris(subject), {roles} = history.keyAt(issuer, statement.header.kid, index);
    const target = history.logged(subject.closes, index), isMine = !target || target.issuer === issuer;
    need(!("closes" in subject) || target?.kind === "RecallNotice", "unknown-target", SUBJECT + "/closes");
    const mayRecall = isMine && named.length && named.every((uri) => history.mayMint(record, uri));
    need(roles.includes("authority") || mayRecall, "not-recall-owner", "/issuer");
  },
};

function targetOf(history, index, subject) {
  const target = history.logged(subject.digest, index);
  need(target, "unknown-target", SUBJECT + "/digest");
  need(subject.keys?.join() === target.keys.map(hex).join(), "wrong-keys", SUBJECT + "/keys");
  return target;
}

/** Every lot, product and place that a recall names, canonical. */
export function scopeUris({scope}) {
  members(scope, {}, {lots: "array", products: "array", places: "array", from: "string", until: "string"}, SUBJECT + "/scope");
  for (const name of ["from", "until"]) if (name in scope) parseTime(scope[name], `${SUBJECT}/scope/${name}`);
  return ["lots", "products", "places"].flatMap((part) => scope[part] ?? []).map((uri) => canonicalUri(uri));
}
