"""Files that are there as a whole or not at all, and that nobody else may read."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def writing(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Yield a new file that takes its name once it is whole and on the disk, with mode 0600.

    Raises:
        FileExistsError: when there is one, and it is not to be overwritten.
        OSError: when it cannot be written.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            part.replace(path)
        else:
            _name(part, path)
    finally:
        part.unlink(missing_ok=True)


def _name(part: Path, path: Path) -> None:
    try:
        # Unlike renaming, this fails when somebody else has made one meanwhile.
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        part.replace(path)
