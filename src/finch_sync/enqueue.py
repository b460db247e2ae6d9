"""Enqueue a job so that it is neither lost nor doubled.

1. Mark the request as sent, and its connection as held by it: one transaction.   A crash before: nothing happened.
2. POST to Finch.                                                                 A crash from here on: unknown.
3. End the request and write the job's record: one transaction.                   A crash before: unknown, and found.
4. Start the execution that follows the job.                                      A crash before: the sweep starts it.

Whoever comes across an unknown outcome looks into it first: it asks Finch's list for the job, and only when none is
there, and the first POST can no longer take effect, POSTs once more.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from aws_lambda_powertools import Logger

from finch_sync import answers
from finch_sync.access import with_newest_token
from finch_sync.clock import Clock
from finch_sync.connections import Connections
from finch_sync.executions import Executions
from finch_sync.finch import (
    Enqueued,
    Finch,
    FinchUnavailable,
    NotSent,
    OutcomeUnknown,
    Quota,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from finch_sync.jobs import Job, Report, Tracking, accepted_job
from finch_sync.ledger import (
    GIVE_UP,
    REPEATED_WITHIN,
    SETTLE,
    Answer,
    Request,
    Source,
    State,
    Step,
    Verdict,
    adoptable,
    is_repeated,
    made_since,
    next_step,
    verdict,
)
from finch_sync.metrics import Metric, record
from finch_sync.pause import Pause
from finch_sync.store import Gone, Held, Store, Taken, Won

logger = Logger(child=True)

TRY_LATER = timedelta(seconds=60)
"""When the sweep takes up again what nobody waits for."""

_HOLDERS_TO_RESOLVE = 3


@dataclass(frozen=True, slots=True)
class NotYet:
    """The request has no end yet; ``answer`` tells its caller so."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueuer:
    """Brings requests to their end."""

    store: Store
    finch: Finch
    connections: Connections
    executions: Executions
    pause: Pause
    now: Clock
    job_deadline: timedelta

    def enqueue(self, request: Request, *, repeats: bool = False) -> Request | NotYet:
        """Take a request as far as it goes now: to its end, or to where only time helps.

        Args:
            request: A new one, or one that is on record already; its key tells.
            repeats: Whether it shares the end of the request that it repeats, should that be unresolved.

        Raises:
            UnknownConnection: The secret has no such connection.
        """
        self.connections.token(request.connection)  # before anything is written: a name that is not there is refused
        paused = self.pause.seconds_left(self.now())
        if paused > 0:
            return self._put_off(request, answers.paused(paused), timedelta(seconds=paused))
        for _ in range(_HOLDERS_TO_RESOLVE):
            sent = request.sending(self.now())
            match self.store.send(sent):
                case Won():
                    return self._post(sent)
                case Taken(existing):
                    if existing.fingerprint != request.fingerprint:
                        return NotYet(answers.key_reused())
                    return self.look(existing)
                case Held(key):
                    holder = self.store.request(request.connection, key)
                    if holder is None:
                        self.store.free(request.connection, key)
                        continue
                    outcome = self.look(holder)
                    if repeats and is_repeated(holder, request):
                        return outcome
                    if isinstance(outcome, NotYet):
                        break
        return self._put_off(request, answers.in_flight(), TRY_LATER)

    def repeat(self, request: Request) -> Request | NotYet:
        """Take a request whose caller says that it made it before, and got no answer that it could use.

        It shares the end of the one that it repeats, which is unresolved or has just ended.

        Raises:
            UnknownConnection: The secret has no such connection.
        """
        earlier = self.store.last_call(request.connection, since=self.now() - REPEATED_WITHIN)
        if earlier is not None and is_repeated(earlier, request):
            return earlier
        return self.enqueue(request, repeats=True)

    def look(self, request: Request) -> Request | NotYet:
        """Do what a request on record needs next."""
        match next_step(request, self.now()):
            case Step.NOTHING:
                return request
            case Step.WAIT:
                return NotYet(answers.in_flight())
            case Step.SEND:
                return self.enqueue(request)
            case Step.RECONCILE:
                return self._reconcile(request)
            case impossible:
                assert_never(impossible)

    def leave_to_sweep(self, request: Request) -> None:
        """Let others have their turn before a request that just failed gets another."""
        self.store.step(request, request.put_off(self.now() + TRY_LATER))

    def abandon(self, request: Request, reason: str) -> None:
        """End a request for a connection that is not there any more."""
        self._end(request, State.REJECTED, answers.given_up(), quota=Quota(None, None), reason=reason)

    def _put_off(self, request: Request, answer: Answer, delay: timedelta) -> NotYet:
        """Leave a claimed request to the sweep. One that somebody waits for was never written down."""
        if request.source is not Source.HTTP:
            self.store.step(request, request.put_off(self.now() + delay))
        return NotYet(answer)

    def _post(self, sent: Request) -> Request | NotYet:
        try:
            enqueued = with_newest_token(self.connections, sent.connection, self.finch.enqueue)
        except NotSent as error:
            logger.warning("finch not reached", error=str(error), connection=sent.connection)
            return self._give_back(sent, answers.not_reached(), TRY_LATER)
        except RateLimited as limited:
            logger.warning("rate limited by finch", error=str(limited), connection=sent.connection)
            self.pause.heed(limited, self.now())
            delay = timedelta(seconds=limited.retry_after or 0) or TRY_LATER
            return self._give_back(sent, answers.refused(limited, self.now()), delay)
        except Refused as refusal:
            logger.warning("refused by finch", error=str(refusal), connection=sent.connection)
            quota = refusal.quota if isinstance(refusal, QuotaExhausted) else Quota(None, None)
            return self._end(
                sent, State.REJECTED, answers.refused(refusal, self.now()), quota=quota, reason=str(refusal)
            )
        except OutcomeUnknown as error:
            record(Metric.UNKNOWN_OUTCOMES)
            logger.error("answer lost, outcome unknown", error=str(error), connection=sent.connection)
            return self._unknown(sent, str(error))
        return self._accept(sent, enqueued)

    def _give_back(self, sent: Request, answer: Answer, delay: timedelta) -> NotYet:
        """Nothing reached Finch: a caller may ask again as for the first time; what nobody waits for is tried again."""
        due_at = self.now() + delay
        if sent.posts > 1:
            # The first POST's outcome is as unknown as it was; this one's failure settles nothing.
            self.store.step(sent, sent.becoming(State.UNKNOWN, posts=sent.posts - 1, due_at=due_at))
        else:
            self.store.give_back(sent, None if sent.source is Source.HTTP else sent.unsent(due_at))
        return NotYet(answer)

    def _accept(self, sent: Request, enqueued: Enqueued) -> Request | NotYet:
        logger.info(
            "finch took the request",
            request_key=sent.key,
            connection=sent.connection,
            finch_request_id=enqueued.request_id,
        )
        if enqueued.quota.remaining is not None:
            record(Metric.REMAINING_REFRESHES, enqueued.quota.remaining)
        answer = answers.enqueued(enqueued.job_id, enqueued.quota, sent.base_url, enqueued.request_id)
        if enqueued.job_id is None:
            return self._end(sent, State.NO_JOB, answer, quota=enqueued.quota)
        return self._take(sent, enqueued.job_id, answer, enqueued.quota)

    def _take(self, request: Request, job_id: str, answer: Answer, quota: Quota) -> Request | NotYet:
        """End a request with a job, and see that the job is followed."""
        now = self.now()
        job = accepted_job(request.connection, job_id, now=now, deadline=now + self.job_deadline)
        ended = request.becoming(State.ACCEPTED, job_id=job_id, answer=answer)
        match self.store.end(request, ended, now=now, quota=quota, job=job):
            case Won():
                logger.info("job accepted", job_id=job_id, request_key=request.key)
                self._follow(job)
                return ended
            case (Taken() | Gone()) as first:
                return self._yield_to(first)
            case Job() as known:
                followed = self._reopened(known)
                if followed is not None:
                    self._follow(followed)
                return self._end(request, State.ATTACHED, answer, quota=quota, job_id=job_id)

    def _reopened(self, known: Job) -> Job | None:
        """A job on record that Finch just named as running, made followed again if it was given up."""
        if known.tracking not in {Tracking.TIMED_OUT, Tracking.LOST}:
            return None
        now = self.now()
        deadline = now + self.job_deadline
        if not self.store.reopen(known, now=now, deadline=deadline):
            return None
        return self.store.job(known.connection, known.job_id)

    def _follow(self, job: Job) -> None:
        try:
            self.executions.start(job, self.store.durations(job.connection))
        except Exception:
            # The job is on record, so the sweep starts what could not be started here. The caller has its answer.
            logger.exception("execution not started", job_id=job.job_id, connection=job.connection)

    def _end(
        self,
        request: Request,
        state: State,
        answer: Answer,
        *,
        quota: Quota,
        reason: str | None = None,
        job_id: str | None = None,
    ) -> Request | NotYet:
        ended = request.becoming(state, answer=answer, reason=reason, job_id=job_id)
        match self.store.end(request, ended, now=self.now(), quota=quota, job=None):
            case (Taken() | Gone()) as first:
                return self._yield_to(first)
            case _:
                return ended

    def _yield_to(self, first: Taken | Gone) -> Request | NotYet:
        """Another worker was first: go by what it left."""
        return self.look(first.request) if isinstance(first, Taken) else NotYet(answers.not_reached())

    # --- unknown outcomes --------------------------------------------------------------------------------------------

    def _unknown(self, sent: Request, reason: str) -> Request | NotYet:
        now = self.now()
        # It was sent at some time until now, if what comes before the POST took long.
        unknown = sent.becoming(State.UNKNOWN, reason=reason, sent_at=now, due_at=now + SETTLE)
        match self.store.step(sent, unknown):
            case Won():
                return self._reconcile(unknown)
            case first:
                return self._yield_to(first)

    def _reconcile(self, request: Request) -> Request | NotYet:
        """Find out what became of a POST."""
        now = self.now()
        try:
            listing = with_newest_token(self.connections, request.connection, self.finch.jobs)
        except (FinchUnavailable, Refused) as error:
            return self._cannot_look(request, error)
        recorded = self.store.recorded(request.connection, [r.job_id for r in made_since(listing.reports, request)])
        found = adoptable(listing.reports, request, recorded, now)
        if found is not None:
            record(Metric.OUTCOMES_RESOLVED, How="adopted")
            logger.info("unknown outcome resolved: the job exists", job_id=found.job_id, connection=request.connection)
            return self._adopt(request, found, listing.quota)
        match verdict(request, now):
            case Verdict.LOOK_AGAIN:
                return NotYet(answers.unknown())
            case Verdict.POST_AGAIN:
                resent = request.sending(now)
                match self.store.step(request, resent):
                    case Won():
                        record(Metric.OUTCOMES_RESOLVED, How="posted_again")
                        logger.warning(
                            "unknown outcome: no job is listed, posting once more", connection=request.connection
                        )
                        return self._post(resent)
                    case first:
                        return self._yield_to(first)
            case Verdict.GIVE_UP:
                record(Metric.OUTCOMES_RESOLVED, How="given_up")
                return self._end(
                    request, State.REJECTED, answers.given_up(), quota=listing.quota, reason="no job after two attempts"
                )

    def _cannot_look(self, request: Request, error: Exception) -> NotYet | Request:
        """Finch does not let us look: the request stays unknown, for the sweep, but not for ever."""
        now = self.now()
        logger.warning("unknown outcome cannot be looked into", error=str(error), connection=request.connection)
        if now >= request.created_at + GIVE_UP:
            record(Metric.OUTCOMES_RESOLVED, How="given_up")
            return self._end(request, State.REJECTED, answers.given_up(), quota=Quota(None, None), reason=str(error))
        if isinstance(error, RateLimited):
            self.pause.heed(error, now)
        unknown = request if request.state is State.UNKNOWN else request.becoming(State.UNKNOWN)
        self.store.step(request, unknown.put_off(now + TRY_LATER))
        return NotYet(answers.unknown())

    def _adopt(self, request: Request, found: Report, listed: Quota) -> Request | NotYet:
        quota = listed
        if quota.allowed is None or quota.remaining is None:
            quota = self.store.quota(request.connection, since=self.now() - timedelta(hours=1)) or quota
        return self._take(request, found.job_id, answers.enqueued(found.job_id, quota, request.base_url), quota)
