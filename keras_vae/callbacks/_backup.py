"""Files of numbers, texts and arrays, in lists and dictionaries: what a backup is made of."""

import json
import os

import numpy as np

from keras_vae._files import written_atomically

_ARRAY = "__array__"


def is_plain(value):
    """Returns whether `write` takes this value."""
    try:
        json.dumps(_packed(value, []))
    except (TypeError, ValueError):
        return False
    return True


def write(path, value):
    """Writes the file, which is complete and on the disk once it has its name.

    Raises:
        OSError: If it cannot be written.
    """
    arrays = []
    text = json.dumps(_packed(value, arrays))
    with written_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, text, *arrays)
        file.flush()
        # Without it a loss of power could leave the new name and none of its bytes.
        os.fsync(file.fileno())


def read(path):
    """Returns what was written: tuples as lists.

    Raises:
        ValueError: If the file is damaged, or of another kind.
    """
    try:
        # NumPy leaves a file open that it cannot read.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = [file[f"arr_{index}"] for index in range(len(file.files))]
            return _unpacked(json.loads(str(arrays[0])), arrays[1:])
    # NumPy, its zip files and JSON have many words for a file that is not what it should be.
    except Exception as error:
        raise ValueError(
            "BackupAndRestore expects a whole backup of its own. "
            f"Received: {path}, which cannot be read ({error!r}). "
            "Delete it to start from the beginning, or take another backup_dir."
        ) from error


def _packed(value, arrays):
    """Returns `value` as JSON knows it; its arrays are appended to the list `arrays`."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind == "O":
            raise TypeError("An array of Python objects is no array of numbers.")
        arrays.append(array)
        return {_ARRAY: len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("JSON makes every key a text.")
        return {key: _packed(part, arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(part, arrays) for part in value]
    return value


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(part, arrays) for part in value]
    if isinstance(value, dict) and _ARRAY in value:
        array = arrays[value[_ARRAY]]
        return array[()] if value["scalar"] else array
    if isinstance(value, dict):
        return {key: _unpacked(part, arrays) for key, part in value.items()}
    return value
