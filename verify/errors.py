"""
Why a check failed.  A verifying function raises one of these or returns what it established; none returns a bool.

    Malformed        some part is not in the one format it may have
    BadSignature     a known key did not make this signature
    NotIncluded      the proof does not lead from the entries to the root
    NotConsistent    the smaller tree is not a prefix of the larger one
    NotTrusted       nothing in the reader's policy vouches for this
    NotGranted       the key was not its party's at this place in the log
    WrongEntry       the log's entry is not this statement's
    WrongLabel       true, but about something else than the label says
    NotCommitted     the item code is not one the farm committed to
    Omitted          the answer leaves out what its own signer admits or the tiles show
    AnchorMismatch   the contract holds another root than the one shown
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
        self.run: object = None  # verify_bundle's run so far


class Malformed(VerificationError):
    code = "malformed"


class BadSignature(VerificationError):
    code = "bad-signature"


class NotIncluded(VerificationError):
    code = "not-included"


class NotConsistent(VerificationError):
    code = "not-consistent"


class NotTrusted(VerificationError):
    code = "not-trusted"


class NotGranted(VerificationError):
    code = "not-granted"


class WrongEntry(VerificationError):
    code = "wrong-entry"


class WrongLabel(VerificationError):
    code = "wrong-label"


class NotCommitted(VerificationError):
    code = "not-committed"


class Omitted(VerificationError):
    code = "omitted"


class AnchorMismatch(VerificationError):
    code = "anchor-mismatch"
