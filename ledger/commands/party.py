"""Commands of the registrar: party grant, revoke, list."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select

from ledger.commands.common import Office, fail, office, opened, publish, say
from ledger.models import GrantRow, RevocationRow
from ledger.pooling import Outcome
from producers.control import KeyRevocation, PartyRegistration
from producers.keys import Enrolment
from producers.kinds import Subject
from producers.minting import NoPrefix, check_mint_prefix
from producers.records import record, sign_record
from verify.errors import VerificationError

party_app = typer.Typer(no_args_is_help=True, help="The registrar's work: keys of parties.")


@party_app.command("grant")
def grant(
    request: Annotated[Path, typer.Argument(help="The party's request, from `python -m producers enroll`.")],
    role: Annotated[list[str] | None, typer.Option(help="Grant these roles instead of those asked for.")] = None,
    mint: Annotated[list[str] | None, typer.Option(help="Grant these prefixes instead of those asked for.")] = None,
) -> None:
    """Bind a key to a party.  You vouch that who sent the request is that party: nothing else checks it."""
    try:
        asked = read_request(json.loads(request.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        fail(f"{request}: not a request for enrolment ({error})")
    subject = PartyRegistration(
        id=asked.party, log=asked.log, name=asked.name, roles=role or asked.roles, jwk=asked.jwk,
        mint=asked.mint if mint is None else mint, possession=asked.possession,
    )  # fmt: skip
    for prefix in subject.mint:
        try:
            check_mint_prefix(prefix)
        except NoPrefix as error:
            fail(f"mint: {error}")  # a grant is final, and under a prefix that matches nothing no lot is ever the party's
    with office() as desk:
        say(_sent(desk, subject))


@party_app.command("revoke")
def revoke(
    party: Annotated[str, typer.Argument(help="The party's URI.")],
    kid: Annotated[str, typer.Argument(help="Thumbprint of the key, as `party list` prints it.")],
    reason: Annotated[str, typer.Option(help="Public for ever.")],
    compromised_from: Annotated[int | None, typer.Option(help="From this index on its statements are disputed.")] = None,
) -> None:
    """End a key for ever."""
    with office() as desk:
        told = KeyRevocation(id=party, log=desk.settings.origin, kid=kid, reason=reason, compromised_from=compromised_from)
        say(_sent(desk, told))


@party_app.command("list")
def list_parties() -> None:
    """Every key that was ever granted, in log order."""
    with opened() as database, database.reading() as session:
        ended = {(row.party, row.thumbprint): row.index for row in session.scalars(select(RevocationRow))}
        for row in session.scalars(select(GrantRow).order_by(GrantRow.index)):
            end = ended.get((row.party, row.thumbprint))
            state = "in force" if end is None else f"revoked at {end}"
            typer.echo(f"{row.index}\t{row.party}\t{row.thumbprint}\t{','.join(row.roles)}\t{state}")


def read_request(value: dict[str, object]) -> Enrolment:
    """Read what `Enrolment.to_json` printed.  Raises KeyError, TypeError, ValueError."""
    request = Enrolment(**{**value, "roles": tuple(value["roles"]), "mint": tuple(value["mint"])})  # type: ignore[arg-type]
    if not all(isinstance(text, str) for text in (request.party, request.log, request.possession)):
        raise ValueError("party, log and possession are texts")
    return request


def _sent(desk: Office, subject: Subject) -> Outcome:
    with desk.database.reading() as session:
        registrar = session.scalar(select(GrantRow.party).where(GrantRow.index == 0))
    if registrar is None:
        fail("there is no log yet: originmark init")
    try:
        raw = sign_record(record(subject, issuer=registrar, at=datetime.now(UTC)), desk.keys.registrar)
    except VerificationError as error:
        fail(f"{error.code}: {error.message}")
    return publish(desk, [raw])[0]
