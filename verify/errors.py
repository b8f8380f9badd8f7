"""Why a check failed.  A verifying function raises one of these or returns what it established; none returns a bool."""
import re
from collections.abc import Iterator
from contextlib import contextmanager

class VerificationError(Exception):
    """`code` names the reason for machines, `where` the place (JSON pointer, line), `step` PROTOCOL.md's number."""
    code = "not-verified"
    step: int | None = None
    run: object = None  # verify_bundle's run so far

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code") or re.sub("(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, message: str, code: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.where = message, code or self.code, where

    @classmethod
    def unless(cls, holds: object, message: str, code: str | None = None, where: str | None = None) -> None:
        """Raise this error unless `holds`."""
        if not holds:
            raise cls(message, code, where)

class Malformed(VerificationError): ...       # some part is not in the one format it may have
class BadSignature(VerificationError): ...    # a known key did not make this signature
class NotIncluded(VerificationError): ...     # the proof does not lead from the entries to the root
class NotConsistent(VerificationError): ...   # the smaller tree is not a prefix of the larger one
class NotTrusted(VerificationError): ...      # nothing in the reader's policy vouches for this
class NotGranted(VerificationError): ...      # the key was not its party's at this place in the log
class WrongEntry(VerificationError): ...      # the log's entry is not this statement's
class WrongLabel(VerificationError): ...      # true, but about something else than the label says
class NotCommitted(VerificationError): ...    # the item code is not one the farm committed to
class Omitted(VerificationError): ...         # the answer leaves out what its own signer admits or the tiles show
class AnchorMismatch(VerificationError): ...  # the contract holds another root than the one shown

need = Malformed.unless

@contextmanager
def at(place: str, step: int | None = None) -> Iterator[None]:
    """Where a check inside refuses, put `place` before what it names, and the step that it belongs to."""
    try:
        yield
    except VerificationError as error:
        error.where, error.step = place + (error.where or ""), step
        raise
