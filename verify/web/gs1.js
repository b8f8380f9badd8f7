/*
 * GS1 identifiers and the canonical URI: one spelling per subject, so that one SHA-256 finds every statement about it.
 * Twin of gs1.py, which explains the tables.  URL is not asked: it repairs what it reads.
 * Source: protocol.md section 1; GS1 Digital Link URI syntax; gs1-syntax-dictionary; EPC Tag Data Standard 6.3; CBV 2.0.
 */
import {Refused, need, refuse} from "./bytes.js";

const GS1_HOST = "https://id.gs1.org";
const GS1_X = "[!\"%&'()*+,./0-9:;<=>?A-Z_a-z-]", GS1_FREE = GS1_X + "{1,20}", GS1_OWN = "[0-9]{4}" + GS1_X + "{0,26}";

/** AI -> format, and how many characters its check digit closes. */
const GS1_VALUES = {
  "00": ["[0-9]{18}", 18], "01": ["[0-9]{14}", 14], 10: [GS1_FREE], 21: [GS1_FREE], 22: [GS1_FREE], 235: [GS1_X + "{1,28}"],
  253: ["[0-9]{13}" + GS1_X + "{0,17}", 13], 254: [GS1_FREE], 255: ["[0-9]{13,25}", 13], 401: [GS1_OWN], 402: ["[0-9]{17}", 17],
  414: ["[0-9]{13}", 13], 417: ["[0-9]{13}", 13], 7040: ["[0-9]" + GS1_X + "{2}[0-9A-Z_a-z-]"],
  8003: ["0[0-9]{13}" + GS1_X + "{0,16}", 14], 8004: [GS1_OWN], 8006: ["[0-9]{18}", 14], 8010: ["[0-9]{4}[#/0-9A-Z-]{0,26}"],
  8011: ["0|[1-9][0-9]{0,11}"], 8017: ["[0-9]{18}", 18], 8018: ["[0-9]{18}", 18], 8019: ["[0-9]{1,10}"],
};
/** Primary key -> the orders in which its qualifiers may follow. */
const GS1_KEYS = {
  "00": [""], 253: [""], 255: [""], 401: [""], 402: [""], 8003: [""], 417: ["7040"], "01": ["22 10 21", "235"],
  414: ["254", "7040"], 8006: ["22 10 21"], 8004: ["7040"], 8010: ["8011"], 8017: ["8019"], 8018: ["8019"],
};
const GS1_FINEST = ["21", "235", "10", "254", "8011"];
const GS1_ALPHAS = {
  sscc: "00", gtin: "01", lot: "10", ser: "21", cpv: "22", tpx: "235", gdti: "253", glnx: "254", gcn: "255", ginc: "401", gsin: "402",
  gln: "414", party: "417", grai: "8003", giai: "8004", itip: "8006", cpid: "8010", cpsn: "8011", gsrnp: "8017", gsrn: "8018", srin: "8019",
};
/** EPC scheme -> AI, digits of prefix and reference (0: free text), number of parts, what the last part is. */
const EPC_SCHEMES = {
  sgtin: ["01", 13, 3, "21"], lgtin: ["01", 13, 3, "10"], upui: ["01", 13, 3, "235"], itip: ["8006", 13, 5, "21"],
  sscc: ["00", 17, 2, ""], sgln: ["414", 12, 3, "254"], pgln: ["417", 12, 2, ""], grai: ["8003", 12, 3, "+"],
  gdti: ["253", 12, 3, "+"], sgcn: ["255", 12, 3, "+"], gsrn: ["8018", 17, 2, ""], gsrnp: ["8017", 17, 2, ""],
  gsin: ["402", 16, 2, ""], giai: ["8004", 0, 2, ""], ginc: ["401", 0, 2, ""], cpi: ["8010", 0, 3, "8011"],
};
const GS1_LEVELS = {
  "00": "sscc", "01": "product", 8006: "product", 414: "place", 254: "place", 417: "party", 8003: "asset", 8004: "asset",
  21: "item", 235: "item", 10: "lot",
};
export const MAX_URI = 1024; // characters
const ANY_URI = /^[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]+$/;
const WEB_URI = /^(?:https?|HTTPS?):\/\/([A-Za-z0-9.:[\]-]+)(|\/[^?#]*)(?:\?([^#]*))?(?:#.*)?$/;
const EPC_URN = /^urn:epc:(id|class|idpat):([a-z]+):(.*)$/;
const URI_HOST = String.raw`\/\/(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?(?:[/?#].*)?`;
const NORMAL_URI = new RegExp(
  `^(?:https?:${URI_HOST}|urn:[a-z0-9][a-z0-9-]{0,31}:[^?#].*|(?!https?:|urn:)[a-z][a-z0-9+.-]*:(?:${URI_HOST}|(?!//).+))$`);
// A default port; a dot segment; a triplet in lower case, without hex, or for a character that needs none (%2E is ".").
const ODD_URI = new RegExp(String.raw`^(?:http://[^/?#]*:80|https://[^/?#]*:443)(?![0-9])|^[^?#]*/\.\.?(?:[/?#]|$)` +
  "|%(?![0-9A-F]{2})|%(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])");

const gs1Of = (table, name) => Object.hasOwn(table, name) ? table[name] : undefined;
const isAll = (pattern, value) => new RegExp(`^(?:${pattern})$`).test(value);
const gs1Encode = (value) => encodeURIComponent(value).replace(/[!'()*]/g, (char) => "%" + char.charCodeAt().toString(16).toUpperCase());

/** GS1's check digit over ASCII digits, the right-most weighing 3. */
export const checkDigit = (digits) =>
  String((10 - [...digits].reduceRight((sum, digit, at) => sum + digit * ((digits.length - at) % 2 ? 3 : 1), 0) % 10) % 10);

/** Every canonical URI that a GS1 link {key, value, qualifiers} names, the finest first. */
export function linkUris({key, value, qualifiers}) {
  const base = `${GS1_HOST}/${key}/${gs1Encode(value)}`;
  const named = new Map(qualifiers.filter(([ai, text]) => ai !== "254" || text !== "0"));
  const found = GS1_FINEST.filter((ai) => named.has(ai)).map((ai) => `${base}/${ai}/${gs1Encode(named.get(ai))}`);
  return found.length ? found : [base];
}

/** Every canonical URI that `uri` names: item and lot where it has both, else one. */
export function subjectsOfUri(uri) {
  const link = readGs1(uri);
  return link ? linkUris(link) : [uri];
}

/** The spelling under which a subject is logged; an item before its lot. */
export const canonicalUri = (uri) => subjectsOfUri(uri)[0];

/** Read a GS1 key in any notation, null for any other URI. */
export function readGs1(uri) {
  need(typeof uri === "string" && ANY_URI.test(uri), "bad-uri");
  need(uri.length <= MAX_URI, "uri-too-long");
  const web = WEB_URI.exec(uri), urn = EPC_URN.exec(uri);
  try {
    if (web) return readPath(web[2], GS1_ALPHAS, true);
    if (urn) return readEpc(...urn.slice(1));
  } catch (error) {
    if (!(error instanceof Refused) || web && /^id\.gs1\.org\.*(:|$)/i.test(web[1])) throw error;
  }
  need(NORMAL_URI.test(uri) && !ODD_URI.test(uri), "bad-uri");
  return null;
}

/** Parse the Digital Link of a label as GS1's own engine does: numeric AIs only, attributes checked too. */
export function parseLabel(uri, shortGtin = false) {
  const web = ANY_URI.test(uri) && WEB_URI.exec(uri) || refuse("bad-uri"), link = readPath(web[2], {}, shortGtin);
  const path = link.qualifiers.map(([ai]) => ai), seen = new Set([link.key, ...path]);
  for (const [, ai, raw] of (web[3] ?? "").matchAll(/(?:^|&)([0-9]+)=([^&]*)/g)) {
    const value = gs1Decode(ai, raw, shortGtin);
    need(!seen.has(ai) && value, "bad-uri");
    seen.add(ai);
    if (!gs1Of(GS1_VALUES, ai)) continue;
    checkValue(ai, value);
    const fits = (order) => [ai, ...path].every((name) => order.split(" ").includes(name));
    need(gs1Of(GS1_KEYS, ai) || ai === "10" && !GS1_KEYS[link.key].some(fits), "bad-uri");
  }
  return link;
}

/** The canonical URI of the product of an item or lot, null for other subjects. */
export function productOf(uri) {
  const link = readGs1(uri);
  return link?.key === "01" ? `${GS1_HOST}/01/${link.value}` : null;
}

/** What a URI stands for: item, lot, product, sscc, place, party, asset or other. */
export function levelOf(uri) {
  const link = readGs1(uri);
  if (!link) return uri.startsWith("geo:") ? "place" : "other";
  return GS1_LEVELS[linkUris(link)[0].split("/").at(-2)] ?? "other";
}

/** Whether a canonical URI lies under a prefix that ends with a segment, or within the leading digits of a GS1 key. */
export function matchesPrefix(uri, prefix) {
  if (!uri.startsWith(prefix) || /^(https?:?\/*)?$/.test(prefix)) return false;
  const rest = uri.slice(prefix.length), ends = prefix.startsWith("http") ? "/?#" : ":/?#";
  const [, key, digits] = /^https:\/\/id\.gs1\.org\/([0-9]+)\/([0-9]+)$/.exec(prefix) ?? [];
  if (key && gs1Of(GS1_KEYS, key) && GS1_VALUES[key][0] !== `[0-9]{${digits.length}}`) return true;
  return !rest || ends.includes(rest[0]) || ends.includes(prefix.at(-1));
}

function gs1Decode(ai, raw, shortGtin) {
  const triplet = /%([0-9A-Fa-f]{2})/g;
  need(!raw.replace(triplet, "").includes("%"), "bad-uri");
  const value = raw.replace(triplet, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return shortGtin && ai === "01" && [8, 12, 13].includes(value.length) ? value.padStart(14, "0") : value;
}

function readPath(path, names, shortGtin) {
  const parts = path.split("/"), pairs = [];
  // From the right: what stands before the right-most key is the host's own; no key has more than three qualifiers.
  for (let at = parts.length - 2; at > Math.max(0, parts.length - 9); at -= 2) {
    const ai = gs1Of(names, parts[at]) ?? parts[at];
    if (!gs1Of(GS1_VALUES, ai)) break;
    pairs.unshift([ai, gs1Decode(ai, parts[at + 1], shortGtin)]);
    if (gs1Of(GS1_KEYS, ai)) return linkOf(pairs);
  }
  refuse("bad-uri");
}

function linkOf(pairs) {
  for (const [ai, value] of pairs) checkValue(ai, value);
  const [[key, value], ...qualifiers] = pairs, named = qualifiers.map(([ai]) => ai);
  const inOrder = (order) => order.split(" ").filter((ai) => named.includes(ai)).join() === named.join();
  need(GS1_KEYS[key].some(inOrder), "bad-uri");
  const {10: lot, 21: serial} = Object.fromEntries(qualifiers);
  return {key, value, qualifiers, lot, serial};
}

function checkValue(ai, value) {
  const [pattern, closed = 0] = GS1_VALUES[ai], piece = value.slice(14, 16);
  need(isAll(pattern, value) && (ai !== "8006" || "00" < piece && piece <= value.slice(16)), "bad-uri");
  need(!closed || checkDigit(value.slice(0, closed - 1)) === value[closed - 1], "bad-check-digit");
}

function readEpc(space, scheme, body) {
  const [key, digits, count, tail] = gs1Of(EPC_SCHEMES, scheme) ?? refuse("bad-uri"), all = body.split("."), [prefix] = all;
  const last = all.slice(count - 1).join("."), parts = [...all.slice(1, count - 1), last];
  const isPattern = space !== "id" && tail !== "" && last === "*";
  need(all.length >= count && isAll("[0-9]{6,12}", prefix), "bad-uri");
  need(space !== (tail === "10" ? "id" : "class") && (space !== "idpat" || isPattern), "bad-uri");
  let value = prefix + gs1Decode(key, parts[0]);
  if (digits) {
    if (["00", "01", "8006"].includes(key)) value = parts[0].slice(0, 1) + prefix + parts[0].slice(1);
    need(isAll(`[0-9]{${digits}}`, value), "bad-uri");
    value = (key === "8003" ? "0" : "") + value + checkDigit(value) + parts.slice(1, count - 2).join("");
  }
  if (isPattern || !tail) return linkOf([[key, value]]);
  const serial = gs1Decode(tail, last);
  return linkOf(tail === "+" ? [[key, value + serial]] : [[key, value], [tail, serial]]);
}
