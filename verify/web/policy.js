/*
 * The reader's policy: which keys, quorum, registrars and contracts a verifier accepts.  Twin of policy.py.
 *
 * It comes from the reader's side, never from the bundle.  Index ranges include `first` and exclude `until`.  A name must be
 * defined before it is used, so groups cannot form a circle.
 *
 * Source: c2sp.org/tlog-policy, with lines of our own for clock, registrar, anchor and max-age.
 */
import {equal, need, refuse} from "./bytes.js";
import {parseVkey} from "./note.js";
import {isCount} from "./strict.js";

/** Chains that anybody starts at home (ganache, hardhat and anvil, eth-tester): a root there proves nothing to others. */
export const DEV_CHAIN_IDS = [1337, 31337, 131277322940537];

const POLICY_LINES = {
  log: /^([^ ]+)( [^ ]+)?$/,
  clock: /^([^ ]+)$/,
  witness: /^([^ ]+) ([^ ]+)( [^ ]+)?$/,
  group: /^([^ ]+) ([^ ]+) (.+)$/,
  quorum: /^([^ ]+)$/,
  registrar: /^([^ ]+) ([\w-]{43}) (\d+)-(\d+)? ([^ ]+)$/,
  anchor: /^(\d+) (0x[\da-fA-F]{40}) (0x[\da-fA-F]{64}) (0x[\da-fA-F]{40})(?: ([\da-f]{64}))?$/,
  "max-age": /^(\d+)$/,
};

/** Parse a policy file; a fault names its line. */
export async function parsePolicy(source) {
  const policy = {logs: [], clocks: [], witnesses: new Map(), groups: new Map(), registrars: [], anchors: []};
  // Only LF ends a line: a separator that an editor does not show could hide a line inside a comment.
  const lines = source.replace(/\n$/, "").split("\n");
  need(lines.length <= 256, "bad-policy");
  for (const [at, line] of lines.entries()) {
    const [word, ...rest] = line.split("#")[0].split(/[ \t\r]+/).filter(Boolean);
    try {
      if (word) await readPolicyLine(policy, word, POLICY_LINES[word].exec(rest.join(" ")).slice(1));
    } catch {
      refuse("bad-policy", `line ${at + 1}`);
    }
  }
  need(policy.logs.length, "bad-policy");
  return {quorum: null, maxAge: 86400, ...policy};
}

async function readPolicyLine(policy, word, [first, second, third, fourth, fifth = null]) {
  const {logs, clocks, witnesses, groups, registrars, anchors} = policy, known = [...witnesses.values()];
  const isDefined = (name) => witnesses.has(name) || groups.has(name);
  // One key counts once, whatever its names; and neither the log nor its clock is a third party.
  const read = async (vkey, kind, others) => {
    const key = await parseVkey(vkey);
    need(key.kind === kind && !others.some(({point}) => equal(point, key.point)));
    return key;
  };
  if (word === "log") logs.push(await read(first, 1, known));
  if (word === "clock") clocks.push(await read(first, 4, known));
  if (word === "witness" || word === "group") need(first !== "none" && !isDefined(first));
  if (word === "witness") witnesses.set(first, await read(second, 4, [...known, ...logs, ...clocks]));
  if (word === "group") {
    const names = third.split(" "), threshold = {any: 1, all: names.length}[second] ?? policyNumber(second);
    need(names.every(isDefined) && new Set(names).size === names.length && threshold > 0 && threshold <= names.length);
    groups.set(first, {threshold, members: names});
  }
  if (word === "quorum") {
    need(!("quorum" in policy) && (first === "none" || isDefined(first)));
    policy.quorum = first === "none" ? null : first;
  }
  if (word === "registrar") {
    const until = fourth && policyNumber(fourth);
    registrars.push({uri: first, thumbprint: second, first: policyNumber(third), until, scope: fifth});
  }
  if (word === "anchor") {
    const [contract, logId, signer] = [second, third, fourth].map((value) => value.toLowerCase());
    anchors.push({chainId: policyNumber(first), contract, logId, signer, codeSha256: fifth});
  }
  if (word === "max-age") {
    need(!("maxAge" in policy));
    policy.maxAge = policyNumber(first);
  }
}

function policyNumber(string) {
  need(isCount(string));
  return Number(string);
}

/** Whether the policy lets `registrar` speak at `index` about `party`. */
export const covers = ({first, until = Infinity, scope}, index, party) =>
  first <= index && index < until && (scope === "*" || party.startsWith(scope));

/** Whether the witnesses named in the Set `signed` satisfy the quorum; never where the policy has none. */
export function metBy({quorum, groups}, signed) {
  const counts = (name) => {
    const group = groups.get(name);
    return group ? group.members.filter(counts).length >= group.threshold : signed.has(name);
  };
  return quorum !== null && counts(quorum);
}
