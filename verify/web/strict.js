/*
 * The JSON profile.  Twin of strict.py.
 *
 * JSON.parse judges the syntax, but keeps the last of two members in silence and rounds 2^53+1; so the values are read by a
 * scanner.  Objects have no prototype; a number stays the text it was (Num).  The outermost object with a member twice is
 * named first, then faults in the order of the text: both languages name the same one.
 *
 * Source: protocol.md section 1; RFC 8259; RFC 6901 (pointers).
 */
import {Refused, need, refuse, text, utf8} from "./bytes.js";

const JSON_TOKEN = /"(?:[^"\\]|\\[^])*"?|[{}[\]]|[^\s,:{}[\]"]+/g;
const LONE_SURROGATE = /\p{Cs}/u;

/** A number as it was spelled. */
export class Num {
  constructor(spelling) {
    this.text = spelling;
  }
}

/** Whether a text is an integer 0 .. 2^53-1 without sign, point or exponent. */
export const isCount = (spelling) => /^(0|[1-9]\d*)$/.test(spelling) && Number.isSafeInteger(Number(spelling));

const pointer = (where, name) => `${where}/${name.replace(/~/g, "~0").replace(/\//g, "~1")}`;

/** Parse one JSON text of at most `max` bytes; `own` adds the rule for numbers in our own kinds. */
export const parse = (data, {own, max} = {}) => parseEither(data, max, own).value;

/** Parse a text that may be of either kind: `foreign` is the first number that our own kinds refuse, or undefined. */
export function parseEither(data, max = 65536, own = false) {
  const source = typeof data === "string" ? data : text(data);
  need(!LONE_SURROGATE.test(source), "not-utf8");
  need(utf8(source).length <= max, "too-large");
  need(source[0] !== "\ufeff", "bom");
  const tokens = source.match(JSON_TOKEN) ?? [];
  let depth = 0;
  for (const token of tokens) {
    depth += "[{".includes(token) - "]}".includes(token);
    need(depth <= 64, "too-deep");
  }
  try {
    JSON.parse(source);
  } catch {
    refuse("not-json");
  }
  return readTokens(tokens, own);
}

/** Read the value that the tokens of a valid JSON text spell. */
function readTokens(tokens, own) {
  let at = 0, fault, foreign;
  const blame = (code, where) => {
    fault ??= new Refused(code, code, where);
  };
  const string = (token, where) => {
    if (!token.includes("\\")) return token.slice(1, -1);
    const found = JSON.parse(token);
    if (LONE_SURROGATE.test(found)) blame("lone-surrogate", where);
    return found;
  };
  const object = (where) => {
    const found = Object.create(null), before = fault;
    let twice;
    for (let token; (token = tokens[at++]) !== "}";) {
      const name = string(token, where), inside = pointer(where, name);
      if (name in found) twice ??= new Refused("duplicate-member", undefined, inside);
      if (name === "__proto__") blame("proto", inside);
      found[name] = value(tokens[at++], inside);
    }
    if (twice) fault = before ?? twice;
    return found;
  };
  const array = (where) => {
    const found = [];
    for (let token; (token = tokens[at++]) !== "]";) found.push(value(token, `${where}/${found.length}`));
    return found;
  };
  const value = (token, where) => {
    if (token === "{") return object(where);
    if (token === "[") return array(where);
    if (token[0] === '"') return string(token, where);
    if (/[a-df-z]/.test(token)) return JSON.parse(token);
    if (own ? !isCount(token) : !isReadable(token)) blame("bad-number", where);
    if (!isCount(token)) foreign ??= new Refused("bad-number", undefined, where);
    return new Num(token);
  };
  const found = value(tokens[at++], "");
  if (fault) throw fault;
  return {value: found, foreign};
}

/** False for spellings that only serve to exhaust a parser: over 64 characters, or beyond ten to the 400th either way. */
function isReadable(token) {
  const [, whole, part, power] = /(\d+)\.?(\d*)[eE]?(.*)/.exec(token);
  const digits = (whole + part).replace(/^0+(?=.)/, "").length;
  return token.length <= 64 && Math.abs(digits - 1 - part.length + Number(power)) <= 400;
}

/** The Number of a Num that is an integer 0 .. 2^53-1. */
export function int(value, where) {
  need(value instanceof Num && isCount(value.text), "bad-number", where);
  return Number(value.text);
}

/** The type of a parsed value: string, array, object, int, decimal, boolean or null. */
export function typeOf(value) {
  if (value instanceof Num) return /^(0|[1-9]\d*)$/.test(value.text) ? "int" : "decimal";
  return Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
}

/** Check that `value` is an object with exactly these members, given as {name: type}. */
export function members(value, required, optional, where = "") {
  need(typeOf(value) === "object", "malformed", where);
  for (const name in required) need(name in value, "missing-member", pointer(where, name));
  for (const name in value) {
    const types = Object.hasOwn(required, name) ? required : optional;
    need(Object.hasOwn(types, name), "unknown-member", pointer(where, name));
    need(typeOf(value[name]) === types[name], "wrong-type", pointer(where, name));
  }
  return value;
}
