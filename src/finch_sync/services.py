"""The one place that builds objects, each when first needed.

A property imports what it builds: so an event loads the modules of its own use case, and no others. A cold start pays
for every module that it loads.
"""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from finch_sync.clock import Clock, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from finch_sync.announcements import Announcer
    from finch_sync.aws import Aws
    from finch_sync.connections import Connections
    from finch_sync.enqueue import Enqueuer
    from finch_sync.executions import Executions
    from finch_sync.finch import Finch
    from finch_sync.http_api import HttpApi
    from finch_sync.pause import Pause
    from finch_sync.polling import Durations
    from finch_sync.schedule import Scheduler
    from finch_sync.settings import Settings
    from finch_sync.store import Store
    from finch_sync.sweep import Sweeper
    from finch_sync.tracking import Tracker


class Services:
    """Everything that handlers use, made from the settings."""

    def __init__(self, settings: Settings, now: Clock = utc_now) -> None:
        self._settings = settings
        self._now = now

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Whom to trust: the system's roots, and those that the operator adds. Loading them costs more than a call."""
        context = ssl.create_default_context()
        if added := os.environ.get("AWS_CA_BUNDLE"):
            context.load_verify_locations(added)
        return context

    @cached_property
    def _aws(self) -> Aws:
        from finch_sync.aws import Aws

        return Aws(self.tls)

    @cached_property
    def store(self) -> Store:
        """The table."""
        from finch_sync.store import Store

        return Store(self._aws.client("dynamodb"), self._settings.table_name)

    @cached_property
    def executions(self) -> Executions:
        """The state machine."""
        from finch_sync.executions import Executions

        return Executions(self._aws.client("stepfunctions"), self._settings.state_machine_arn, self._first_job)

    @cached_property
    def _first_job(self) -> Durations:
        """What a connection's first job takes, as far as the operator knows: as if there had been one."""
        from finch_sync.polling import UNKNOWN

        seconds = self._settings.first_job_seconds
        return UNKNOWN.after(seconds) if seconds else UNKNOWN

    @cached_property
    def announcer(self) -> Announcer:
        """The event bus."""
        from finch_sync.announcements import Announcer

        return Announcer(self._aws.client("events"), self._settings.event_bus_name)

    @cached_property
    def connections(self) -> Connections:
        """The secret."""
        from finch_sync.connections import Connections

        return Connections(self._aws.client("secretsmanager"), self._settings.connections_secret_id)

    @cached_property
    def finch(self) -> Finch:
        """Finch."""
        from finch_sync.finch import Finch

        return Finch(self._settings.finch_base_url, self.tls)

    @cached_property
    def pause(self) -> Pause:
        """The shared pause."""
        from finch_sync.pause import Pause

        return Pause(self.store)

    @cached_property
    def enqueuer(self) -> Enqueuer:
        """The use case: enqueue."""
        from finch_sync.enqueue import Enqueuer

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
        from finch_sync.tracking import Tracker

        return Tracker(
            store=self.store,
            finch=self.finch,
            connections=self.connections,
            executions=self.executions,
            announcer=self.announcer,
            pause=self.pause,
            now=self._now,
            expected=self._first_job,
        )

    @cached_property
    def http_api(self) -> HttpApi:
        """The use case: answer a caller."""
        from finch_sync.http_api import HttpApi
        from finch_sync.waiting import WaitingRoom
        from finch_sync.webhook_inbox import WebhookInbox

        return HttpApi(
            store=self.store,
            connections=self.connections,
            enqueuer=self.enqueuer,
            waiting_room=WaitingRoom(store=self.store, now=self._now),
            webhook_inbox=WebhookInbox(
                store=self.store, connections=self.connections, tracker=self.tracker, now=self._now
            ),
            now=self._now,
        )

    def scheduler(self, time_left: Callable[[], float]) -> Scheduler:
        """The use case: a tick, within the time that the invocation has."""
        from finch_sync.schedule import Scheduler

        return Scheduler(
            store=self.store,
            connections=self.connections,
            enqueuer=self.enqueuer,
            now=self._now,
            time_left=time_left,
        )

    def sweeper(self, time_left: Callable[[], float]) -> Sweeper:
        """The use case: sweep, within the time that the invocation has."""
        from finch_sync.sweep import Sweeper

        return Sweeper(
            store=self.store,
            connections=self.connections,
            enqueuer=self.enqueuer,
            tracker=self.tracker,
            pause=self.pause,
            now=self._now,
            time_left=time_left,
        )
