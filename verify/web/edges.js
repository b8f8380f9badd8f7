/*
 * Back from a lot to its origins, hop by hop: confirmed, claimed by one side only, or unknown.  Twin of edges.py.
 *
 * A holder is whoever made the thing and might, or had it from a holder: a party that never had it confirms nothing.
 *
 * Source: protocol.md section 2, Edges.
 */
import {urisOf} from "./authority.js";
import {levelOf, productOf} from "./gs1.js";
import {scaled} from "./subjects.js";

const MAX_VISITS = 2048;
const namesAny = ({event}, names) => urisOf(event).some((uri) => names.has(uri));

/** The way back from `uri` through every party that handled it: {edges, origins, visited, records, state}. */
export function journeyOf(uri, records, history) {
  const told = records.filter(({event}) => event && !event.errorDeclaration), done = new Set(), queue = [[uri]];
  const journey = {edges: [], origins: [], visited: new Set(), records: new Set()};
  for (const [subject, user] of queue) {
    const name = subject + " " + (user?.issuer ?? "");
    if (user && done.size > MAX_VISITS) {
      addEdge(journey, subject, user, "claimed");
      break;
    }
    if (!done.has(name)) queue.push(...new Subject(subject, told, history, journey).walk(user));
    done.add(name);
  }
  const states = [...journey.edges, ...journey.origins].map(({state}) => state);
  const isClaimed = !journey.origins.length || states.includes("claimed");
  journey.state = isClaimed ? "claimed" : states.includes("unknown") ? "unknown" : "confirmed";
  return journey;
}

/** Note the hop of `uri` at a record; a claim replaces what was noted of it before. */
function addEdge(journey, uri, {issuer: receiver, index}, state, sent) {
  const same = journey.edges.find((edge) => edge.uri === uri && edge.index === index);
  if (same && (state !== "claimed" || same.state === "claimed")) return;
  journey.edges = journey.edges.filter((edge) => edge !== same);
  journey.edges.push({uri, receiver, index, sender: sent?.issuer, sent: sent?.index, state});
}

/** One object on the way: who made it, who held it, and how each came to hold it. */
class Subject {
  constructor(uri, all, history, journey) {
    Object.assign(this, {uri, all, journey});
    this.units = this.unitsOf();
    this.told = all.filter((record) => namesAny(record, this.units));
    const found = this.told.filter(({event}) => event.commissioned.some((one) => uri === one.uri || uri === one.lot));
    this.made = found.filter((record) => history.mayMint(record, uri));
    this.usurped = this.made.length ? [] : found.slice(0, 1);
    // A logistic unit has no origin of its own: whoever packed it answers for what is inside.
    this.packed = this.told.filter(({event}) => packings(event).some(([, parent]) => parent === uri));
    this.held = this.holders();
  }

  /** Note origins and hops up to `user` (none: to everybody who handled it); tell what it was made of. */
  walk(user) {
    const used = [];
    for (const record of [...this.made, ...this.packed.filter(({issuer}) => this.held.has(issuer)), ...this.usurped]) {
      this.visit(record);
      const role = this.packed.includes(record) ? "child" : "input", isClaimed = this.usurped.length > 0;
      const inputs = isClaimed ? [] : record.event.objects.filter((one) => one.role === role);
      const {issuer: party, index} = record, state = isClaimed ? "claimed" : "confirmed";
      if (!inputs.length) this.journey.origins.push({uri: this.uri, party, index, state});
      used.push(...inputs.map(({uri, lot}) => [lot ?? uri, record]));
    }
    if (user) this.way(user);
    for (const record of user ? [] : this.told) {
      this.visit(record);
      if (record.event.isReceiving || record.event.isShipping || this.isUse(record)) this.way(record);
    }
    return used;
  }

  /** How the issuer of `user` came to hold it: back through every sender to whoever made it. */
  way(user) {
    const way = new Set([user.issuer]);
    for (const party of way) {
      const mine = this.told.filter(({issuer}) => issuer === party), {state, sent} = this.held.get(party) ?? {state: "claimed", sent: []};
      const received = mine.filter(({event}) => event.isReceiving && (sent.length || state === "claimed"));
      for (const record of mine) this.visit(record);
      for (const record of received) addEdge(this.journey, this.uri, record, state, sent[0]);
      if (state === "claimed" && !received.length || this.isOverdrawn(party, mine)) {
        addEdge(this.journey, this.uri, party === user.issuer ? user : mine[0], "claimed");
      }
      for (const {issuer} of sent) way.add(issuer);
    }
  }

