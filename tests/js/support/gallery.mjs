/*
 * Verify vectors of the gallery's form.  Run by itself it reads one as JSON per line and prints [exit, step, code, answers] per
 * line, for tests that compare both languages on many inputs.
 */
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";
import {unb64} from "../../../verify/web/bytes.js";
import {parsePolicy} from "../../../verify/web/policy.js";
import {verifyBundle} from "../../../verify/web/verifier.js";

/** Run one input; an RPC that the vector does not give is down. */
export async function verify({bundle, policy, label, now, heads: given}) {
  const heads = given && ((pin) => {
    const head = given[pin.chainId];
    if (!head) throw new Error("the node is down");
    return {size: head.size, root: unb64(head.root)};
  });
  return verifyBundle(bundle, {policy: await parsePolicy(policy), label: label ?? undefined, now, heads: heads ?? undefined});
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for await (const line of createInterface({input: process.stdin})) {
    const {exitCode, error, answers} = await verify(JSON.parse(line));
    console.log(JSON.stringify([exitCode, error?.step ?? null, error?.code ?? null, answers]));
  }
}
