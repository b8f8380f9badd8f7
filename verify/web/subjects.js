/*
 * One EPCIS event, and what a statement is about.  Twin of epcis.py and subjects.py.
 * Whatever names a subject is read strictly, since a name that two readers take differently would hide a lot from its recall.
 * Source: protocol.md section 1, Subject keys; EPCIS 2.0 section 7.4; CBV 2.0 section 7.
 */
import {Refused, hex, need, once, sha256, unhex, utf8} from "./bytes.js";
import {MAX_URI, canonicalUri, subjectsOfUri} from "./gs1.js";
import {CONTROL_KINDS, parseTime} from "./statement.js";
import {Num, typeOf} from "./strict.js";

const EVENT_TYPES = ["ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent"];
const EVENT_ROLES = [
  ["epc", "epcList", "quantityList"], ["child", "childEPCs", "childQuantityList"],
  ["input", "inputEPCList", "inputQuantityList"], ["output", "outputEPCList", "outputQuantityList"],
];
const CBV_WORD = /^(?:https:\/\/ref[.]gs1[.]org\/cbv\/(?:BizStep|Disp|SDT)-|urn:epcglobal:cbv:(?:bizstep|disp|sdt):)/;

/** Members that name subjects, as a URI, or a list of URIs where the name ends in "s"; "?" where one may be absent. */
const SUBJECT_MEMBERS = {
  Genesis: "id", PartyRegistration: "id", KeyRevocation: "id", LabelCommitment: "id", RecallNotice: "lots? products? places?",
  MasterData: "id holder?", Certificate: "subjects holder", CommitmentCertificate: "lot holder", LabReport: "lot holder?",
};

