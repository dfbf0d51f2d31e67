"""Files that are complete or not there."""

import contextlib
import glob
import os
import pathlib
import uuid


@contextlib.contextmanager
def written_atomically(path):
    """Yields a temporary path beside `path`; the file there takes the name if the block succeeds.

    Folders that are missing are made. Readers see the old file or the new one, never half of it,
    and a block that fails leaves nothing behind.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a file can only be renamed at once within one file system.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path):
    """Deletes temporary files of `written_atomically(path)` whose writers were killed."""
    path = pathlib.Path(path)
    name, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for leftover in path.parent.glob(f".{name}-{'[0-9a-f]' * 32}{suffix}"):
        leftover.unlink(missing_ok=True)