  visit({index, event}) {
    this.journey.records.add(index);
    const named = [...urisOf(event).filter((uri) => this.units.has(uri)), event.readPoint, event.bizLocation];
    for (const uri of named.filter(Boolean)) this.journey.visited.add(uri).add(productOf(uri) ?? uri);
  }

  /** Its URI and that of every unit it was packed into, at any depth, by the word of `holders` (none: anybody's). */
  unitsOf(holders) {
    const pairs = this.all.filter(({issuer}) => !holders || holders.has(issuer)).flatMap(({event}) => packings(event));
    const units = new Set([this.uri]);
    for (const unit of units) for (const [child, parent] of pairs) if (child === unit) units.add(parent);
    return units;
  }

  /** Every party that had it: how surely, and by which senders' records; makers by none, and packers where nobody made it. */
  holders() {
    const held = new Map((this.made.length ? this.made : this.packed).map(({issuer}) => [issuer, {state: "confirmed", sent: []}]));
    for (let found = held; found.size;) {
      // What a withheld receiver leaves open comes last, when nothing more is confirmed.
      found = this.receivers(held, "confirmed");
      if (!found.size) found = this.receivers(held, "unknown");
      for (const [party, how] of found) held.set(party, how);
    }
    return held;
  }

  receivers(held, state) {
    const units = this.unitsOf(held), told = this.told.filter((record) => namesAny(record, units)), found = new Map();
    const shipped = told.filter(({event, issuer}) => event.isShipping && held.has(issuer));
    const received = told.filter(({event, issuer}) => event.isReceiving && !held.has(issuer));
    for (const party of new Set(received.map(({issuer}) => issuer))) {
      const sent = shipped.filter(({event: {destinations}, statement}) => state === "confirmed" ?
        destinations.some(([, uri]) => uri === party) : !destinations.length && statement.withheld);
      const took = received.filter(({issuer}) => issuer === party);
      if (sent.length && (state === "unknown" || this.fits(took, sent))) found.set(party, {state, sent});
    }
    return found;
  }

  fits(took, gave) {
    const given = amounts(this.uri, gave), taken = amounts(this.uri, took);
    return !!given && !!taken && [...taken].every(([unit, amount]) => amount <= (given.get(unit) ?? 0n));
  }

  /** Whether a party gave away or used up more of it than it made and took in, in any unit that both sides use. */
  isOverdrawn(party, mine) {
    const [made, took, gave, used] = [this.made.filter(({issuer}) => issuer === party), mine.filter(({event}) => event.isReceiving),
      mine.filter(({event}) => event.isShipping), mine.filter((record) => this.isUse(record))].map((records) => amounts(this.uri, records));
    if (!made || !took || !gave || !used) return true;
    const sum = (unit, ...totals) => totals.reduce((total, one) => total + (one.get(unit) ?? 0n), 0n);
    return [...made.keys(), ...took.keys()].some((unit) => sum(unit, gave, used) > sum(unit, made, took));
  }

  isUse({event}) {
    return event.bizStep === "retail_selling" ||
      event.objects.some(({role, uri, lot}) => role === "input" && (uri === this.uri || lot === this.uri));
  }
}

/** [child, parent] for everything that an event packs into a unit, which a lot is not. */
function packings({type, action, objects}) {
  const isUnit = ({role, uri}) => role === "parent" && !/lot|product/.test(levelOf(uri));
  const units = type === "AggregationEvent" && action === "ADD" ? objects.filter(isUnit) : [];
  const children = urisOf({objects: objects.filter(({role}) => role === "child")});
  return units.flatMap(({uri: parent}) => children.map((child) => [child, parent]));
}

/**
 * What is said of `uri` per unit, as exact scaled integers; null for amounts that cannot be held so.  The same goods told
 * under two steps (arriving, then receiving) count once: the larger.
 */
function amounts(uri, records) {
  const total = new Map(), most = new Map();
  for (const {event: {objects, bizStep, isShipping, isReceiving}} of records) {
    for (const {quantity, uom = ""} of objects.filter((one) => one.uri === uri && one.quantity)) {
      const amount = scaled(quantity), name = JSON.stringify([isShipping || isReceiving ? bizStep : "", uom]);
      if (amount === null || amount < 0n) return null;
      total.set(name, (total.get(name) ?? 0n) + amount);
    }
  }
  for (const [name, amount] of total) {
    const [, unit] = JSON.parse(name);
    if (amount > (most.get(unit) ?? -1n)) most.set(unit, amount);
  }
  return most;
}
