"""
The anchor contract on an EVM chain: read the head, sign and send a new one, tell how firmly it stands.

Success is decided by what the contract holds, never by a receipt: somebody else may have sent our head, or a
reorganisation taken our transaction away.  When to anchor and what to keep is not decided here but by the outbox.

Source: protocol.md section 4; EIP-712; EIP-1559.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts import Artifact, load_artifact
from verify.merkle import Hash
from verify.policy import AnchorPin

from . import (
    Attempt,
    BlockTag,
    Conflict,
    Head,
    Included,
    NodeTrouble,
    State,
    Submitted,
    WrongChain,
)
from .fees import FeeLimits, bump
from .keys import ChainKey
from .node import Provider, client, market_fees, our_words, send, sign_transaction, within

FINALITY_DEPTH = 64  # blocks below the newest; two epochs, where a chain has no `finalized` tag
GAS_MARGIN = (6, 5)  # 1.2: a head that moved meanwhile costs a little more than the estimate
DEPLOY_TIMEOUT = 180  # seconds to wait for the block
DOMAIN = {"name": "Originmark Anchor", "version": "1"}
PUBLISH = [
    {"name": "logId", "type": "bytes32"},
    {"name": "size", "type": "uint64"},
    {"name": "root", "type": "bytes32"},
]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A contract that was just put on a chain."""

    chain_id: int
    contract: str
    """0x and 40 lower-case hexadecimal digits."""
    code_sha256: str
    gas_used: int


def sign_head(key: ChainKey, pin: AnchorPin, head: Head) -> bytes:
    """Sign `head` for the contract and chain of `pin`: EIP-712, 65 bytes r || s || v, low s."""
    from eth_account import Account

    domain = {**DOMAIN, "chainId": pin.chain_id, "verifyingContract": pin.contract}
    message = {"logId": bytes.fromhex(pin.log_id[2:]), "size": head.size, "root": head.root}
    return bytes(Account.sign_typed_data(key.secret, domain, {"Publish": PUBLISH}, message).signature)


class EvmBackend:
    """
    The anchor backend for one contract, one log and one signer (AnchorBackend).

    `gas_key` must be used by nothing else on this chain, or the nonces collide.  `pin.signer` is the address of
    `anchor_key`; ValueError where it is not.  A pin without a code hash means the committed artifact's.
    """

    def __init__(
        self,
        provider: Provider,
        pin: AnchorPin,
        *,
        anchor_key: ChainKey,
        gas_key: ChainKey,
        limits: FeeLimits | None = None,
        finality_depth: int = FINALITY_DEPTH,
    ) -> None:
        if anchor_key.address != pin.signer.lower():
            raise ValueError(f"the anchor key is {anchor_key.address}, the pin names {pin.signer}")
        self._pin = pin
        self._anchor_key = anchor_key
        self._gas_key = gas_key
        self._limits = limits or FeeLimits()
        self._depth = finality_depth
        self._artifact = load_artifact()
        self._web3 = client(provider)
        self._address = self._web3.to_checksum_address(pin.contract)
        self._payer = self._web3.to_checksum_address(gas_key.address)
        self._contract = self._web3.eth.contract(address=self._address, abi=self._artifact.abi)

    @property
    def pin(self) -> AnchorPin:
        """What a reader's policy has to name."""
        return self._pin

    def head(self, at: BlockTag = "latest") -> Head:
        """The signer's head; (1, log id) where nothing was published.  Raises WrongChain where no contract is."""
        with our_words(self._artifact.errors):
            block = self._block(at)
            data = self._call_data("head", self._web3.to_checksum_address(self._pin.signer), self._log_id)
            answer = bytes(self._web3.eth.call({"to": self._address, "data": data}, block))
        if len(answer) != 64:
            raise WrongChain(f"no anchor contract at {self._pin.contract} on this chain at {at}")
        return Head(int.from_bytes(answer[:32], "big"), answer[32:])

    def prepare(self, head: Head, proof: Sequence[Hash], *, replaces: Attempt | None = None) -> Attempt:
        """Sign a transaction that anchors `head`, and send nothing; see AnchorBackend."""
        with our_words(self._artifact.errors):
            self._guard()
            fees = market_fees(self._web3, self._limits)
            if replaces:
                # A replacement under the cap but over the old fees by too little would be refused for ever.
                fees = bump(replaces.fees, fees)
                fees = within(fees, fees.max_fee, self._limits)
            signature = sign_head(self._anchor_key, self._pin, head)
            call = {
                "from": self._payer,
                "to": self._address,
                "data": self._call_data("publish", self._log_id, head.size, head.root, list(proof), signature),
            }
            # The estimate runs the contract: what it would refuse costs no gas and uses no nonce.
            gas = self._web3.eth.estimate_gas(call) * GAS_MARGIN[0] // GAS_MARGIN[1]
            nonce = replaces.nonce if replaces else self._count()
            fields = {"chainId": self._pin.chain_id, "to": self._address, "data": call["data"]}
            raw, tx_hash = sign_transaction(self._gas_key, {**fields, "gas": gas, "nonce": nonce}, fees)
        # Nothing was sent: a crash from here on loses nothing, and one before the caller stored `raw` even less.
        return Attempt(raw, tx_hash, nonce, fees)

    def broadcast(self, raw: bytes) -> Submitted:
        """Send the stored bytes, once; sending them again is always safe."""
        with our_words(self._artifact.errors):
            return Submitted(bytes(self._web3.keccak(raw)), send(self._web3, raw))

    def standing(self, head: Head) -> State:
        """How firmly the contract holds `head` or one grown from it.  Raises Conflict."""
        tags: tuple[tuple[State, BlockTag], ...] = (
            (State.FINAL, "finalized"),
            (State.SAFE, "safe"),
            (State.INCLUDED, "latest"),
        )
        for state, tag in tags:
            try:
                held = self.head(tag)
            except WrongChain:
                continue  # the contract is younger than that block
            if held.size == head.size and held.root != head.root:
                raise Conflict(held, head)
            # A larger head grew from ours: the contract has checked every step between.
            if held.size >= head.size:
                return state
        return State.SUBMITTED

    def find(self, tx_hash: bytes) -> Included | None:
        """The block that holds the transaction now; None where no block does."""
        from web3.exceptions import TransactionNotFound

        with our_words(self._artifact.errors):
            try:
                receipt = self._web3.eth.get_transaction_receipt(tx_hash)
            except TransactionNotFound:
                return None
            block = self._web3.eth.get_block(receipt["blockHash"])
        return Included(block["number"], bytes(block["hash"]), block["timestamp"], receipt["status"] != 1)

    def next_nonce(self) -> int:
        """The first nonce that no block has used."""
        with our_words(self._artifact.errors):
            return self._count()

    def gas_money(self) -> int:
        """What the gas payer owns, in wei."""
        with our_words(self._artifact.errors):
            return int(self._web3.eth.get_balance(self._payer))

    @property
    def _log_id(self) -> bytes:
        return bytes.fromhex(self._pin.log_id[2:])

    def _call_data(self, function: str, *arguments: object) -> str:
        return str(self._contract.encode_abi(function, args=list(arguments)))

    def _count(self) -> int:
        # Never `pending`: a node that lost our transaction from its pool would hand out a nonce with a gap before it.
        return int(self._web3.eth.get_transaction_count(self._payer, "latest"))

    def _guard(self) -> None:
        chain_id = self._web3.eth.chain_id
        if chain_id != self._pin.chain_id:
            raise WrongChain(f"the node is on chain {chain_id}, the pin names {self._pin.chain_id}")
        code = code_sha256(self._web3, self._address)
        if code != (self._pin.code_sha256 or self._artifact.runtime_sha256):
            raise WrongChain(f"the code at {self._pin.contract} hashes to {code}: another contract")

    def _block(self, at: BlockTag) -> int | str:
        """The tag, or a block deep enough where the chain has no such tag."""
        from web3.exceptions import Web3RPCError

        if at == "latest":
            return at
        try:
            return int(self._web3.eth.get_block(at)["number"])
        except Web3RPCError:
            return max(int(self._web3.eth.block_number) - self._depth, 0)


