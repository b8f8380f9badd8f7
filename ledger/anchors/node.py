"""
Talking to an EVM node: the connection, its errors in our words, and one signed transaction.

Nothing here knows the anchor contract (evm.py).  web3 takes most of a second and 60 MB to import, so every function
imports it when called: whoever only reads the types of this package does not pay.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import NodeTrouble, Refused, TooDear, WrongChain
from .fees import FeeLimits, Fees, quote
from .keys import ChainKey

Provider = Any
"""A web3 BaseProvider; web3's types are not followed."""
Web3 = Any

TIMEOUT = 20  # seconds; a node that is silent for longer is asked again at the next tick
HISTORY = 10  # blocks whose median tip is offered
LOOK_AGAIN = ("already known", "already imported", "nonce too low", "invalid transaction nonce", "underpriced")


def connect(url: str, *, timeout_s: int = TIMEOUT) -> Provider:
    """A provider for one node.  The URL may hold an access token: never log it."""
    from web3 import HTTPProvider

    # No retries: after a time-out the second try of eth_sendRawTransaction may be told "nonce too low" for a
    # transaction that is in.  The outbox tries again, and looks first.
    return HTTPProvider(url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None)


def client(provider: Provider) -> Web3:
    """A web3 client on the provider."""
    from web3 import Web3 as Client

    # Off, or a node could answer a call with "fetch this URL" (EIP-3668) and web3 would.
    provider.global_ccip_read_enabled = False
    return Client(provider)


@contextmanager
def our_words(errors: Mapping[str, str]) -> Iterator[None]:
    """Translate what web3 raises: Refused with the error's name (`errors`: selector by name), else NodeTrouble."""
    from web3.exceptions import ContractLogicError, Web3Exception

    names = {selector: name for name, selector in errors.items()}
    try:
        yield
    except ContractLogicError as error:
        data = error.data if isinstance(error.data, str) else ""
        raise Refused(names.get(data[:10], error.message or "reverted")) from error
    except (Web3Exception, json.JSONDecodeError) as error:
        raise NodeTrouble(f"{type(error).__name__}: {error}") from error
    except OSError as error:
        # requests puts the node's address into its messages, and the address may hold a token.  Not even as a cause.
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise NodeTrouble(type(error).__name__ + (f": {status}" if status else "")) from None


def market_fees(web3: Web3, limits: FeeLimits) -> Fees:
    """Fees for the next block, never above the cap.  Raises TooDear where the cap does not even cover the base fee."""
    newest = web3.eth.get_block("latest")
    if "baseFeePerGas" not in newest:
        raise WrongChain("this chain has no base fee (EIP-1559), which our transactions need")
    history = web3.eth.fee_history(HISTORY, "latest", [50])
    # The last of the history is the coming block's; eth-tester leaves both lists nearly empty.
    base = max([int(newest["baseFeePerGas"]), *history["baseFeePerGas"][-1:]])
    wanted = quote(base, [tips[0] for tips in history.get("reward") or []], limits)
    return within(wanted, base + wanted.tip, limits)


def within(fees: Fees, needed: int, limits: FeeLimits) -> Fees:
    """Keep the fees under the cap; raises TooDear where less than `needed` wei per gas would be left."""
    if needed > limits.max_fee:
        raise TooDear(needed, limits.max_fee)
    return Fees(min(fees.max_fee, limits.max_fee), fees.tip)


def sign_transaction(key: ChainKey, fields: Mapping[str, Any], fees: Fees) -> tuple[bytes, bytes]:
    """Sign an EIP-1559 transaction; (the bytes to broadcast, their hash)."""
    from eth_account import Account

    whole = {**fields, "type": 2, "value": 0, "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.tip}
    signed = Account.sign_transaction(whole, key.secret)
    return bytes(signed.raw_transaction), bytes(signed.hash)


def send(web3: Web3, raw: bytes) -> str | None:
    """Send signed bytes; None, or the node's words where they mean that the head must be looked at."""
    from web3.exceptions import Web3RPCError

    try:
        web3.eth.send_raw_transaction(raw)
    except Web3RPCError as error:
        answer: Any = (error.rpc_response or {}).get("error") or {}
        words = str(answer.get("message") or error.message)
        if any(known in words.lower() for known in LOOK_AGAIN):
            return words
        raise
    return None
