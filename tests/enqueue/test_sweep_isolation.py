"""One thing that the sweep cannot bring on must not keep it from the others."""

from finch_sync.clock import to_text
from finch_sync.jobs import accepted_job
from finch_sync.ledger import Request, Source, fingerprint
from tests.world import World


def test_a_record_that_cannot_be_read_does_not_end_the_sweep(world: World) -> None:
    now = world.clock()
    asked = Request(
        connection="globex",
        key="key:1",
        source=Source.DIRECT,
        fingerprint=fingerprint({"type": "data_sync_all"}),
        created_at=now,
        due_at=now,
    )
    world.store.claim(asked)
    garbled = accepted_job("acme", "garbled", now=now, deadline=now).model_dump(exclude_none=True) | {"status": ""}
    keys = {"pk": "connection#acme", "sk": "job#garbled", "open": "job", "due_at": to_text(now), "tracking": "?"}
    world.aws.dynamodb.put_item(
        TableName=world.table, Item={name: {"S": str(value)} for name, value in (garbled | keys).items()}
    )

    swept = world.another().sweeper(lambda: 60.0).run()

    assert swept == {"request": 1, "job": 1}
    assert len(world.jobs_made("globex")) == 1