/** Read an event as strict.js gives it: {type, action, bizStep, … objects: [{role, uri, lot, quantity, uom}], sources …}. */
export const readEvent = once((raw) => {
  const [type, action, bizStep, disposition, eventId, eventTime, offset, transformationId] = ["type", "action", "bizStep",
    "disposition", "eventID", "eventTime", "eventTimeZoneOffset", "transformationID"].map((name) => eventMember(raw, name));
  const isTransformation = type === "TransformationEvent", step = cbvWord(bizStep), state = cbvWord(disposition);
  need(EVENT_TYPES.includes(type) && (isTransformation || /^(ADD|OBSERVE|DELETE)$/.test(action)), "bad-event", "/type");
  need(/^([+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)$/.test(offset), "bad-event", "/eventTimeZoneOffset");
  need([...eventId ?? ""].length <= MAX_URI, "uri-too-long", "/eventID");
  const time = parseTime(eventTime ?? "", "/eventTime"), objects = readObjects(raw);
  const [sources, destinations] = ["source", "destination"].map((name) => (eventMember(raw, name + "List", "array") ?? [])
    .map((item) => [cbvWord(eventMember(item, "type")) ?? "", canonicalUri(item[name])]));
  const placeOf = (name) => eventMember(raw, name, "object") && canonicalUri(raw[name].id);
  const [readPoint, bizLocation] = ["readPoint", "bizLocation"].map(placeOf);
  const made = isTransformation ? "output" : type === "ObjectEvent" && action === "ADD" ? "epc" : "";
  return {
    type, action, bizStep: step, disposition: state, eventId, time, offset, transformationId, objects, sources, destinations,
    readPoint, bizLocation, errorDeclaration: !!eventMember(raw, "errorDeclaration", "object"),
    ilmd: eventMember(raw, "ilmd", "object"), commissioned: objects.filter(({role}) => role === made),
    isShipping: ["shipping", "departing", "consigning"].includes(step),
    isReceiving: ["receiving", "arriving", "accepting"].includes(step),
    isSelling: step === "retail_selling" || state === "returned",
  };
});

/** `number` times 10^6 as a BigInt; null where that is not exact or the number has more than 40 digits. */
export function scaled({text}) {
  const [, sign, whole, part = "", power = 0] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(text);
  const digits = (whole + part).replace(/^0+/, ""), shift = Number(power) - part.length + 6;
  if (!digits) return 0n;
  if (digits.length > 40 || Math.abs(shift) > 40) return null;
  const down = 10n ** BigInt(Math.max(0, -shift)), value = BigInt(sign + digits) * 10n ** BigInt(Math.max(0, shift));
  return value % down ? null : value / down;
}

/** The distinct canonical URIs of a statement, its issuer first; the same for a reader without the disclosures. */
export const subjectUris = once((statement) => {
  const found = urisIn(statement, statement.disclosed);
  if (statement.disclosures.length) {
    let bare = [];
    try {
      bare = urisIn(statement, statement.subject);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    need(bare.join() === found.join(), "withheld-subject", "/credentialSubject");
  }
  return found;
});

/** The entry's keys, 32 bytes each: SHA-256 of every URI, or the target's keys as carried; sorted, distinct. */
export async function subjectKeys(statement) {
  const found = new Set(await Promise.all(subjectUris(statement).map(async (uri) => hex(await sha256(utf8(uri))))));
  if (/^(Withdrawal|Erasure)$/.test(statement.kind)) {
    const {keys} = statement.disclosed, where = "/credentialSubject/keys";
    need(Array.isArray(keys) && keys.length && keys.every((key) => typeof key === "string" && /^[0-9a-f]{64}$/.test(key)), "bad-subject", where);
    for (const key of keys) found.add(key);
  }
  need(found.size <= 1024, "too-many-subjects", "/credentialSubject");
  return [...found].sort().map(unhex);
}

function urisIn({kind, issuer}, body) {
  const found = [ownUri(issuer, "/issuer"), ...CONTROL_KINDS.includes(kind) ? ["urn:originmark:kind:" + kind] : []];
  if (kind === "TraceabilityEvent" || kind === "Adoption") {
    const {objects, readPoint, bizLocation} = readEvent(kind === "Adoption" ? body.event : body);
    found.push(...objects.flatMap(({uri, lot}) => [uri, lot]), readPoint, bizLocation);
  } else {
    const named = kind === "RecallNotice" ? body.scope : body;
    need(typeOf(named) === "object", "bad-subject", "/credentialSubject");
    for (const member of SUBJECT_MEMBERS[kind]?.split(" ") ?? []) {
      const name = member.replace("?", "");
      if (!(name in named) && name !== member) continue;
      const listed = name.endsWith("s") ? [named[name]].flat() : [named[name]];
      found.push(...listed.map((uri) => ownUri(uri, "/credentialSubject/" + name)));
    }
  }
  // Otherwise anybody's event would count as a control statement to whoever follows them from tiles.
  const kinds = found.filter((uri) => uri?.startsWith("urn:originmark:kind:"));
  need(kinds.length === (CONTROL_KINDS.includes(kind) ? 1 : 0), "bad-subject", "/credentialSubject");
  return [...new Set(found.filter((uri) => uri != null))];
}

/** Our own kinds write URIs in canonical form, since authority compares them as texts. */
function ownUri(uri, where) {
  try {
    need(canonicalUri(uri) === uri, "bad-uri");
  } catch (error) {
    if (error instanceof Refused) error.where = where;
    throw error;
  }
  return uri;
}

function readObjects(raw) {
  const parent = eventMember(raw, "parentID"), found = parent === undefined ? [] : [readObject("parent", parent)];
  for (const [role, epcs, quantities] of EVENT_ROLES) {
    found.push(...(eventMember(raw, epcs, "array") ?? []).map((epc) => readObject(role, epc)));
    found.push(...(eventMember(raw, quantities, "array") ?? []).map((item) => readObject(role, eventMember(item, "epcClass"), item)));
  }
  return found;
}

function readObject(role, name, item = {}) {
  const [uri, lot] = subjectsOfUri(name), quantity = item.quantity ?? undefined;
  need(quantity === undefined || quantity instanceof Num, "bad-event", "/quantity");
  return {role, uri, lot, quantity, uom: eventMember(item, "uom")};
}

function eventMember(raw, name, type = "string") {
  need(typeOf(raw) === "object" && (raw[name] == null || typeOf(raw[name]) === type), "bad-event", "/" + name);
  return raw[name] ?? undefined;
}

const cbvWord = (word) => word?.replace(CBV_WORD, "");
