// The vectors that Python and the page share: tests/verify/test_gs1.py runs the same files.
import assert from "node:assert/strict";
import {readFileSync, readdirSync} from "node:fs";
import {test} from "node:test";
import {Refused} from "../../verify/web/bytes.js";
import {canonicalUri, checkDigit, levelOf, linkUris, matchesPrefix, parseLabel, productOf, subjectsOfUri} from "../../verify/web/gs1.js";

const FOLDER = new URL("../vectors/", import.meta.url);
const ANSWERS = {
  canonical_uri: (uri) => ({uri: canonicalUri(uri)}),
  subjects_of_uri: (uri) => ({uris: subjectsOfUri(uri)}),
  product_of: (uri) => ({uri: productOf(uri)}),
  level: (uri) => ({level: levelOf(uri)}),
  check_digit: (digits) => ({digit: checkDigit(digits)}),
  matches_prefix: ({uri, prefix}) => ({matches: matchesPrefix(uri, prefix)}),
  parse_label: ({uri, short_gtin: short}) => ({uris: linkUris(parseLabel(uri, short))}),
};

for (const name of readdirSync(FOLDER).filter((file) => /^gs1-.*\.json$/.test(file))) {
  const body = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
  for (const [number, {fn, input, expect, error}] of (body.cases ?? [body]).entries()) {
    test(`${name} ${number}: ${body.about}`, () => {
      const answer = () => ANSWERS[fn](input);
      if (expect) assert.deepEqual(answer(), expect);
      else assert.throws(answer, (thrown) => thrown instanceof Refused && thrown.code === error.code);
    });
  }
}

test("a path of a million segments is refused as fast as a short one", () => {
  assert.throws(() => canonicalUri("https://id.gs1.org" + "/10/A".repeat(1e6)), Refused);
});

test("names of a prototype are no identifiers", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.throws(() => canonicalUri(`https://id.gs1.org/${name}/09520123456788`), Refused);
    assert.equal(canonicalUri(`urn:epc:id:${name.toLowerCase().replaceAll("_", "")}:1.2`), `urn:epc:id:${name.toLowerCase().replaceAll("_", "")}:1.2`);
  }
});

test("a label says its lot and serial", () => {
  const {lot, serial, key, value} = parseLabel("https://shop.example/01/09520123456788/10/H7/21/X");
  assert.deepEqual([key, value, lot, serial], ["01", "09520123456788", "H7", "X"]);
});
