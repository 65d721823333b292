"""The results store: SQLite, one row a finished unit, committed as it finishes.

A row is found by its key, a digest of everything that the outcome depends on, so nothing in it grows stale:
a changed submission has another key. Several graders may share a store on one machine. Each claims a unit
before it runs it, and its heart beats in a row of its own; a claim whose grader is dead, or whose heart has
stood still for ``LEASE_SECONDS`` of the observer's own clock, is taken over. No time of day is compared.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.data.cache import cache_folder
from harness.errors import StoreError
from harness.liveness import known_dead, this_process

FOLDER = ".backcheck"  # of the store that nobody named; hidden from version control
SCHEMA = 1
APPLICATION_ID = 0x6263686B  # "bchk": tells a store from any other SQLite file
BUSY_SECONDS = 30.0  # a commit takes milliseconds: whoever holds the lock for so long is stuck
BEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0  # of a standing heart before a claim is taken over

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outcomes (
    key TEXT PRIMARY KEY,
    label TEXT NOT NULL,              -- for people who look into the file
    outcome TEXT NOT NULL,            -- JSON
    digest TEXT NOT NULL,             -- SHA-256 of outcome
    finished TEXT NOT NULL,           -- UTC, for people; never compared
    repeats INTEGER NOT NULL DEFAULT 0  -- how often a unit that was finished was run again
);
CREATE TABLE graders (id TEXT PRIMARY KEY, process TEXT NOT NULL, beat INTEGER NOT NULL DEFAULT 0);
CREATE TABLE claims (key TEXT PRIMARY KEY, grader TEXT NOT NULL);
"""


class Lease(Enum):
    """What came of asking for a unit: it is ours to run, another grader runs it, or it is finished."""

    OURS = "ours"
    THEIRS = "theirs"
    FINISHED = "finished"


