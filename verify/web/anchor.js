/*
 * Reading a contract's head with one plain `eth_call`, from an RPC of the reader's choice.  Twin of anchor.py.
 * Throws a plain Error where no RPC answers: that is grey, never red.  Source: protocol.md section 4; Ethereum JSON-RPC.
 */
import {hex, sha256, unhex} from "./bytes.js";

async function rpc(url, method, params) {
  const body = JSON.stringify({jsonrpc: "2.0", id: 1, method, params});
  const answer = await fetch(url, {method: "POST", headers: {"content-type": "application/json"}, body, credentials: "omit",
    referrerPolicy: "no-referrer"});
  const {result} = await answer.json();
  if (typeof result !== "string") throw new Error(method + " was refused");
  return result;
}

/** Read {size, root} for a policy's anchor line from the first RPC that answers for its chain and code. */
export async function readHead({chainId, contract, logId, signer, codeSha256}, urls) {
  let problem = "no RPC was given for this chain";
  for (const url of urls) {
    try {
      const data = "0x24e8393d" + signer.slice(2).padStart(64, "0") + logId.slice(2);
      const [chain, code, found] = await Promise.all([rpc(url, "eth_chainId", []), rpc(url, "eth_getCode", [contract, "latest"]),
        rpc(url, "eth_call", [{to: contract, data}, "latest"])]);
      const words = found.slice(2);
      if (Number(chain) !== chainId) throw new Error("another chain");
      if (codeSha256 && hex(await sha256(unhex(code.slice(2)))) !== codeSha256) throw new Error("another contract");
      if (words.length !== 128) throw new Error("no such contract");
      return {size: parseInt(words.slice(0, 64), 16), root: unhex(words.slice(64))};
    } catch (error) {
      problem = `${url}: ${error.message}`;
    }
  }
  throw new Error(problem);
}
