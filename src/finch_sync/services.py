"""The one place that builds objects, each when first needed: a look at Finch waits for no client it does not use."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

import boto3
from botocore.config import Config

from finch_sync.clock import Clock, utc_now
from finch_sync.connections import Connections
from finch_sync.enqueue import Enqueuer
from finch_sync.executions import Executions
from finch_sync.finch import Finch
from finch_sync.http_api import HttpApi
from finch_sync.pause import Pause
from finch_sync.schedule import Scheduler
from finch_sync.settings import Settings
from finch_sync.store import Store
from finch_sync.sweep import Sweeper
from finch_sync.tracking import Tracker

AWS_CALLS = Config(
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=16,
    retries={"mode": "standard", "total_max_attempts": 4},
)


class Services:
    """Everything that handlers use, made from the settings."""

    def __init__(self, settings: Settings, now: Clock = utc_now) -> None:
        self._settings = settings
        self._now = now

    @cached_property
    def store(self) -> Store:
        """The table."""
        return Store(boto3.client("dynamodb", config=AWS_CALLS), self._settings.table_name)

    @cached_property
    def executions(self) -> Executions:
        """The state machine."""
        return Executions(boto3.client("stepfunctions", config=AWS_CALLS), self._settings.state_machine_arn)

    @cached_property
    def connections(self) -> Connections:
        """The secret."""
        return Connections(boto3.client("secretsmanager", config=AWS_CALLS), self._settings.connections_secret_id)

    @cached_property
    def finch(self) -> Finch:
        """Finch."""
        return Finch(self._settings.finch_base_url)

    @cached_property
    def pause(self) -> Pause:
        """The shared pause."""
        return Pause(self.store)

    @cached_property
    def enqueuer(self) -> Enqueuer:
        """The use case: enqueue."""
        return Enqueuer(
            store=self.store,
            finch=self.finch,
            connections=self.connections,
            executions=self.executions,
            pause=self.pause,
            now=self._now,
            job_deadline=timedelta(seconds=self._settings.job_deadline_seconds),
        )

    @cached_property
    def tracker(self) -> Tracker:
        """The use case: follow."""
        return Tracker(
            store=self.store,
            finch=self.finch,
            connections=self.connections,
            executions=self.executions,
            pause=self.pause,
            now=self._now,
        )

    @cached_property
    def http_api(self) -> HttpApi:
        """The use case: answer a caller."""
        return HttpApi(store=self.store, connections=self.connections, enqueuer=self.enqueuer, now=self._now)

    def scheduler(self, time_left: Callable[[], float]) -> Scheduler:
        """The use case: a tick, within the time that the invocation has."""
        return Scheduler(
            store=self.store,
            connections=self.connections,
            enqueuer=self.enqueuer,
            now=self._now,
            time_left=time_left,
        )

    def sweeper(self, time_left: Callable[[], float]) -> Sweeper:
        """The use case: sweep, within the time that the invocation has."""
        return Sweeper(
            store=self.store,
            connections=self.connections,
            enqueuer=self.enqueuer,
            tracker=self.tracker,
            pause=self.pause,
            now=self._now,
            time_left=time_left,
        )
