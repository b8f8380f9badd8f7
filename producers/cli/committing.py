"""
The commitment of `labels`: asked after, signed once, sent, and its codes handed in.

A secret stands for one commitment.  Running the command again with it goes on where it stopped: what waits is sent, what
was refused is sent again, and of what is logged only the codes are handed in.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from producers import records
from producers.answers import LogError
from producers.cli import common
from producers.cli.common import BAD, GOOD
from producers.cli.printing import Job
from producers.client import LogClient
from producers.commitments import LOGGED, Commitment, Commitments, commitments_in_log
from producers.control import LabelCommitment
from producers.outbox import REFUSED, Outbox
from producers.sign import PrivateKey, jwk_of
from verify.errors import VerificationError
from verify.statement import thumbprint
from verify.strict import b64u_encode


@dataclass(frozen=True, slots=True)
class Producer:
    """The party that commits, its key, and by which way it reaches the log."""

    party: str
    key: PrivateKey
    outbox: Path
    server: str | None
    policy: Path | None

    @property
    def kid(self) -> str:
        """Thumbprint of the key."""
        return thumbprint(jwk_of(self.key.public_key()))


def check_origin(producer: Producer, origin: str) -> None:
    """Refuse where nothing names the log, before an outbox is made.  Raises typer.BadParameter."""
    if not origin and producer.server is None and producer.policy is None and not producer.outbox.exists():
        raise common.no_log()


def commit(job: Job, producer: Producer, *, origin: str, previous: str | None) -> int:
    """Commit to the codes of a job, and print them unless the log refuses; the exit code."""
    told = _told(producer)
    mine = [one for one in told if job.is_of(one)]
    if any(one.state in LOGGED for one in mine) or (not mine and not job.is_new and _log_has(job, producer)):
        return _repeated(job, producer, mine)
    _check_previous(job, producer, previous, told)
    job.check_free()
    statement = _signed(job, producer, origin, previous)
    common.say(f"{job.codes.count} codes; root / 根 {b64u_encode(job.codes.root)}")
    job.save_secret()
    with ExitStack() as undone:
        undone.callback(job.drop_secret)  # nothing was made of it yet
        _save(job, producer, statement, previous)
        undone.pop_all()
    return _sent(job, producer)


def _told(producer: Producer) -> list[Commitment]:
    if not producer.outbox.exists():
        return []  # it is made when there is something to save
    with Commitments.open(producer.outbox) as kept:
        return kept.told()


def _check_previous(job: Job, producer: Producer, previous: str | None, told: list[Commitment]) -> None:
    mine = [one for one in told if job.is_of(one)]
    if any(one.previous == previous and one.state != REFUSED for one in mine):
        return  # it waits already
    if previous and not job.is_new and not any(one.state == REFUSED for one in mine):
        # The same secret would give the same serials, and two labels would be one code.
        raise typer.BadParameter("a top-up needs a new secret file / 追加标签需要新的密钥文件", param_hint="--secret")
    logged = _logged(job, producer)
    known = {one.digest for one in logged}
    waiting = [one for one in told if one.lot == job.codes.lot and one.state != REFUSED and one.digest not in known]
    earlier = logged + waiting
    # What only this outbox knows may be behind: another one may have topped up since.
    if earlier and (previous is None or (logged and previous != earlier[-1].digest)):
        last = earlier[-1].digest
        raise typer.BadParameter(
            f"this lot has a commitment: for more labels give a new --secret file, and --previous {last} / "
            f"该批次已有标签承诺:追加标签请用新的密钥文件,并给出 --previous {last}",
            param_hint="--previous",
        )


def _logged(job: Job, producer: Producer) -> list[Commitment]:
    if producer.server is None:
        return []
    try:
        with LogClient(producer.server) as client:
            return commitments_in_log(client, job.codes.lot)
    except (LogError, VerificationError):
        return []  # the log itself will judge


def _log_has(job: Job, producer: Producer) -> bool:
    """Whether the log takes these leaves, as it does only where their commitment is logged: another outbox had sent it."""
    if producer.server is None:
        return False
    try:
        with LogClient(producer.server) as client:
            client.hand_in(job.codes.leaves())
    except LogError:
        return False
    return True


def _repeated(job: Job, producer: Producer, mine: list[Commitment]) -> int:
    """What is left to do for a commitment that is logged."""
    common.say("this commitment is in the log already: only its codes are handed in / 该承诺已入账:只提交标签的哈希")
    if not mine:
        common.say("so the log says: this outbox has no receipt of it / 以上为账本所述,本发件箱没有其回执")
    code = GOOD
    if mine:
        typer.echo(mine[-1].digest)
        with Commitments.open(producer.outbox) as kept:
            kept.keep(job.codes.root, job.codes.leaves())
        code = common.hand_in(producer.outbox, producer.server, GOOD)
    if job.is_free():
        job.print_all()
    return code


def _signed(job: Job, producer: Producer, origin: str, previous: str | None) -> bytes:
    name, codes = common.log_of(origin, producer.outbox, producer.server, producer.policy), job.codes
    told = LabelCommitment.of(codes.lot, origin=name, root=codes.root, count=codes.count, previous=previous)
    return records.sign_record(records.record(told, issuer=producer.party, at=datetime.now(UTC)), producer.key)


def _save(job: Job, producer: Producer, statement: bytes, previous: str | None) -> None:
    """Save the commitment, unless an earlier run did; before it the leaves, due as soon as the commitment is logged."""
    with Commitments.open(producer.outbox) as kept:
        kept.keep(job.codes.root, job.codes.leaves())
        # Killed here, the leaves wait for a commitment that never comes, and are in nobody's way.
        for one in filter(job.is_of, kept.told()):
            if one.previous == previous and (one.state != REFUSED or one.kid == producer.kid):
                kept.retry(one)
                return
    with Outbox.open(producer.outbox) as box:
        box.add([statement], now_ms=common.now_ms(), jwk=jwk_of(producer.key.public_key()))


def _sent(job: Job, producer: Producer) -> int:
    with Outbox.open(producer.outbox) as box:
        code = common.send(box, producer.server, producer.policy)
    code = common.hand_in(producer.outbox, producer.server, code)
    standing = [one for one in _told(producer) if job.is_of(one) and one.state != REFUSED]
    if not standing:
        common.complain("no labels were written: run this again when the refusal is put right / 未生成标签:问题解决后请重新运行")
        return BAD
    job.print_all()
    typer.echo(standing[-1].digest)
    common.say("more labels of this lot need a new --secret, and --previous with this digest / 以后追加标签:用新密钥文件和此摘要")
    return code
