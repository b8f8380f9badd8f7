/*
 * Bytes and their one spelling, and the one way to refuse.
 * Twin of errors.py and of the base64 half of strict.py.  A code is the same word in both languages; the sentence that a
 * reader sees is looked up by it in messages/{en,zh}.json, so none is carried here.
 *
 * Source: RFC 4648 sections 4 and 5.
 */

/** Why a check failed: `code` for machines, `where` in the document, `step` of PROTOCOL.md (set by the verifier). */
export class Refused extends Error {
  constructor(code, message = code, where) {
    super(message);
    Object.assign(this, {code, where, step: undefined});
  }
}

export function refuse(code, where) {
  throw new Refused(code, code, where);
}

/** Refuse unless `condition` holds. */
export function need(condition, code, where) {
  if (!condition) refuse(code, where);
}

export const utf8 = (string) => new TextEncoder().encode(string);

/** Decode UTF-8; a byte order mark stays in the text, so that a parser can refuse it. */
export function text(bytes) {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch {
    refuse("not-utf8");
  }
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Decode lower-case hexadecimal. */
export function unhex(string) {
  need(/^([\da-f]{2})*$/.test(string), "bad-hex");
  return Uint8Array.from(string.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function b64(bytes) {
  let string = "";
  for (let at = 0; at < bytes.length; at += 4096) string += String.fromCharCode(...bytes.slice(at, at + 4096));
  return btoa(string);
}

export const b64u = (bytes) => b64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

/** Decode base64 in the spelling that `encode` prints and no other: two spellings would be two digests of one record. */
export function unb64(string, length, encode = b64) {
  let plain;
  try {
    plain = atob(string.replace(/-/g, "+").replace(/_/g, "/"));
  } catch {
    // Not base64 at all: the same refusal as a second spelling.
    refuse("bad-base64");
  }
  const bytes = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at += 1) bytes[at] = plain.charCodeAt(at);
  need(encode(bytes) === string && bytes.length === (length ?? bytes.length), "bad-base64");
  return bytes;
}

export const unb64u = (string, length) => unb64(string, length, b64u);

export function cat(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** `work` on an object, done once: what it came to is kept as long as the object. */
export function once(work) {
  const done = new WeakMap();
  return (given) => {
    const object = Object(given);
    if (!done.has(object)) done.set(object, work(given));
    return done.get(object);
  };
}

/** Start `work` on every item at once, for the cryptography runs beside; the first refusal in order is the one that counts. */
export async function inOrder(items, work) {
  const started = items.map(async (item, at) => work(item, at)), found = [];
  for (const one of started) one.catch(() => {});
  for (const one of started) found.push(await one);
  return found;
}

export const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", cat(...parts)));
