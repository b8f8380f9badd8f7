"""Reading a contract's head with one plain `eth_call`, from the reader's own RPC.  An RPC can lie; ask more than one."""
import json
from collections.abc import Sequence
from hashlib import sha256
from .errors import Malformed, need
from .policy import AnchorPin
from .tiles import fetch

HEAD_SELECTOR = "24e8393d"  # head(address,bytes32) -> (uint64 size, bytes32 root), as in contracts/Anchor.json
MAX_ANSWER = 262_144  # bytes

def read_head(pin: AnchorPin, urls: Sequence[str]) -> tuple[int, bytes]:
    """Read (size, root) from the first RPC that answers for the pinned chain and code.  Raises OSError where none does."""
    problem = "no RPC was given for this chain"
    for url in urls:
        try:
            return _head(pin, url)
        except (OSError, ValueError, Malformed) as error:
            problem = f"{url}: {error}"
    raise OSError(problem)

def _head(pin: AnchorPin, url: str) -> tuple[int, bytes]:
    need(url.startswith(("http://", "https://")), "an RPC address starts with http:// or https://")
    need(int(_call(url, "eth_chainId", []), 16) == pin.chain_id, "another chain")
    code = sha256(bytes.fromhex(_call(url, "eth_getCode", [pin.contract, "latest"])[2:]))
    need(pin.code_sha256 in (None, code.hexdigest()), "another contract")
    data = "0x" + HEAD_SELECTOR + pin.signer[2:].rjust(64, "0") + pin.log_id[2:]
    words = bytes.fromhex(_call(url, "eth_call", [{"to": pin.contract, "data": data}, "latest"])[2:])
    need(len(words) == 64, "no such contract")
    return int.from_bytes(words[:32], "big"), words[32:]

def _call(url: str, method: str, params: list[object]) -> str:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    found = json.loads(fetch(url, MAX_ANSWER, body=body))
    need(isinstance(found, dict) and isinstance(found.get("result"), str), f"{method} was refused")
    return str(found["result"])
