"""
Print what a scan costs on the wire: `python -m tests.e2e.sizes`.

The aims are one initial TCP window for the whole page; each line says how far off it is.
"""

import gzip
import time
from collections.abc import Iterator

from tests.support.scene import LABEL, scene, summary
from tests.support.site import brotli
from verify.web import inline

AIMS = {"script": 8_192, "bundle": 5_120, "page": 14_336}  # bytes, compressed


def parts(lang: str) -> Iterator[tuple[str, str]]:
    """The page in one language, and what it is made of."""
    played = scene()
    bundle, policy = played.bundle(int(time.time())), played.shop.policy()
    html, _ = inline.scan_page(
        bundle_json=bundle,
        lang=lang,
        messages=inline.words(lang),
        policy=policy,
        summary=summary(bundle, lang),
        rpc=[],
        label=LABEL,
    )
    yield "script", inline.script()
    yield "style", inline.style()
    yield "bundle", bundle
    yield "page", html


def main() -> None:
    """One line a part: bytes raw, gzip, brotli, aim."""
    for lang in ("en", "zh"):
        for name, text in parts(lang):
            data = text.encode()
            aim = f"aim {AIMS[name]:6}" if name in AIMS else ""
            print(f"{lang} {name:7} {len(data):7} raw {len(gzip.compress(data, 9)):6} gzip {len(brotli(data)):6} brotli  {aim}")
    print("standalone", len(inline.standalone_page("en", inline.words("en")).encode()), "raw")


if __name__ == "__main__":
    main()
