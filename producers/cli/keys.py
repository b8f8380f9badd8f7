"""`keygen` and `enroll`: a key, and the request by which a registrar is asked to grant it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from producers.cli.common import (
    GOOD,
    Issuer,
    KeyFile,
    MaybeKeyFile,
    Passphrase,
    PolicyFile,
    Server,
    canonical,
    open_key,
    say,
)
from producers.client import LogClient
from producers.keys import Algorithm, enrol, generate_key, write_key
from producers.minting import NoPrefix, mint_prefix
from producers.sign import jwk_of
from verify.checkpoint import Checkpoint
from verify.note import parse_note
from verify.policy import Policy
from verify.statement import thumbprint


def keygen(
    file: Annotated[Path | None, typer.Argument(help="To be written; or --key / 密钥文件")] = None,
    key: MaybeKeyFile = None,
    algorithm: Annotated[str, typer.Option(help="ES256 (phones, farms) or EdDSA (machines)")] = "ES256",
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Ask for a passphrase / 设置口令")] = False,
    passphrase: Passphrase = None,
) -> int:
    """Make a key; a file that exists is never overwritten. 生成密钥"""
    path = file or key
    if path is None:
        raise typer.BadParameter("where to write the key / 请指定密钥文件", param_hint="FILE")
    names: dict[str, Algorithm] = {"ES256": "ES256", "EdDSA": "EdDSA"}
    if algorithm not in names:
        raise typer.BadParameter("ES256 or EdDSA", param_hint="--algorithm")
    if encrypt and passphrase is None:
        passphrase = typer.prompt("Passphrase / 口令", hide_input=True, confirmation_prompt=True, err=True)
    made = generate_key(names[algorithm])
    write_key(path, made, passphrase)
    typer.echo(thumbprint(jwk_of(made.public_key())))
    say(f"{path}: keep a copy where only you can reach it / 请妥善备份,丢失后无法找回")
    return GOOD


def enroll(
    key: KeyFile,
    issuer: Issuer,
    role: Annotated[list[str], typer.Option(help="producer, warehouse, retailer ...; repeatable")],
    name_en: Annotated[str, typer.Option(help="Your name in English")] = "",
    name_zh: Annotated[str, typer.Option(help="您的名称")] = "",
    mint: Annotated[list[str] | None, typer.Option(help="Lots you name: GTIN or prefix URI; repeatable / GTIN 或前缀")] = None,
    origin: Annotated[str, typer.Option(help="The log's name; else from --policy, else asked of --server")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the request here; else to stdout")] = None,
    server: Server = None,
    policy: PolicyFile = None,
    passphrase: Passphrase = None,
) -> int:
    """Print the request that a registrar checks and grants (`originmark party grant`). 申请登记密钥"""
    if not name_en and not name_zh:
        raise typer.BadParameter("give --name-en or --name-zh / 请填写名称", param_hint="--name-zh")
    name = {tag: text for tag, text in (("en", name_en), ("zh", name_zh)) if text}
    prefixes = _prefixes(mint or [])
    request = enrol(
        open_key(key, passphrase), origin=origin or _origin(server, policy), party=canonical(issuer, "417"), name=name,
        roles=role, mint=prefixes,
    )  # fmt: skip
    text = json.dumps(request.to_json(), ensure_ascii=False, indent=1) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    if prefixes:
        say(f"You ask to name the lots that begin with / 申请命名以下开头的批次: {', '.join(prefixes)}")
    if not request.mint and {"producer", "brand-owner"} & set(request.roles):
        say(
            "Without --mint you may name no lots: shoppers would read your harvests as a stranger's claim. / "
            "未给出 --mint:您无权命名批次,消费者会看到“第三方声称”。"
        )
    say(
        f"Send this to your registrar, and tell them this thumbprint by another way / 请发给登记机构,并另行告知指纹: "
        f"{thumbprint(request.jwk)}"
    )
    return GOOD


def _prefixes(texts: Sequence[str]) -> list[str]:
    try:
        return list(dict.fromkeys(map(mint_prefix, texts)))
    except NoPrefix as error:
        raise typer.BadParameter(str(error), param_hint="--mint") from None


def _origin(server: str | None, policy: Path | None) -> str:
    if policy is not None:
        return Policy.parse(policy.read_text("utf-8")).logs[0].name
    if server is None:
        raise typer.BadParameter("give --origin, --policy or --server", param_hint="--origin")
    with LogClient(server) as client:
        # Unsigned as far as we know: a wrong name makes a request that the right log refuses, and nothing worse.
        return Checkpoint.parse(parse_note(client.checkpoint()).text).origin
