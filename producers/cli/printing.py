"""
Sheets of item codes as files: checked to be free, then written, all of them or none.

Not here: pictures (sheet.py), the commitment (committing.py).
"""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from producers import sheet
from producers.cli import common
from producers.commitments import Commitment
from producers.labels import ItemCodes, create_secret
from producers.private import create_private
from producers.resolver import check_label
from verify import gs1
from verify.strict import b64u_encode


@dataclass(frozen=True)
class Job:
    """What is to be printed, from which secret and into which folder."""

    codes: ItemCodes
    resolver: str
    out: Path
    secret: Path
    is_new: bool
    """Whether the secret is in no file yet."""
    png: bool

    def texts(self) -> list[str]:
        """What the labels say, in the order of the codes."""
        return [self.codes.label(index, self.resolver) for index in range(self.codes.count)]

    def check_texts(self) -> None:
        """Read every label back before one is printed.  Raises NoResolver."""
        for index, text in enumerate(self.texts()):
            check_label(text, lot=self.codes.lot, serial=self.codes.serial(index))

    def listed(self) -> bytes:
        """The content of codes.json."""
        codes = self.codes
        body = {"lot": codes.lot, "root": b64u_encode(codes.root), "count": codes.count, "codes": self.texts()}
        return json.dumps(body, indent=0).encode() + b"\n"

    def is_of(self, commitment: Commitment) -> bool:
        """Whether a commitment is to exactly these codes."""
        return (commitment.lot, commitment.root) == (self.codes.lot, self.codes.root)

    def is_free(self) -> bool:
        """Whether the folder holds none of the files."""
        return not any((self.out / name).exists() for name in self._names())

    def check_free(self) -> None:
        """Refuse a folder that cannot take the files.  Raises FileExistsError, NotADirectoryError, PermissionError."""
        nearest = next(one for one in (self.out, *self.out.absolute().parents) if one.exists())
        if not nearest.is_dir() or self.out.resolve().is_relative_to(self.secret.resolve()):
            raise NotADirectoryError(errno.ENOTDIR, "sheets need a folder here / 此处应为文件夹", str(self.out))
        if not os.access(nearest, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable", str(nearest))
        for path in map(self.out.joinpath, self._names()):
            if path.exists() or path.resolve() == self.secret.resolve():
                raise FileExistsError(errno.EEXIST, "exists", str(path))

    def save_secret(self) -> None:
        """Write the secret where it is new: before anything is made of it that others see."""
        if self.is_new:
            create_secret(self.secret, self.codes.lot, self.codes.secret)
        common.say(f"{self.secret}: whoever reads it can print your codes / 泄露即可伪造,请妥善保管")

    def drop_secret(self) -> None:
        """Take a new secret away again."""
        if self.is_new:
            self.secret.unlink(missing_ok=True)

    def print_all(self) -> None:
        """Write sheets and codes.  What a full disk stops is taken away again: half a set would be in the way of a whole one."""
        written: list[Path] = []
        try:
            with common.progress("标签 labels", self.codes.count) as bar:
                for path, data in self._files():
                    create_private(path, data)
                    written.append(path)
                    bar.advance(bar.task_ids[0], sheet.LABELS_A_PAGE if path.suffix == ".svg" else 0)
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
        common.say(f"{self.codes.count} codes in {self.out} / {self.codes.count} 个标签已写入 {self.out}")

    def _names(self) -> Iterator[str]:
        yield "codes.json"
        yield from (f"sheet-{page:04}.svg" for page in range(1, -(-self.codes.count // sheet.LABELS_A_PAGE) + 1))
        yield from (f"label-{index:06}.png" for index in range(self.codes.count if self.png else 0))

    def _files(self) -> Iterator[tuple[Path, bytes]]:
        # Codes are private until they are sold: whoever reads them can print them.
        texts, lot = self.texts(), gs1.parse_label(self.codes.lot).parts["10"]
        captions = [f"{lot} {self.codes.serial(index)}" for index in range(self.codes.count)]
        for page, first in enumerate(range(0, self.codes.count, sheet.LABELS_A_PAGE), 1):
            chunk = list(zip(texts, captions, strict=True))[first : first + sheet.LABELS_A_PAGE]
            yield self.out / f"sheet-{page:04}.svg", sheet.page_svg(chunk).encode()
            for index, (text, _) in enumerate(chunk if self.png else (), first):
                yield self.out / f"label-{index:06}.png", sheet.label_png(text)
        # Last: where this file is, the set is whole.
        yield self.out / "codes.json", self.listed()
