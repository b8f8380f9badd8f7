// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/**
 * @title Consistency of two Merkle trees of RFC 6962
 * @notice Checks that a smaller tree is a prefix of a larger one: nothing was changed, removed or put in between.
 * @dev A consistency proof does not bind the sizes (sizes 3 and 4 share one shape from size 1): whoever calls this
 *      must have the new size and the new root from one signature.  Inclusion is not here, no contract needs it.
 *      Source: RFC 9162, section 2.1.4.2; its twin in Python is verify/merkle.py.
 */
library RFC6962 {
    /// @notice The proof does not lead from the old root to the new one, or is too long or too short.
    error NotConsistent();

    /**
     * @notice Check that the tree (oldSize, oldRoot) is a prefix of the tree (newSize, newRoot).
     * @dev Requires 0 < oldSize < newSize.  The length is exact because every node read moves `last` up one or more
     *      levels: a proof is too long if `last` is 0 before its end, too short if `last` is not 0 after it.
     * @param oldSize 8 bytes, number of leaves of the smaller tree
     * @param oldRoot 32 bytes, its Merkle tree hash
     * @param newSize 8 bytes, number of leaves of the larger tree
     * @param newRoot 32 bytes, its Merkle tree hash
     * @param proof 32 bytes a node, in the order of RFC 6962, section 2.1.2
     */
    function checkConsistency(
        uint64 oldSize,
        bytes32 oldRoot,
        uint64 newSize,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal view {
        uint256 position = oldSize - 1;
        uint256 last = newSize - 1;
        while (position & 1 == 1) {
            position >>= 1;
            last >>= 1;
        }
        // Only a complete tree (its size a power of two) is a node of the larger tree, so its root needs no proof.
        bool complete = position == 0;
        if (!complete && proof.length == 0) revert NotConsistent();
        bytes32 first = complete ? oldRoot : proof[0];
        bytes32 second = first;
        for (uint256 i = complete ? 0 : 1; i < proof.length; ++i) {
            if (last == 0) revert NotConsistent();
            bytes32 sibling = proof[i];
            if (position & 1 == 1 || position == last) {
                first = nodeHash(sibling, first);
                second = nodeHash(sibling, second);
                while (position & 1 == 0 && position != 0) {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                second = nodeHash(second, sibling);
            }
            position >>= 1;
            last >>= 1;
        }
        if (last != 0 || first != oldRoot || second != newRoot) revert NotConsistent();
    }

    /**
     * @notice Hash two subtrees as a node: SHA-256(0x01 || left || right).
     * @dev In assembly because sha256(abi.encodePacked(...)) grows memory with every node of the proof.
     * @param left 32 bytes
     * @param right 32 bytes
     * @return hash 32 bytes
     */
    function nodeHash(bytes32 left, bytes32 right) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x01)
            mstore(add(free, 0x01), left)
            mstore(add(free, 0x21), right)
            // The precompile fails only when gas runs out; an unwritten hash must never be read as one.
            if iszero(staticcall(gas(), 0x02, free, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
            hash := mload(0x00)
        }
    }
}
