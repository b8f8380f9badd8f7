"""
The demo's chain: an EVM in this process, with the anchor contract on it.

It proves nothing to anybody: whoever runs the process can write any head with any date, and everything is gone when it
ends.  What it gives is a working code path, so it answers with a chain id that no wallet and no public network has, and
every verifier refuses to call it an anchor.  On in `originmark demo` only.

The chain (eth-tester) is not thread-safe: every request, from the anchor worker as from a browser, takes one lock.

Source: protocol.md section 3; Ethereum JSON-RPC.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.anchors.evm import deploy
from ledger.anchors.keys import ChainKey
from ledger.anchors.node import Provider, client

CHAIN_ID = 131277322940537  # eth-tester's, fixed
MAX_BODY = 8192  # bytes; a call of head() has about 250
MAX_CALL = 4096  # hexadecimal digits of call data
CALL_GAS = 1_000_000  # head() needs about 7,000
GIFT = 10**20  # wei to each account that pays gas here
TAGS = ("latest", "safe", "finalized")

# eth-tester gives its first account this key, and money.  It is public: it can pay gas here and nothing anywhere.
FAUCET = ChainKey((1).to_bytes(32, "big"))


class _BadRequest(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DevChain:
    """One chain with one anchor contract.  Its address is the same at every start: the policy need not change."""

    def __init__(self, pays_gas: Sequence[str] = ()) -> None:
        """Start the chain, deploy the contract, and give money to the addresses that will pay gas."""
        self.provider: Provider = _locked_provider()
        self._web3 = client(self.provider)
        # First of all: the address follows from the faucet's nonce.
        self.contract = deploy(self.provider, FAUCET, chain_id=CHAIN_ID).contract
        faucet = self._web3.eth.accounts[0]
        for address in pays_gas:
            to = self._web3.to_checksum_address(address)
            self._web3.eth.send_transaction({"from": faucet, "to": to, "value": GIFT})

    @property
    def chain_id(self) -> int:
        """The id that marks a chain as nobody's evidence (verify.policy.DEV_CHAIN_IDS)."""
        return CHAIN_ID

    def rpc(self, body: bytes) -> bytes:
        """
        Answer one JSON-RPC request of a browser: eth_chainId, eth_getCode or eth_call of the anchor contract.

        Never raises: whatever is wrong with the request is a JSON-RPC error object.  Batches are refused.
        """
        request_id: object = None
        answer: dict[str, object]
        try:
            request = _request(body)
            request_id = request.get("id")
            answer = {"result": self._answer(request.get("method"), request.get("params", []))}
        except _BadRequest as error:
            answer = {"error": {"code": error.code, "message": error.message}}
        return json.dumps({"jsonrpc": "2.0", "id": request_id, **answer}).encode()

    def _answer(self, method: object, params: object) -> str:
        allowed: Mapping[object, Callable[[list[Any]], str]] = {
            "eth_chainId": self._chain_id,
            "eth_getCode": self._code,
            "eth_call": self._call,
        }
        if not isinstance(method, str) or method not in allowed:
            raise _BadRequest(-32601, "this chain answers eth_chainId, eth_getCode and eth_call only")
        if not isinstance(params, list) or len(params) > 2:
            raise _BadRequest(-32602, "params is a list of at most two")
        return allowed[method](params)

    def _chain_id(self, params: list[Any]) -> str:
        return hex(self._web3.eth.chain_id)

    def _code(self, params: list[Any]) -> str:
        self._ours(params[0] if params else None)
        return "0x" + bytes(self._web3.eth.get_code(self._web3.to_checksum_address(self.contract))).hex()

    def _call(self, params: list[Any]) -> str:
        call = params[0] if params and isinstance(params[0], dict) else {}
        self._ours(call.get("to"))
        # The call is built anew: a caller's gas, value, sender or code would be work done for strangers.
        transaction = {
            "from": self._web3.eth.accounts[0],  # eth-tester wants a sender that could pay
            "to": self._web3.to_checksum_address(self.contract),
            "data": "0x" + _data(call).hex(),
            "gas": CALL_GAS,
        }
        from web3.exceptions import ContractLogicError

        try:
            return "0x" + bytes(self._web3.eth.call(transaction, _tag(params))).hex()
        except ContractLogicError:
            raise _BadRequest(3, "execution reverted") from None

    def _ours(self, address: object) -> None:
        if not isinstance(address, str) or address.lower() != self.contract:
            raise _BadRequest(-32602, "only the anchor contract can be asked")


def _request(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        raise _BadRequest(-32600, f"more than {MAX_BODY} bytes")
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequest(-32700, "not JSON") from None
    if not isinstance(request, dict) or isinstance(request.get("id"), dict | list):
        raise _BadRequest(-32600, "one request at a time")
    return request


def _data(call: Mapping[str, Any]) -> bytes:
    data = call.get("data", call.get("input"))
    if not isinstance(data, str) or not data.startswith("0x") or len(data) > MAX_CALL:
        raise _BadRequest(-32602, "data is 0x and hexadecimal digits")
    try:
        return bytes.fromhex(data[2:])
    except ValueError:
        raise _BadRequest(-32602, "data is 0x and hexadecimal digits") from None


def _tag(params: list[Any]) -> str:
    tag = params[1] if len(params) == 2 else "latest"
    if tag not in TAGS:
        raise _BadRequest(-32602, "the block is latest, safe or finalized")
    return str(tag)


def _locked_provider() -> Provider:
    """eth-tester behind one lock, answering failures as a node does instead of raising its own exceptions."""
    from eth_tester.exceptions import TransactionFailed
    from eth_tester.exceptions import ValidationError as TesterRefusal
    from eth_utils.exceptions import ValidationError as ChainRefusal
    from web3 import EthereumTesterProvider

    provider = EthereumTesterProvider()
    unlocked = provider.make_request
    one_at_a_time = threading.Lock()

    def make_request(method: str, params: Any) -> Any:
        with one_at_a_time:
            try:
                return unlocked(method, params)
            except TransactionFailed as error:
                return _reverted(error)
            except (TesterRefusal, ChainRefusal) as error:
                return _error(-32000, str(error))

    # The one way into the chain: web3 builds every request on this attribute.
    provider.make_request = make_request
    return provider


def _reverted(error: BaseException) -> dict[str, Any]:
    # eth-tester puts the contract's bytes into a sentence; they are still in the exception it came from.
    cause: Any = error.__context__ or error
    while cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    data = cause.args[0] if cause.args else b""
    return _error(3, "execution reverted", "0x" + data.hex() if isinstance(data, bytes) else "0x")


def _error(code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return {"jsonrpc": "2.0", "id": None, "error": error}
