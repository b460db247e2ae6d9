"""What the sandbox remembers: connections, jobs, quota windows, configurations and the ledger, in SQLite.

In a file it outlives the process, however that ends; without one it lives in memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Literal, NamedTuple

from finch_sandbox.jobs import Job
from finch_sandbox.ledger import Entry
from finch_sandbox.quota import Window
from finch_sandbox.settings import TerminalStatus

_Value = str | int | float | None
ConnectionKind = Literal["automated", "assisted"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS connections (name TEXT PRIMARY KEY, kind TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, connection TEXT NOT NULL, revoked INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT UNIQUE NOT NULL, connection TEXT NOT NULL,
    created_at REAL NOT NULL, pending_seconds REAL NOT NULL, in_progress_seconds REAL NOT NULL,
    completion_status TEXT NOT NULL,
    ends_at REAL GENERATED ALWAYS AS (created_at + pending_seconds + in_progress_seconds) VIRTUAL);
CREATE INDEX IF NOT EXISTS jobs_of_connection ON jobs (connection, number);
CREATE TABLE IF NOT EXISTS windows (connection TEXT PRIMARY KEY, opened_at REAL NOT NULL, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS configurations (scope TEXT PRIMARY KEY, completion_status TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL);
"""
_JOB_COLUMNS = "job_id, connection, created_at, pending_seconds, in_progress_seconds, completion_status"


class Credential(NamedTuple):
    """Whose token it is, and whether it still opens the connection."""

    connection: str
    kind: ConnectionKind
    revoked: bool


class Connection(NamedTuple):
    """A connection with the token that opens it now, if any does."""

    name: str
    kind: ConnectionKind
    token: str | None


class Store:
    """The sandbox's memory. Safe to use from several threads; `transaction` makes several steps one."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = RLock()
        self._depth = 0
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # A process that dies loses nothing this way; only a machine that dies could, and no test kills that.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes everything inside it happen as a whole or not at all, with nothing from another thread between."""
        with self._lock:
            if self._depth:
                yield
                return
            self._depth += 1
            try:
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    yield
            finally:
                self._depth -= 1

    def put_connection(self, name: str, kind: ConnectionKind) -> None:
        """Adds a connection, or changes the kind of one."""
        self._write("INSERT OR REPLACE INTO connections VALUES (?, ?)", name, kind)

    def put_token(self, token: str, connection: str) -> None:
        """Makes a token the only one that opens a connection."""
        with self.transaction():
            self.revoke_tokens(connection)
            self._write("INSERT OR REPLACE INTO tokens VALUES (?, ?, 0)", token, connection)

    def revoke_tokens(self, connection: str) -> None:
        """Lets no token open a connection any more."""
        self._write("UPDATE tokens SET revoked = 1 WHERE connection = ?", connection)

    def credential(self, token: str) -> Credential | None:
        """What is known of a token."""
        rows = self._read(
            "SELECT name, kind, revoked FROM tokens JOIN connections ON name = connection WHERE token = ?", token
        )
        return next((Credential(name, kind, bool(revoked)) for name, kind, revoked in rows), None)

    def connections(self) -> list[Connection]:
        """All connections, in the order they were made."""
        rows = self._read(
            "SELECT name, kind, token FROM connections LEFT JOIN tokens ON connection = name AND NOT revoked "
            "ORDER BY connections.rowid"
        )
        return [Connection(*row) for row in rows]

    def add_job(self, job: Job) -> None:
        """Adds a job."""
        self._write(
            f"INSERT INTO jobs ({_JOB_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant of this module
            job.job_id,
            job.connection,
            job.created_at,
            job.pending_seconds,
            job.in_progress_seconds,
            job.completion_status,
        )

    def job(self, job_id: str) -> Job | None:
        """A job by its id, whosesoever it is."""
        rows = self._read(f"SELECT {_JOB_COLUMNS} FROM jobs WHERE job_id = ?", job_id)  # noqa: S608 - as above
        return next((Job(*row) for row in rows), None)

    def running_job(self, connection: str, now: float) -> Job | None:
        """The connection's newest job that has not ended."""
        rows = self._read(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE connection = ? AND ends_at > ? ORDER BY number DESC LIMIT 1",  # noqa: S608
            connection,
            now,
        )
        return next((Job(*row) for row in rows), None)

    def count_jobs(self, connection: str) -> int:
        """How many jobs the connection has had."""
        ((count,),) = self._read("SELECT count(*) FROM jobs WHERE connection = ?", connection)
        return int(count)

    def jobs(self, connection: str | None = None) -> list[Job]:
        """The jobs of one connection, or of all, newest first."""
        rows = self._read(
            f"SELECT {_JOB_COLUMNS} FROM jobs WHERE ?1 IS NULL OR connection = ?1 ORDER BY number DESC",  # noqa: S608
            connection,
        )
        return [Job(*row) for row in rows]

    def set_completion_status_of_running(self, status: TerminalStatus, connection: str | None, now: float) -> None:
        """Changes how the jobs which have not ended will end, those of one connection or all."""
        self._write(
            "UPDATE jobs SET completion_status = ?1 WHERE (?2 IS NULL OR connection = ?2) AND ends_at > ?3",
            status,
            connection,
            now,
        )

    def window(self, connection: str) -> Window | None:
        """The connection's last quota window."""
        rows = self._read("SELECT opened_at, used FROM windows WHERE connection = ?", connection)
        return next((Window(*row) for row in rows), None)

    def put_window(self, connection: str, window: Window) -> None:
        """Remembers the connection's quota window."""
        self._write("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", connection, window.opened_at, window.used)

    def configuration(self, scope: str) -> TerminalStatus | None:
        """The completion status that was configured for a scope."""
        rows = self._read("SELECT completion_status FROM configurations WHERE scope = ?", scope)
        return next((status for (status,) in rows), None)

    def put_configuration(self, scope: str, status: TerminalStatus) -> None:
        """Configures the completion status of a scope."""
        self._write("INSERT OR REPLACE INTO configurations VALUES (?, ?)", scope, status)

    def drop_configuration(self, scope: str) -> None:
        """Forgets what was configured for a scope."""
        self._write("DELETE FROM configurations WHERE scope = ?", scope)

    def drop_configurations(self) -> None:
        """Forgets every configured completion status."""
        self._write("DELETE FROM configurations")

    def record(self, entry: Entry) -> None:
        """Adds an entry to the ledger, under the next number."""
        self._write("INSERT INTO ledger (entry) VALUES (?)", entry.model_dump_json(exclude={"number"}))

    def entries(self, after: int = 0) -> list[Entry]:
        """The ledger's entries with a number above the given one, oldest first."""
        rows = self._read("SELECT number, entry FROM ledger WHERE number > ? ORDER BY number", after)
        return [Entry.model_validate_json(entry).model_copy(update={"number": number}) for number, entry in rows]

    def forget(self) -> None:
        """Empties everything but the connections and their tokens."""
        with self.transaction():
            for table in ("jobs", "windows", "configurations", "ledger"):
                self._write(f"DELETE FROM {table}")  # noqa: S608 - one of the names above

    def _read(self, statement: str, *values: _Value) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: _Value) -> None:
        with self._lock:
            self._database.execute(statement, values)
