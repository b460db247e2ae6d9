"""What the sandbox remembers: connections, jobs, quota windows, configurations, webhooks and the ledger, in SQLite.

In a file it outlives the process, however that ends; without one it lives in memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Literal, NamedTuple

from finch_sandbox.jobs import Job
from finch_sandbox.ledger import Attempt, Entry
from finch_sandbox.quota import Window
from finch_sandbox.settings import TerminalStatus
from finch_sandbox.webhooks import Delivery, Event

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
CREATE TABLE IF NOT EXISTS untold_ends (job_id TEXT PRIMARY KEY, ends_at REAL NOT NULL, job_url TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS untold_ends_in_order ON untold_ends (ends_at);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, connection TEXT NOT NULL,
    event_type TEXT NOT NULL, job_id TEXT, url TEXT NOT NULL, body TEXT NOT NULL, failures INTEGER NOT NULL,
    due_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (number INTEGER PRIMARY KEY AUTOINCREMENT, attempt TEXT NOT NULL);
"""
_JOB_COLUMNS = "job_id, connection, created_at, pending_seconds, in_progress_seconds, completion_status"
_DELIVERY_COLUMNS = "event_id, connection, event_type, job_id, url, body, failures, due_at"


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

    def expect_end(self, job_id: str, ends_at: float, job_url: str) -> None:
        """Remembers that a job's end is to be told."""
        self._write("INSERT INTO untold_ends VALUES (?, ?, ?)", job_id, ends_at, job_url)

    def next_end(self) -> list[float]:
        """When the next end comes that is to be told; nothing if none is expected."""
        return [ends_at for (ends_at,) in self._read("SELECT ends_at FROM untold_ends ORDER BY ends_at LIMIT 1")]

    def take_ended(self, now: float) -> list[tuple[Job, str]]:
        """The jobs that have ended and whose end is to be told, with their URL, each once."""
        with self.transaction():
            columns = ", ".join(f"jobs.{column.strip()}" for column in _JOB_COLUMNS.split(","))
            rows = self._read(
                f"SELECT untold_ends.job_url, {columns} FROM untold_ends JOIN jobs USING (job_id) "  # noqa: S608 - as above
                "WHERE untold_ends.ends_at <= ? ORDER BY untold_ends.ends_at, jobs.number",
                now,
            )
            self._write("DELETE FROM untold_ends WHERE ends_at <= ?", now)
        return [(Job(*job), job_url) for job_url, *job in rows]

    def add_delivery(self, event: Event, body: str, url: str, due_at: float) -> None:
        """Adds a delivery that is yet to be made."""
        self._write(
            f"INSERT INTO deliveries ({_DELIVERY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",  # noqa: S608 - as above
            event.event_id,
            event.connection,
            event.event_type,
            event.job_id,
            url,
            body,
            due_at,
        )

    def deliveries(self) -> list[Delivery]:
        """The deliveries that are neither made nor given up, in the order in which they are due."""
        rows = self._read(f"SELECT number, {_DELIVERY_COLUMNS} FROM deliveries ORDER BY due_at, number")  # noqa: S608
        return [Delivery(*row) for row in rows]

    def settle(self, delivery: Delivery, attempt: Attempt, retry_at: float | None) -> None:
        """Notes an attempt, and when the next is due, if any is. One of a delivery that was forgotten is forgotten."""
        with self.transaction():
            if not self._read("SELECT 1 FROM deliveries WHERE number = ?", delivery.number):
                return
            self._write("INSERT INTO attempts (attempt) VALUES (?)", attempt.model_dump_json(exclude={"number"}))
            if retry_at is None:
                self._write("DELETE FROM deliveries WHERE number = ?", delivery.number)
            else:
                self._write(
                    "UPDATE deliveries SET failures = ?, due_at = ? WHERE number = ?",
                    delivery.failures + 1,
                    retry_at,
                    delivery.number,
                )

    def attempts(self) -> list[Attempt]:
        """The deliveries of webhooks that were attempted, oldest first."""
        rows = self._read("SELECT number, attempt FROM attempts ORDER BY number")
        return [Attempt.model_validate_json(attempt).model_copy(update={"number": number}) for number, attempt in rows]

    def forget(self) -> None:
        """Empties everything but the connections and their tokens."""
        with self.transaction():
            for table in ("jobs", "windows", "configurations", "ledger", "untold_ends", "deliveries", "attempts"):
                self._write(f"DELETE FROM {table}")  # noqa: S608 - one of the names above

    def _read(self, statement: str, *values: _Value) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: _Value) -> None:
        with self._lock:
            self._database.execute(statement, values)
