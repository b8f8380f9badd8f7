"""
Private files: keys and lot secrets, which nobody but their owner may read.

A file appears whole or not at all, never in place of another, and is not used once others can read it.  Not here: what is
in it, and its encryption (keys.py).
"""

import os
import secrets
import stat
from pathlib import Path

MAX_PRIVATE = 1_048_576  # bytes; a key has hundreds, and a wrong path should not fill memory


class NotPrivate(ValueError):
    """Others than its owner can read this file, or it is no file."""


def create_private(path: Path, data: bytes) -> None:
    """
    Create `path` at mode 0600 with `data`.

    Raises FileExistsError where the name is taken: overwriting a key would end a farm's identity.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken; a rename would replace what is there.  A crash before it leaves a
        # temporary file that nothing reads, a crash after it leaves a good file.
        os.link(temporary, path)
    finally:
        temporary.unlink()
    sync_path(path.parent)


def read_private(path: Path) -> bytes:
    """Read at most 1 MiB.  Raises NotPrivate where group or others have any right to the file, OSError where there is none."""
    with path.open("rb") as file:
        # The open file is asked, not the name: between two questions the name could come to mean another file.
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise NotPrivate(f"{path} is not a file / 不是文件")
        if mode & 0o077:
            raise NotPrivate(f"others can read {path}: chmod 600 / 其他人可以读取此文件,请先执行 chmod 600 {path}")
        return file.read(MAX_PRIVATE)


def sync_path(path: Path) -> None:
    """Make a file's bytes survive a power cut; of a folder, what was created or renamed in it."""
    # Another descriptor than the writer's is as good: what is synced is the file.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
