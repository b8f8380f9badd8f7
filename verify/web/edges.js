/*
 * Back from a lot to its origins, hop by hop: confirmed, claimed by one side only, or unknown.  Twin of edges.py.
 *
 * Source: protocol.md section 2, Edges.
 */
import {urisOf} from "./authority.js";
import {productOf} from "./gs1.js";
import {scaled} from "./subjects.js";

const MAX_VISITS = 2048;

/** Walks records backwards; `history` judges keys and minting.  Withdrawn records are left out by the caller. */
export class Tracer {
  constructor(records, history) {
    Object.assign(this, {history, told: records.filter(({event}) => event && !event.errorDeclaration), holders: new Map()});
    for (const {event} of this.told) {
      if (event.type !== "AggregationEvent" || event.action !== "ADD") continue;
      const parents = event.objects.filter(({role}) => role === "parent").map(({uri}) => uri);
      for (const child of urisOf({objects: event.objects.filter(({role}) => role === "child")})) {
        this.holders.set(child, [...this.holders.get(child) ?? [], ...parents]);
      }
    }
  }

  /** The way back from `uri` through every party that handled it: {edges, origins, visited, state}. */
  journey(uri) {
    Object.assign(this, {edges: [], origins: [], visited: new Set(), steps: 0});
    this.origin(uri);
    for (const record of this.told) {
      const named = this.names(record.event, uri);
      if (record.event.isReceiving && named) this.hop(uri, record);
      if (named) this.visit(record.event);
    }
    const states = [...this.edges, ...this.origins].map(({state}) => state);
    const claimed = !this.origins.length || states.includes("claimed");
    const state = claimed ? "claimed" : states.includes("unknown") ? "unknown" : "confirmed";
    return {edges: this.edges, origins: this.origins, visited: this.visited, state};
  }

  visit(event) {
    for (const uri of [...urisOf(event), event.readPoint, event.bizLocation].filter(Boolean)) {
      this.visited.add(uri);
      const product = productOf(uri);
      if (product) this.visited.add(product);
    }
  }

  origin(uri) {
    this.steps += 1;
    if (this.steps > MAX_VISITS || this.origins.some((one) => one.uri === uri)) return;
    const found = this.told.filter(({event}) => commissions(event, uri));
    const mine = found.find((record) => this.history.mayMint(record, uri)), record = mine ?? found[0];
    if (!record) return;
    this.visit(record.event);
    const inputs = mine ? record.event.objects.filter(({role}) => role === "input") : [];
    if (!inputs.length) this.origins.push({uri, party: record.issuer, index: record.index, state: mine ? "confirmed" : "claimed"});
    for (const input of inputs) this.held(input.uri, record);
  }

  held(uri, {issuer, index}) {
    const own = this.told.filter((record) => record.issuer === issuer);
    if (!own.some((record) => commissions(record.event, uri) && this.history.mayMint(record, uri))) {
      const received = own.filter(({event}) => event.isReceiving && this.names(event, uri));
      for (const record of received) {
        this.visit(record.event);
        this.hop(uri, record);
      }
      if (!received.length) this.edges.push({uri, receiver: issuer, index, state: "claimed"});
    }
    this.origin(uri);
  }

  hop(uri, {issuer: receiver, index}) {
    let best = {uri, receiver, index, state: "claimed"};
    for (const {event, issuer: sender, index: sent, statement} of this.told) {
      if (!event.isShipping || sender === receiver || !this.names(event, uri)) continue;
      const receivers = event.destinations.map(([, party]) => party);
      if (receivers.includes(receiver) && this.fits(uri, receiver, sender)) {
        best = {uri, receiver, index, sender, sent, state: "confirmed"};
        this.visit(event);
        break;
      }
      if (!receivers.length && statement.withheld && best.state === "claimed") best = {uri, receiver, index, sender, sent, state: "unknown"};
    }
    if (!this.edges.some((edge) => edge.uri === uri && edge.index === index)) this.edges.push(best);
  }

  fits(uri, receiver, sender) {
    const took = sumOf(uri, this.told.filter(({issuer, event}) => issuer === receiver && event.isReceiving));
    const gave = sumOf(uri, this.told.filter(({issuer, event}) =>
      issuer === sender && event.isShipping && event.destinations.some(([, party]) => party === receiver)));
    return !!took && !!gave && [...took].every(([unit, amount]) => amount <= (gave.get(unit) ?? 0n));
  }

  /** Whether an event names `uri` or a logistic unit that it was packed into, at any depth. */
  names(event, uri) {
    const units = new Set([uri]);
    for (const unit of units) for (const parent of this.holders.get(unit) ?? []) if (units.size < MAX_VISITS) units.add(parent);
    return urisOf(event).some((named) => units.has(named));
  }
}

const commissions = (event, uri) => event.commissioned.some((one) => uri === one.uri || uri === one.lot);

function sumOf(uri, records) {
  const total = new Map();
  for (const one of records.flatMap(({event}) => event.objects)) {
    if (one.uri !== uri || one.quantity == null) continue;
    const amount = scaled(one.quantity), unit = one.uom ?? "";
    if (amount === null) return null;
    total.set(unit, (total.get(unit) ?? 0n) + amount);
  }
  return total;
}
