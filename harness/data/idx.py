"""IDX files, the format in which MNIST was published, and the digests that tell whether a copy is MNIST.

An IDX file is a big-endian header (two zero bytes, the element type, the number of dimensions, then each
dimension as a 32-bit integer) and the elements in C order. The MD5 digests are those of the four uncompressed
files as published by LeCun, Cortes and Burges.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True, kw_only=True)
class IdxFile:
    """One published file: the array that it becomes, its usual name, its dimensions and its MD5 digest."""

    array: str
    stem: str
    dimensions: tuple[int, ...]
    md5: str

    @property
    def header(self) -> bytes:
        """The header of the file: 4 bytes and 4 more for each dimension."""
        rank = len(self.dimensions)
        return struct.pack(f">HBB{rank}I", 0, _UNSIGNED_BYTE, rank, *self.dimensions)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array: images are flattened to ``(n, features)``, labels stay ``(n,)``."""
        n, *rest = self.dimensions
        return (n, prod(rest)) if rest else (n,)

    @property
    def size(self) -> int:
        """The size of the uncompressed file in bytes."""
        return len(self.header) + prod(self.dimensions)


MNIST_FILES = (
    IdxFile(
        array="train_images",
        stem="train-images-idx3-ubyte",
        dimensions=(60_000, 28, 28),
        md5="6bbc9ace898e44ae57da46a324031adb",
    ),
    IdxFile(
        array="train_labels",
        stem="train-labels-idx1-ubyte",
        dimensions=(60_000,),
        md5="a25bea736e30d166cdddb491f175f624",
    ),
    IdxFile(
        array="test_images",
        stem="t10k-images-idx3-ubyte",
        dimensions=(10_000, 28, 28),
        md5="2646ac647ad5339dbf082846283269ea",
    ),
    IdxFile(
        array="test_labels",
        stem="t10k-labels-idx1-ubyte",
        dimensions=(10_000,),
        md5="27ae3e4e09519cfbb04c329615203637",
    ),
)


def digest(array: NDArray[np.uint8], file: IdxFile) -> str:
    """Return the MD5 digest that the IDX file of this array has."""
    md5 = hashlib.md5(file.header, usedforsecurity=False)
    md5.update(np.ascontiguousarray(array).data)
    return md5.hexdigest()


def check_array(array: NDArray[np.uint8], file: IdxFile, origin: str) -> None:
    """Raise DataError unless the array is, byte for byte, what the published file holds."""
    if array.dtype != np.uint8 or array.shape != file.shape:
        raise DataError(
            f"{origin}: {file.array}: expected shape {file.shape} uint8, found {array.shape} {array.dtype}"
        )
    found = digest(array, file)
    if found != file.md5:
        raise DataError(
            f"{origin}: {file.array} is not MNIST's: expected MD5 {file.md5} of the IDX file, found {found}; "
            f"the copy is damaged or another data set: fetch it again"
        )


def decode(data: bytes, file: IdxFile, origin: str) -> NDArray[np.uint8]:
    """Return the array of an IDX file's bytes, verified by size and digest; DataError names ``origin``."""
    if len(data) != file.size:
        raise DataError(
            f"{origin}: expected {file.size:,} bytes after decompression, found {len(data):,}: "
            f"the copy is incomplete or another data set: fetch it again"
        )
    array = np.frombuffer(data, dtype=np.uint8, offset=len(file.header)).reshape(file.shape)
    if data[: len(file.header)] != file.header:
        raise DataError(
            f"{origin}: expected the IDX header {file.header.hex()}, found "
            f"{data[: len(file.header)].hex()}: this is not {file.stem}"
        )
    check_array(array, file, origin)
    return array


def gunzip(data: bytes, file: IdxFile, origin: str) -> bytes:
    """Decompress gzip data, and stop one byte after the size that the file may have."""
    import io

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(file.size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{origin}: expected a gzip file, but it does not decompress ({error})") from error


def read_folder(folder: Path, files: tuple[IdxFile, ...] = MNIST_FILES) -> Mapping[str, NDArray[np.uint8]]:
    """Read and verify the IDX files in a folder, compressed (``.gz``) or not; uncompressed ones are mapped.

    The usual names are accepted with a dot for the dash before ``idx`` as well, in the folder itself or in
    the ``MNIST/raw`` or ``raw`` folder below it, where torchvision puts them.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder with MNIST's four IDX files, found no such folder")
    root = next((p for p in (folder, folder / "MNIST" / "raw", folder / "raw") if _find(p, files[0])), folder)
    found = {file.array: _find(root, file) for file in files}
    missing = [file.stem for file in files if found[file.array] is None]
    if missing:
        raise DataError(
            f"{root}: the folder is incomplete: expected {', '.join(missing)} (or with .gz), "
            f"found {_listing(root)}; add the missing files"
        )
    return {file.array: _read(path, file) for file in files if (path := found[file.array]) is not None}


def _find(folder: Path, file: IdxFile) -> Path | None:
    names = (file.stem, file.stem.replace("-idx", ".idx"))
    candidates = (folder / (name + suffix) for suffix in ("", ".gz") for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _read(path: Path, file: IdxFile) -> NDArray[np.uint8]:
    try:
        if path.suffix == ".gz":
            return decode(gunzip(path.read_bytes(), file, str(path)), file, str(path))
        size = path.stat().st_size
        if size != file.size:
            raise DataError(f"{path}: expected {file.size:,} bytes, found {size:,}: copy the file again")
        with path.open("rb") as stream:
            header = stream.read(len(file.header))
        if header != file.header:
            raise DataError(
                f"{path}: expected the IDX header {file.header.hex()}, found {header.hex()}: "
                f"this is not {file.stem}"
            )
        mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=len(file.header), shape=file.shape)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    check_array(mapped, file, str(path))
    return mapped