class Store:
    """An open results store; used by one thread, with a second one for the heart.

    StoreError, saying what to do, for a file that cannot be read or written, is damaged, is locked for
    ``busy_seconds``, is no store, or was written by a later version. Nothing is ever deleted.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = Path(path)
        self.kept = 0  # units that this grader has finished and stored
        self._busy = busy_seconds
        self._id = secrets.token_hex(8)
        self._seen: dict[str, tuple[int, float]] = {}  # of other graders: their last beat, and since when
        self._stopped = threading.Event()
        with self._explained():
            _create(self.path)
            if not _is_empty_or_sqlite(self.path):
                raise self._damaged("it does not begin as one does")
            self._db = self._connect()
            try:
                self._prepare()
                self._refuse_foreign()
                self._enter()
            except BaseException:
                self._db.close()
                raise
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def seed(self, draw: Callable[[], int]) -> int:
        """Return the store's grading seed, which is drawn the first time and kept from then on."""
        with self._explained(), self._transaction():
            row = self._db.execute("SELECT value FROM meta WHERE name = 'grading_seed'").fetchone()
            if row is not None:
                return int(row[0])
            seed = draw()
            self._db.execute("INSERT INTO meta VALUES ('grading_seed', ?)", (str(seed),))
            return seed

    def get(self, key: str) -> str | None:
        """Return the stored outcome, or None; StoreError if the row is not what was written."""
        with self._explained():
            row = self._db.execute("SELECT outcome, digest FROM outcomes WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        outcome, digest = row
        if not isinstance(outcome, str) or _digest(outcome) != digest:
            raise self._damaged(f"the outcome of unit {key[:12]} is not what was written")
        return outcome

    def claim(self, key: str) -> Lease:
        """Ask to run a unit; whoever is told OURS must ``put`` or ``release`` it."""
        with self._explained(), self._transaction():
            if self._db.execute("SELECT 1 FROM outcomes WHERE key = ?", (key,)).fetchone():
                return Lease.FINISHED
            row = self._db.execute(
                "SELECT grader, process, beat FROM claims LEFT JOIN graders ON id = grader WHERE key = ?",
                (key,),
            ).fetchone()
            if row is not None and row[0] != self._id and self._alive(*row):
                return Lease.THEIRS
            self._db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (key, self._id))
            return Lease.OURS

    def put(self, key: str, outcome: str, *, label: str = "") -> None:
        """Store a finished unit and give up its claim; it is on the disk when this returns."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # The first outcome stays: two graders that ran one unit all the same report the same.
        query = (
            "INSERT INTO outcomes (key, label, outcome, digest, finished) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET repeats = repeats + 1"
        )
        with self._explained(), self._transaction():
            self._db.execute(query, (key, label, outcome, _digest(outcome), now))
            self._db.execute("DELETE FROM claims WHERE key = ?", (key,))
        self.kept += 1

    def release(self, key: str) -> None:
        """Give up a claim without an outcome."""
        with self._explained(), self._transaction():
            self._db.execute("DELETE FROM claims WHERE key = ? AND grader = ?", (key, self._id))

    def close(self) -> None:
        """Give up every claim and close the file; never raises."""
        self._stopped.set()
        self._heart.join()
        with suppress(sqlite3.Error), self._transaction():
            self._leave(self._id)
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> sqlite3.Connection:
        # Autocommit: every transaction below is opened by name.
        return sqlite3.connect(self.path, timeout=self._busy, isolation_level=None)

    def _prepare(self) -> None:
        """Check what the file is before the first write to it, then make it a store."""
        application = self._pragma("application_id")
        version = self._pragma("user_version")
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (application or version or tables):
            raise StoreError(
                f"{self.path}: expected a results store, found another program's database; it was not "
                f"touched: name another file with --store"
            )
        if version > SCHEMA:
            raise StoreError(
                f"{self.path}: written by a later backcheck (schema {version}, this one knows {SCHEMA}); it "
                f"was not touched: upgrade backcheck, or name another file with --store"
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # what is told to be kept survives a power cut too
        with self._transaction():
            if self._pragma("user_version") == 0:  # asked again: another grader may have come first
                for statement in TABLES.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    def _refuse_foreign(self) -> None:
        """Raise StoreError for a store that this user did not make: its maker could write any grade into it.

        A repository that is handed in may bring one. What tells is a secret of the user's, kept beside the
        data sets.
        """
        mark = hashlib.sha256(f"results store {_secret()}".encode()).hexdigest()
        with self._transaction():
            row = self._db.execute("SELECT value FROM meta WHERE name = 'maker'").fetchone()
            known = self._db.execute("SELECT count(*) FROM outcomes").fetchone()[0]
            if row is None and not known:
                self._db.execute("INSERT INTO meta VALUES ('maker', ?)", (mark,))
            elif row is None or row[0] != mark:
                raise StoreError(
                    f"{self.path}: this results store was made by another user, or on another machine, and "
                    f"grades are taken from it; it was not touched: name another file with --store, or grade "
                    f"with --no-store"
                )

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _enter(self) -> None:
        """Enter this grader, and strike out those of this machine that have died."""
        with self._transaction():
            for grader, process in self._db.execute("SELECT id, process FROM graders").fetchall():
                if known_dead(process):
                    self._leave(grader)
            self._db.execute("INSERT INTO graders (id, process) VALUES (?, ?)", (self._id, this_process()))

    def _leave(self, grader: str) -> None:
        self._db.execute("DELETE FROM claims WHERE grader = ?", (grader,))
        self._db.execute("DELETE FROM graders WHERE id = ?", (grader,))

    def _alive(self, grader: str, process: str | None, beat: int | None) -> bool:
        """Whether another grader still works, as far as can be told without comparing clocks."""
        if process is None or beat is None or known_dead(process):
            return False
        now = time.monotonic()
        last, since = self._seen.get(grader, (None, now))
        if last != beat:
            since = now
        self._seen[grader] = (beat, since)
        return now - since < LEASE_SECONDS

    def _beat(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._stopped.wait(BEAT_SECONDS):
            # A beat that cannot be written now comes later; what matters is reported by the other thread.
            with suppress(sqlite3.Error):
                connection = connection or self._connect()
                connection.execute("UPDATE graders SET beat = beat + 1 WHERE id = ?", (self._id,))
        if connection is not None:
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite has already rolled back after some errors
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: the results store cannot be made ({error.strerror or error}): name another "
                f"file with --store, or grade with --no-store"
            ) from error

    def _error(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged(str(error))
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(
                f"{self.path}: locked by another program for {self._busy:.0f} s; what was finished is kept: "
                f"end that program and run again, or name another file with --store"
            )
        if code == sqlite3.SQLITE_FULL:
            return StoreError(
                f"{self.path}: the disk is full; what was finished is kept: free some space and run again"
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return StoreError(
                f"{self.path}: cannot be opened for writing ({error}): name another file with --store, or "
                f"grade with --no-store"
            )
        return StoreError(
            f"{self.path}: the results store fails ({error}); what was finished is kept: run again, or name "
            f"another file with --store"
        )

    def _damaged(self, what: str) -> StoreError:
        return StoreError(
            f"{self.path}: the results store is damaged ({what}); nothing in it was changed or deleted: move "
            f"the file away to grade anew, or save what is left of it with "
            f"`sqlite3 {self.path} .recover | sqlite3 NEW` and --store NEW"
        )


def _secret() -> str:
    """A random text that only this user can read; made when it is first asked for."""
    path = cache_folder() / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"secret-{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):  # of two graders the first gives it, whole
            path.hardlink_to(made)
        made.unlink()
    return path.read_text()


def _create(path: Path) -> None:
    """Make the file for its owner alone: with the seed in it, the blinding of every run can be foretold."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
        if path.parent.name == FOLDER:
            (path.parent / ".gitignore").write_text("*\n")  # a published seed is no secret
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _is_empty_or_sqlite(path: Path) -> bool:
    """SQLite itself takes a file of a few bytes for an empty one, and writes over it."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