def code_sha256(web3: Any, address: str) -> str:
    """SHA-256 of the runtime code: a browser has it built in, Keccak it has not."""
    from hashlib import sha256

    return sha256(bytes(web3.eth.get_code(address))).hexdigest()


def code_hash() -> str:
    """SHA-256 (hexadecimal) of the committed contract's runtime code: what readers pin."""
    return load_artifact().runtime_sha256


def deploy(provider: Provider, gas_key: ChainKey, *, chain_id: int, limits: FeeLimits | None = None) -> Deployed:
    """
    Put the contract on the chain and wait for its block.  Raises WrongChain, TooDear, NodeTrouble.

    Anybody's key will do: the contract has no owner.  A deployment that is lost half-way is simply made again.
    """
    artifact, web3 = load_artifact(), client(provider)
    with our_words(artifact.errors):
        if web3.eth.chain_id != chain_id:
            raise WrongChain(f"the node is on chain {web3.eth.chain_id}, not {chain_id}")
        fees = market_fees(web3, limits or FeeLimits())
        payer = web3.to_checksum_address(gas_key.address)
        creation = {"chainId": chain_id, "data": "0x" + artifact.bytecode.hex()}
        gas = web3.eth.estimate_gas({"from": payer, "data": creation["data"]})
        nonce = web3.eth.get_transaction_count(payer, "latest")
        raw, tx_hash = sign_transaction(gas_key, {**creation, "gas": gas, "nonce": nonce}, fees)
        send(web3, raw)
        receipt = web3.eth.wait_for_transaction_receipt(tx_hash, timeout=DEPLOY_TIMEOUT, poll_latency=0.05)
        return _deployed(web3, artifact, chain_id, receipt)


def _deployed(web3: Any, artifact: Artifact, chain_id: int, receipt: Any) -> Deployed:
    if receipt["status"] != 1:
        raise NodeTrouble("the chain took the deployment and reverted it")
    code = code_sha256(web3, receipt["contractAddress"])
    if code != artifact.runtime_sha256:
        raise WrongChain(f"the deployed code hashes to {code}, the artifact's to {artifact.runtime_sha256}")
    return Deployed(chain_id, receipt["contractAddress"].lower(), code, receipt["gasUsed"])
