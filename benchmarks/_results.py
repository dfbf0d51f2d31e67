"""What every benchmark writes: the figures with all that one needs to judge them."""

import contextlib
import datetime
import json
import os
import pathlib
import platform

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import keras_vae

RESULTS = pathlib.Path(__file__).parent / "results"


def save(path, table, **figures):
    """Writes the figures as `<path>.json` and the table beside them as `<path>.md`.

    Args:
        path: Path without an ending.
        table: Rows of cells, the heading first.
        **figures: What the JSON holds beside the versions, the machine and the date; the seeds
            and the seconds that it took belong to it.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    result = figures | {"versions": versions(), "machine": machine(), "date": _today()}
    texts = {".json": json.dumps(result, indent=1), ".md": markdown(table)}
    for suffix, text in texts.items():
        with whole(path.with_suffix(suffix)) as temporary:
            temporary.write_text(text + "\n")


def markdown(table):
    """Returns rows of cells, the heading first, as a table in Markdown."""
    heading, *rows = [[str(cell) for cell in row] for row in table]
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def versions():
    packages = (keras, tf, tfp, np, keras_vae)
    return {"python": platform.python_version()} | {p.__name__: p.__version__ for p in packages}


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "devices": [device.device_type for device in tf.config.list_physical_devices()],
    }


def _today():
    return datetime.date.today().isoformat()


@contextlib.contextmanager
def whole(path):
    """Yields a path to write to, which takes the name at the end.

    A benchmark that is killed leaves the figures and pictures of the last one.
    """
    temporary = path.with_name(f".{path.name}")
    yield temporary
    os.replace(temporary, path)
