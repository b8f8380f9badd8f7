// The vectors that Python and the page share: tests/verify/test_epcis.py and test_subjects.py run the same files.
import assert from "node:assert/strict";
import {readFileSync, readdirSync} from "node:fs";
import {test} from "node:test";
import {Refused, hex} from "../../verify/web/bytes.js";
import {parse} from "../../verify/web/strict.js";
import {readEvent, scaled, subjectKeys, subjectUris} from "../../verify/web/subjects.js";

const FOLDER = new URL("../vectors/", import.meta.url);

/** A parsed statement, as far as its subjects go; `shown` are the members that disclosures brought. */
function statementOf({kind, issuer, subject: text, shown = "{}"}) {
  const subject = parse(text), members = parse(shown), disclosed = Object.assign(Object.create(null), subject, members);
  delete disclosed._sd;
  return {kind, issuer, subject, disclosed, disclosures: Object.keys(members)};
}

const ANSWERS = {
  subject_uris: (given) => ({uris: subjectUris(statementOf(given))}),
  subject_keys: async (given) => ({keys: (await subjectKeys(statementOf(given))).map(hex)}),
  scaled: (number) => ({scaled: scaled(parse(number))?.toString() ?? null}),
  read_event: (text) => {
    const {type, bizStep = null, disposition = null, time, commissioned, objects} = readEvent(parse(text));
    return {
      type, bizStep, disposition, time, commissioned: commissioned.map(({uri}) => uri), objects: objects.map(({role, uri}) => [role, uri]),
    };
  },
};

for (const name of readdirSync(FOLDER).filter((file) => /^subjects-.*\.json$/.test(file))) {
  const body = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
  for (const [number, {fn, input, expect, error}] of (body.cases ?? [body]).entries()) {
    test(`${name} ${number}: ${body.about}`, async () => {
      const answer = async () => ANSWERS[fn](input);
      if (expect) assert.deepEqual(await answer(), expect);
      else await assert.rejects(answer, (thrown) => thrown instanceof Refused && thrown.code === error.code);
    });
  }
}

test("what an event does is said in both languages by the same steps", () => {
  const event = (bizStep, disposition) => readEvent(parse(JSON.stringify({
    type: "ObjectEvent", action: "OBSERVE", eventTime: "2026-03-02T10:00:00Z", eventTimeZoneOffset: "+08:00", bizStep, disposition,
  })));
  assert.ok(event("shipping").isShipping && event("departing").isShipping && !event("void_shipping").isShipping);
  assert.ok(event("urn:epcglobal:cbv:bizstep:receiving").isReceiving && event("arriving").isReceiving);
  assert.ok(event("retail_selling").isSelling && event("receiving", "returned").isSelling && !event("packing").isSelling);
});
