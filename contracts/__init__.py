"""
The anchor contract's committed artifact, read and typed.

Only Anchor.json is read here.  It is made from src/ by compile.cjs, which needs Node; reading it needs nothing.

Source: README.md beside this file; protocol.md section 4.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Artifact:
    """The compiled anchor contract."""

    abi: tuple[Mapping[str, Any], ...]
    """As the compiler gives it, in the shape that web3 takes."""
    bytecode: bytes
    """Creation code; the constructor takes no arguments."""
    runtime_sha256: str
    """Of the code that eth_getCode answers, on every chain; 64 lower-case hexadecimal digits."""
    functions: Mapping[str, str]
    """Selector (0x and 8 digits) by signature, such as `head(address,bytes32)`."""
    events: Mapping[str, str]
    """Topic 0 (0x and 64 digits) by name."""
    errors: Mapping[str, str]
    """Selector (0x and 8 digits) by name, the library's included."""
    compiler: str
    """The exact version of solc."""
    settings: Mapping[str, Any]
    """What the compiler was given beside the sources."""


def load_artifact() -> Artifact:
    """Read the committed artifact.  A damaged file raises ValueError or KeyError; the chain's code is checked anew."""
    content = json.loads(files(__package__).joinpath("Anchor.json").read_text("utf-8"))
    return Artifact(
        abi=tuple(content["abi"]),
        bytecode=bytes.fromhex(content["bytecode"].removeprefix("0x")),
        runtime_sha256=content["runtimeSha256"],
        functions=content["functions"],
        events=content["events"],
        errors=content["errors"],
        compiler=content["compiler"],
        settings=content["settings"],
    )
