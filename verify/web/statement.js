/*
 * Statements: a record signed by its party, and the entry the log made of it.  Twin of statement.py and entry.py.
 *
 * A statement arrives as exact texts; base64url has one spelling, so the signed bytes come back from them.  `alg` is bound to
 * the key's type, `kid` is the RFC 7638 thumbprint of the signing JWK, ES256 signatures are low-S.
 *
 * Source: RFC 7515, RFC 7638, RFC 9901 (SD-JWT), W3C VC-JOSE-COSE; protocol.md section 1.
 */
import {b64u, cat, hex, need, once, refuse, sha256, text, unb64u, unhex, utf8} from "./bytes.js";
import {checkPoint, verifyEd25519} from "./note.js";
import {members, parse, parseEither, typeOf} from "./strict.js";

const HALF_P256_ORDER = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";
const P256 = {name: "ECDSA", namedCurve: "P-256", hash: "SHA-256"};
const RFC3339 = /^((?!0000)\d{4}-\d\d-\d\d)T([01]\d|2[0-3])(:[0-5]\d){2}(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const CREDENTIAL_MEMBERS =
  {"@context": "array", type: "array", issuer: "string", validFrom: "string", credentialSubject: "object"};

/** Control kinds: anybody can follow them from tiles alone. */
export const CONTROL_KINDS =
  "Genesis PartyRegistration KeyRevocation Withdrawal LabelCommitment RecallNotice Erasure".split(" ");
// What a party may keep from some readers.  Nothing that decides a statement's subjects or issuer is here.
const WITHHOLDABLE = {
  TraceabilityEvent: ["sourceList", "destinationList", "bizTransactionList", "originmark:price"],
  LabReport: ["inspector", "price"],
  Certificate: ["lookup", "price"],
  CommitmentCertificate: ["contact", "price"],
};
const KINDS = [...CONTROL_KINDS, ...Object.keys(WITHHOLDABLE), "MasterData", "Adoption"];

/** Parse `JWS` or `JWS~D1~…~`, at most 64 KiB. */
export async function parseJws(string) {
  need(utf8(string).length <= 65536, "too-large");
  const [jws, ...disclosures] = string.split("~"), parts = jws.split("."), tilde = disclosures.length > 0;
  need(parts.length === 3 && !/[^\0-\x7f]/.test(string), "not-a-jws");
  const header = text(unb64u(parts[0])), payload = text(unb64u(parts[1]));
  need(!tilde || disclosures.pop() === "", "key-binding");
  const statement = await parseStatement({header, payload, signature: parts[2], disclosures});
  need((statement.header.typ === "vc+sd-jwt") === tilde, "wrong-typ", "/header/typ");
  return statement;
}

/** Parse the form a bundle carries, {header, payload, signature, disclosures} as texts.  The signature is not yet verified. */
export async function parseStatement({header: headerText, payload: payloadText, signature, disclosures = []}) {
  const signatureBytes = unb64u(signature, 64), header = parse(headerText);
  checkHeader(header);
  const {value: payload, foreign} = parseEither(payloadText);
  checkPayload(payload, foreign, header.typ);
  const {credentialSubject: subject, issuer, type: [, kind]} = payload, {_sd: hashes = []} = subject, shown = [];
  for (const encoded of disclosures) shown.push(await parseDisclosure(encoded));
  const disclosed = Object.assign(Object.create(null), subject);
  delete disclosed._sd;
  for (const {name, value, digest} of shown) {
    need(hashes.includes(digest) && !(name in subject) && shown.filter((other) => other.name === name).length === 1 &&
      WITHHOLDABLE[kind]?.includes(name), "bad-disclosure", "/" + name);
    disclosed[name] = value;
  }
  const signingInput = utf8(b64u(utf8(headerText)) + "." + b64u(utf8(payloadText)));
  return {
    header, payload, headerText, payloadText, signature: signatureBytes, disclosures: shown, signingInput, kind, issuer, subject,
    disclosed, withheld: hashes.length - shown.length, digest: await sha256(signingInput, utf8("." + signature)),
  };
}

function checkHeader(header) {
  need(typeOf(header) === "object" && Object.keys(header).length === 3 && "kid" in header &&
    ["ES256", "EdDSA"].includes(header.alg) && ["vc+jwt", "vc+sd-jwt"].includes(header.typ), "bad-header", "/header");
  need(typeof header.kid === "string" && unb64u(header.kid).length === 32, "bad-header", "/header/kid");
}

function checkPayload(payload, foreign, typ) {
  members(payload, CREDENTIAL_MEMBERS, {_sd_alg: "string", public: "array"});
  const {type: [credential, kind, ...more], "@context": contexts, credentialSubject: subject} = payload;
  need(credential === "VerifiableCredential" && KINDS.includes(kind) && !more.length, "unknown-kind", "/type");
  need(contexts[0] === "https://www.w3.org/ns/credentials/v2" && contexts.every((one) => typeof one === "string"),
    "bad-context", "/@context");
  parseTime(payload.validFrom, "/validFrom");
  // Foreign events keep their numbers; our own kinds have integers only.
  if (foreign && kind !== "TraceabilityEvent" && kind !== "Adoption") throw foreign;
  need(typ !== "vc+jwt" || !("_sd_alg" in payload || "public" in payload || "_sd" in subject), "wrong-typ", "/header/typ");
  checkHashes(payload, subject);
}

function checkHashes({_sd_alg = "sha-256", public: open = [], ...payload}, {_sd: hashes = [], ...credentialSubject}) {
  need(_sd_alg === "sha-256", "bad-disclosure", "/_sd_alg");
  const where = "/credentialSubject/_sd";
  need(Array.isArray(hashes) && hashes.length <= 32 && new Set(hashes).size === hashes.length, "bad-disclosure", where);
  for (const one of hashes) need(typeof one === "string" && unb64u(one).length === 32, "bad-disclosure", where);
  need(open.every((one) => hashes.includes(one)), "bad-disclosure", "/public");
  refuseNesting({...payload, credentialSubject}, "");
}

function refuseNesting(value, where) {
  if (!/object|array/.test(typeOf(value))) return;
  for (const name in value) {
    need(name !== "_sd" && name !== "...", "bad-disclosure", `${where}/${name}`);
    refuseNesting(value[name], `${where}/${name}`);
  }
}

async function parseDisclosure(encoded) {
  const found = parse(text(unb64u(encoded)));
  need(Array.isArray(found) && found.length === 3, "bad-disclosure");
  const [salt, name, value] = found;
  // 22 characters of base64url are 128 bits; with fewer, a withheld price could be guessed.
  need(typeof salt === "string" && typeof name === "string" && [...salt].length > 21, "bad-disclosure");
  refuseNesting(value, name);
  return {text: encoded, name, value, digest: b64u(await sha256(utf8(encoded)))};
}

/** Parse RFC 3339 with an offset into ms since 1970. */
export function parseTime(string, where = "") {
  const found = RFC3339.exec(string);
  const day = new Date(found?.[1]);
  // Date takes 30 February for 2 March; printing the day again does not.
  need(day > -1e15 && day.toISOString().startsWith(found[1]), "bad-time", where);
  return Date.parse(string.replace(/(\.\d{3})\d+/, "$1"));
}

/** Read a JWK of exactly kty, crv, x (and y): its thumbprint, its alg, and a point or CryptoKey. */
const readJwk = once(async (jwk) => {
  const {kty, crv, x, y} = jwk ?? {}, names = Object.keys(jwk ?? {}).sort(), kind = names.join();
  const part = (value) => typeof value === "string" ? unb64u(value, 32) : refuse("bad-jwk");
  const kid = sha256(utf8(JSON.stringify(jwk, names))).then(b64u);
  if (kind === "crv,kty,x" && kty === "OKP" && crv === "Ed25519") {
    const key = part(x);
    checkPoint(key);
    return {kid: await kid, alg: "EdDSA", key};
  }
  need(kind === "crv,kty,x,y" && kty === "EC" && crv === "P-256", "bad-jwk");
  const point = cat([4], part(x), part(y));
  const key = await crypto.subtle.importKey("raw", point, P256, false, ["verify"]).catch(() => refuse("bad-jwk"));
  return {kid: await kid, alg: "ES256", key};
});

/** RFC 7638 thumbprint, base64url. */
export const thumbprint = async (jwk) => (await readJwk(jwk)).kid;

/** Verify raw bytes: EdDSA, or ES256 as r || s with s in the lower half. */
export async function verifyBytes(message, signature, jwk) {
  const {alg, key} = await readJwk(jwk);
  if (alg === "EdDSA") return verifyEd25519(key, message, signature);
  need(hex(signature.slice(32)) <= HALF_P256_ORDER, "high-s");
  need(await crypto.subtle.verify(P256, key, signature, message), "bad-signature");
}

/** Verify a parsed statement under `jwk`: kid is its thumbprint, alg belongs to its type. */
export async function verifySignature({header, signingInput, signature}, jwk) {
  const {kid, alg} = await readJwk(jwk);
  need(header.kid === kid, "wrong-kid");
  need(header.alg === alg, "wrong-alg");
  await verifyBytes(signingInput, signature, jwk);
}

/** The entry of `digest` and `keys` (32 bytes each, sorted, distinct, 1 to 1,024) sequenced at `time` ms since 1970. */
export function entryBytes(time, digest, keys) {
  need(keys.length && keys.length <= 1024 && keys.every((key, at) => !at || hex(keys[at - 1]) < hex(key)), "bad-entry");
  return cat(unhex("01" + time.toString(16).padStart(16, "0")), digest, ...keys);
}
