// Compiles src/Anchor.sol with the pinned compiler and writes Anchor.json, the artifact that the service ships.
//
//     node compile.cjs            write Anchor.json
//     node compile.cjs --check    exit 1 if Anchor.json is not, byte for byte, what the sources give
//
// Offline: the compiler is WebAssembly from the lock file.  The service never runs this; it reads Anchor.json.
"use strict";

const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");

const UNIT = "src/Anchor.sol";
const CONTRACT = "Anchor";
const ARTIFACT = path.join(__dirname, "Anchor.json");

const SETTINGS = {
  // The oldest rules that still compile this: one code for every chain, and consortium chains lag behind.
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 10_000 },
  // Explorers call a source an exact match only with the metadata hash in the code.
  metadata: { bytecodeHash: "ipfs" },
};

// Unit names are relative, so that neither folder nor machine changes the metadata and with it the code.
function source(unit) {
  const folder = unit.startsWith("@") ? path.join(__dirname, "node_modules") : __dirname;
  return fs.readFileSync(path.join(folder, unit), "utf8");
}

function compile() {
  const input = {
    language: "Solidity",
    sources: { [UNIT]: { content: source(UNIT) } },
    settings: {
      ...SETTINGS,
      outputSelection: { "*": { "": ["ast"], "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode",
        "evm.methodIdentifiers"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (unit) => ({ contents: source(unit) }) }));
  if (output.errors?.length) throw new Error(output.errors.map((e) => e.formattedMessage).join("\n"));
  return output;
}

// Selectors of events and errors stand only in the syntax tree.
function* nodes(node) {
  if (node === null || typeof node !== "object") return;
  if (node.nodeType) yield node;
  for (const child of Object.values(node)) yield* nodes(child);
}

function selectors(output, type, member) {
  const found = {};
  for (const unit of Object.values(output.sources))
    for (const node of nodes(unit.ast)) if (node.nodeType === type) found[node.name] = "0x" + node[member];
  return Object.fromEntries(Object.entries(found).sort());
}

function artifact(output) {
  const { abi, evm } = output.contracts[UNIT][CONTRACT];
  if (Object.keys(evm.deployedBytecode.immutableReferences ?? {}).length)
    throw new Error("the contract has immutables: its code would differ from chain to chain");
  const runtime = Buffer.from(evm.deployedBytecode.object, "hex");
  return {
    contract: `${UNIT}:${CONTRACT}`,
    compiler: solc.version(),
    settings: SETTINGS,
    runtimeSha256: createHash("sha256").update(runtime).digest("hex"),
    functions: Object.fromEntries(Object.entries(evm.methodIdentifiers).map(([name, id]) => [name, "0x" + id])),
    events: selectors(output, "EventDefinition", "eventSelector"),
    errors: selectors(output, "ErrorDefinition", "errorSelector"),
    abi,
    bytecode: "0x" + evm.bytecode.object,
  };
}

const text = JSON.stringify(artifact(compile()), null, 2) + "\n";
if (process.argv[2] === "--check") {
  if (fs.readFileSync(ARTIFACT, "utf8") !== text) {
    console.error("Anchor.json is not what src/ compiles to; run: node compile.cjs");
    process.exit(1);
  }
} else {
  fs.writeFileSync(ARTIFACT, text);
}
