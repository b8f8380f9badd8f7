// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {RFC6962} from "./RFC6962.sol";

/**
 * @title Anchor: where the operator of a log cannot unwrite what it has published
 * @notice Keeps the newest (size, root) of every log, per signer, and accepts a new one only with proof that the log
 *         grew: from the genesis entry on, no signer can rewrite or shorten what it has anchored.
 * @dev Nobody owns this contract, nothing can be paused, upgraded or taken back.  It is not a registry: whose signer
 *      speaks for which log is decided by each reader's own policy.  There are no immutables, so the runtime code and
 *      its hash are the same on every chain.  An anchor writes two slots that it writes again next time, never a new
 *      one: the history is in the events.  Source: protocol.md, section 4.
 */
contract Anchor {
    /// @dev Both slots are 0 where nothing was published.
    struct Head {
        uint64 size;
        bytes32 root;
    }

    /// @dev EIP-712: what the signature is over, beside the domain.
    bytes32 private constant PUBLISH_TYPE = keccak256("Publish(bytes32 logId,uint64 size,bytes32 root)");
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant DOMAIN_NAME = keccak256("Originmark Anchor");
    bytes32 private constant DOMAIN_VERSION = keccak256("1");

    /// @dev By signer first, so that no one can occupy another's log id.
    mapping(address signer => mapping(bytes32 logId => Head)) private heads;

    /// @notice `signer` anchored the tree (size, root) of the log.
    event Anchored(address indexed signer, bytes32 indexed logId, uint64 indexed size, bytes32 root);

    /// @notice The head already has `head` leaves; the new one must have more.
    error SizeDidNotGrow(uint64 head, uint64 size);

    /// @notice No tree has this root: a head of zeros would read as one never published.
    error RootIsZero();

    /**
     * @notice Anchor the tree (size, root) of a log.  Anyone may send it and pay the gas; the signature decides.
     * @dev Reverts with RootIsZero, SizeDidNotGrow, NotConsistent, or OpenZeppelin's ECDSAInvalidSignature,
     *      ECDSAInvalidSignatureLength and ECDSAInvalidSignatureS (which refuse address 0 and the high s).  A signature
     *      needs no nonce: once its size is reached it can never be used again, here or, by its domain, elsewhere.
     * @param logId 32 bytes, the leaf hash of the log's genesis entry
     * @param size 8 bytes, number of leaves, more than the head has
     * @param root 32 bytes, the Merkle tree hash at that size
     * @param proof 32 bytes a node, RFC 6962 consistency proof from the head (from size 1 the first time)
     * @param signature 65 bytes r || s || v over the EIP-712 struct Publish; its signer's head is the one that moves
     */
    function publish(bytes32 logId, uint64 size, bytes32 root, bytes32[] calldata proof, bytes calldata signature)
        external
    {
        if (root == bytes32(0)) revert RootIsZero();
        address signer = ECDSA.recoverCalldata(digest(logId, size, root), signature);
        (uint64 oldSize, bytes32 oldRoot) = head(signer, logId);
        if (size <= oldSize) revert SizeDidNotGrow(oldSize, size);
        RFC6962.checkConsistency(oldSize, oldRoot, size, root, proof);
        heads[signer][logId] = Head(size, root);
        emit Anchored(signer, logId, size, root);
    }

    /**
     * @notice The newest tree that `signer` anchored for the log.
     * @dev A head never published is the tree of the genesis entry alone: its root is its leaf hash, which is the log
     *      id.  So the first publish is a consistency proof like every other, and a new signer needs no one's leave.
     * @param signer 20 bytes, the address the reader's policy names
     * @param logId 32 bytes, the leaf hash of the log's genesis entry
     * @return size 8 bytes, number of leaves, at least 1
     * @return root 32 bytes, the Merkle tree hash at that size
     */
    function head(address signer, bytes32 logId) public view returns (uint64 size, bytes32 root) {
        Head storage stored = heads[signer][logId];
        size = stored.size;
        return size == 0 ? (1, logId) : (size, stored.root);
    }

    /**
     * @notice What the log's anchor key signs: the EIP-712 hash of Publish in this contract's domain.
     * @dev The domain is computed at each call, not stored: after a chain splits, each side has its own id, and an
     *      immutable would make the code differ between chains.
     * @param logId 32 bytes
     * @param size 8 bytes
     * @param root 32 bytes
     * @return 32 bytes, keccak256(0x1901 || domain separator || struct hash)
     */
    function digest(bytes32 logId, uint64 size, bytes32 root) public view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, block.chainid, address(this)));
        bytes32 message = keccak256(abi.encode(PUBLISH_TYPE, logId, size, root));
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}
