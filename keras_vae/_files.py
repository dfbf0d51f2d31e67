"""Files that are complete or not there."""

import contextlib
import os
import pathlib
import tempfile


@contextlib.contextmanager
def written_atomically(path):
    """Yields a temporary path beside `path` that takes its name if the block succeeds."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield pathlib.Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(name)
        raise


def _umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask
