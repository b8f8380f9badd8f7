"""
Why a check failed: one tree, drawn once.

    VerificationError           what was shown does not prove what it claims
      Malformed                 some part is not in the one format it may have
      BadSignature              a known key did not make this signature
      NotIncluded               the proof does not lead from the entries to the root
      NotConsistent             the smaller tree is not a prefix of the larger one
      NotTrusted                nothing in the reader's policy vouches for this
      NotGranted                the key was not its party's at this place in the log
      WrongEntry                the log's entry is not this statement's
      WrongLabel                true, but about something else than the label says
      NotCommitted              the item code is not one the farm committed to
      Omitted                   the answer leaves out what its own signer admits or the tiles show
      AnchorMismatch            the contract holds another root

A verifying function raises one of these or returns what it established; none returns a bool.
"""


class VerificationError(Exception):
    """`code` names the reason for machines, `where` the place (JSON pointer, line), `step` PROTOCOL.md's number."""

    code = "not-verified"

    def __init__(self, message: str, *, code: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.where = where
        self.step: int | None = None


class Malformed(VerificationError):
    """Some part is not in the one format it may have."""

    code = "malformed"


class BadSignature(VerificationError):
    """A known key did not make this signature."""

    code = "bad-signature"


class NotIncluded(VerificationError):
    """The proof does not lead from the entries to the root."""

    code = "not-included"


class NotConsistent(VerificationError):
    """The smaller tree is not a prefix of the larger one."""

    code = "not-consistent"


class NotTrusted(VerificationError):
    """Nothing in the reader's policy vouches for this."""

    code = "not-trusted"


class NotGranted(VerificationError):
    """The key was not its party's at this place in the log."""

    code = "not-granted"


class WrongEntry(VerificationError):
    """The log's entry is not this statement's."""

    code = "wrong-entry"


class WrongLabel(VerificationError):
    """True, but about something else than the label says."""

    code = "wrong-label"


class NotCommitted(VerificationError):
    """The item code is not one the farm committed to."""

    code = "not-committed"


class Omitted(VerificationError):
    """The answer leaves out what its own signer admits or the tiles show."""

    code = "omitted"


class AnchorMismatch(VerificationError):
    """The contract holds another root than the one shown."""

    code = "anchor-mismatch"
