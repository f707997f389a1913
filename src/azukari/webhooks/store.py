"""Table ``webhook_endpoints``."""

from collections.abc import Sequence
from typing import Self

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.clock import DAY
from azukari.core.errors import NotFound
from azukari.db import Owner, Page, Tx
from azukari.events.numbering import EVENTS, counters
from azukari.merchants.due import Due, index_of_test_rows

#: How long a payment's own are told of what becomes of it.
LIFE_OF_PAYMENTS = 180 * DAY

endpoints = db.owned_table(
    "webhook_endpoints",
    sa.Column("url", db.Text, nullable=False),
    sa.Column("entry_id", db.Text),
    sa.Column("old_entry_id", db.Text),
    sa.Column("old_until", db.Time),
    sa.Column("events", db.Json, nullable=False),
    sa.Column("active", db.Integer, nullable=False),
    sa.Column("api_version", db.Text, nullable=False),
    sa.Column("ordered", db.Integer, nullable=False),
    sa.Column("disabled_reason", db.Text),
    sa.Column("since", db.Text),
    sa.Column("told", db.Integer, nullable=False),
    sa.Column("turn", db.Integer, nullable=False),
    sa.Column("version", db.Integer, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("updated_at", db.Time, nullable=False),
    sa.Column("deleted_at", db.Time),
    sa.Column("payment_id", db.Text),
    db.owned_reference("entry_id", "vault_entries"),
    db.owned_reference("old_entry_id", "vault_entries"),
    db.partial_index("ix_webhook_endpoints_since", "since", where="since IS NOT NULL AND payment_id IS NULL"),
    db.partial_index("ix_webhook_endpoints_payment_id", "payment_id", where="payment_id IS NOT NULL"),
    db.partial_index(
        "ix_webhook_endpoints_created_at", "created_at", where="payment_id IS NOT NULL AND deleted_at IS NULL"
    ),
    index_of_test_rows("webhook_endpoints", "created_at", "payment_id IS NOT NULL AND deleted_at IS NULL"),
    db.partial_index("ix_webhook_endpoints_old_until", "old_until", where="old_until IS NOT NULL"),
)


class Endpoint(msgspec.Struct, frozen=True):
    """A row of ``webhook_endpoints``.

    entry_id: the vault's entry of its secret; old_entry_id: of the one before, which signs too until ``old_until``.
    events: the types it wants, JSON; ``["*"]`` are all. disabled_reason: why we switched it off: ``gone``.
    since: it is told of events with greater ids; None: it is not active.
    told: events up to this number have their deliveries to it.
    payment_id: it is this payment's own, told of its events alone, and no route shows it. Without ``entry_id`` it signs
    with the secret of the merchant's oldest endpoint.
    turn: raised by whoever takes deliveries to send, so that one worker does at a time.
    """

    merchant_id: str
    mode: str
    id: str
    url: str
    entry_id: str | None
    old_entry_id: str | None
    old_until: int | None
    events: str
    active: int
    api_version: str
    ordered: int
    disabled_reason: str | None
    since: str | None
    told: int
    turn: int
    version: int
    created_at: int
    updated_at: int
    deleted_at: int | None = None
    payment_id: str | None = None

    @classmethod
    def new(
        cls,
        owner: Owner,
        id: str,
        now: int,
        *,
        url: str,
        entry_id: str | None,
        events: str,
        api_version: str,
        active: bool = True,
        ordered: bool = False,
    ) -> Self:
        """One that is told of what happens from now on."""
        return cls(
            merchant_id=owner.merchant_id,
            mode=owner.mode,
            id=id,
            url=url,
            entry_id=entry_id,
            old_entry_id=None,
            old_until=None,
            events=events,
            active=int(active),
            api_version=api_version,
            ordered=int(ordered),
            disabled_reason=None,
            since=id if active else None,
            told=0,
            turn=0,
            version=1,
            created_at=now,
            updated_at=now,
        )

    @property
    def owner(self) -> Owner:
        return Owner(self.merchant_id, self.mode)

    @property
    def entries(self) -> list[str]:
        """The vault's entries of its secrets, the one in force first."""
        return [entry for entry in (self.entry_id, self.old_entry_id) if entry is not None]

    def wants(self, type: str) -> bool:
        """Whether it is told of events of this type."""
        wanted: list[str] = msgspec.json.decode(self.events)
        return "*" in wanted or type in wanted


_there = endpoints.c.deleted_at.is_(None)
_this = (*db.owned(endpoints), endpoints.c.id == sa.bindparam("endpoint", type_=db.Text))
#: What :func:`update` may change.
_CHANGES = (
    "url", "entry_id", "old_entry_id", "old_until", "events", "active", "api_version", "ordered", "disabled_reason",
    "since", "updated_at", "deleted_at",
)  # fmt: skip

_ADD = db.Statement(None, db.add(endpoints))
_BY_ID = db.Statement(
    Endpoint, sa.select(endpoints).where(*db.owned(endpoints), endpoints.c.id == db.bind(endpoints.c.id), _there)
)
_ANYONES = db.Statement(
    Endpoint,
    sa.select(endpoints).where(endpoints.c.id == db.bind(endpoints.c.id), _there),
    ownerless="administration names an endpoint by its id",
)
_shown = endpoints.c.payment_id.is_(None)
_COUNT = db.Statement(
    int, sa.select(sa.func.count()).select_from(endpoints).where(*db.owned(endpoints), _there, _shown)
)
_OLDEST = db.Statement(
    Endpoint, sa.select(endpoints).where(*db.owned(endpoints), _there, _shown).order_by(endpoints.c.id).limit(1)
)
_OF_PAYMENT = db.Statement(
    Endpoint,
    sa.select(endpoints).where(
        *db.owned(endpoints), endpoints.c.payment_id == db.bind(endpoints.c.payment_id), endpoints.c.since.is_not(None)
    ),
)
#: Payments' own that have had their time.
OF_OLD_PAYMENTS = Due(
    Endpoint,
    endpoints.c.created_at,
    ownerless="the worker forgets them for all merchants",
    among=[endpoints.c.payment_id.is_not(None), _there],
    after=LIFE_OF_PAYMENTS,
    paged=False,
)
_ROLLED = db.Statement(
    Endpoint,
    sa.select(endpoints)
    .where(endpoints.c.old_until <= sa.bindparam("now", type_=db.Time))
    .limit(sa.bindparam("limit", type_=db.Integer)),
    ownerless="the worker ends old secrets for all merchants",
)
_BEHIND = db.Statement(
    Endpoint,
    sa.select(endpoints)
    .join_from(
        endpoints,
        counters,
        sa.and_(counters.c.merchant_id == endpoints.c.merchant_id, counters.c.mode == endpoints.c.mode),
    )
    .where(endpoints.c.since.is_not(None), _shown, counters.c.id == EVENTS, counters.c.last > endpoints.c.told),
    ownerless="the worker looks for events of all merchants",
)
_ACTIVE = db.Statement(
    Endpoint, sa.select(endpoints).where(*db.owned(endpoints), endpoints.c.since.is_not(None), _shown)
)
_UPDATE: db.Statement[None] = db.Statement(
    None,
    sa.update(endpoints)
    .where(*_this, endpoints.c.version == sa.bindparam("read_version", type_=db.Integer), _there)
    .values(
        version=endpoints.c.version + 1,
        **{name: sa.bindparam(f"new_{name}", type_=endpoints.c[name].type) for name in _CHANGES},
    ),
)
_TURN: db.Statement[None] = db.Statement(
    None,
    sa.update(endpoints)
    .where(*_this, endpoints.c.turn == sa.bindparam("read_turn", type_=db.Integer), endpoints.c.since.is_not(None))
    .values(turn=endpoints.c.turn + 1),
)
_TOLD: db.Statement[None] = db.Statement(
    None,
    sa.update(endpoints)
    .where(
        *_this,
        endpoints.c.told == sa.bindparam("read_told", type_=db.Integer),
        endpoints.c.since == sa.bindparam("read_since", type_=db.Text),
    )
    .values(told=sa.bindparam("to", type_=db.Integer)),
)
_START: db.Statement[None] = db.Statement(
    None, sa.update(endpoints).where(*_this).values(told=db.bind(endpoints.c.told))
)
_DISABLE: db.Statement[None] = db.Statement(
    None,
    sa.update(endpoints)
    .where(*_this, endpoints.c.since.is_not(None))
    .values(
        version=endpoints.c.version + 1,
        active=0,
        since=None,
        disabled_reason=sa.bindparam("reason", type_=db.Text),
        updated_at=sa.bindparam("now", type_=db.Time),
    ),
)
_LIST = db.Listing(Endpoint, endpoints, always=(_there, _shown))


async def save(tx: Tx, endpoint: Endpoint) -> None:
    """A new endpoint."""
    await tx.run(_ADD, endpoint.owner, **msgspec.structs.asdict(endpoint))


async def find(tx: Tx, owner: Owner, endpoint_id: str) -> Endpoint | None:
    """The owner's endpoint."""
    return await tx.one(_BY_ID, owner, id=endpoint_id)


async def get(tx: Tx, owner: Owner, endpoint_id: str) -> Endpoint:
    """The owner's endpoint, not one of a payment. Raises NotFound."""
    endpoint = await find(tx, owner, endpoint_id)
    if endpoint is None or endpoint.payment_id is not None:
        raise NotFound
    return endpoint


async def get_anyones(tx: Tx, endpoint_id: str) -> Endpoint:
    """An endpoint, whoever's it is: for administration. Raises NotFound."""
    endpoint = await tx.one(_ANYONES, None, id=endpoint_id)
    if endpoint is None:
        raise NotFound
    return endpoint


async def count(tx: Tx, owner: Owner) -> int:
    """How many the owner has."""
    return await tx.one(_COUNT, owner) or 0


async def behind(tx: Tx) -> list[Endpoint]:
    """Every merchant's active endpoints with events that may have no delivery yet."""
    return await tx.all(_BEHIND, None)


async def active(tx: Tx, owner: Owner) -> list[Endpoint]:
    """The owner's endpoints that are told of events."""
    return await tx.all(_ACTIVE, owner)


async def oldest(tx: Tx, owner: Owner) -> Endpoint | None:
    """The owner's oldest endpoint."""
    return await tx.one(_OLDEST, owner)


async def of_payments(tx: Tx, owner: Owner, payment_ids: Sequence[str]) -> dict[str, list[Endpoint]]:
    """Payments' own, those that are told of events, by payment."""
    return {each: await tx.all(_OF_PAYMENT, owner, payment_id=each) for each in payment_ids}


async def rolled(tx: Tx, now: int, limit: int) -> list[Endpoint]:
    """Endpoints whose old secret has had its time, deleted ones too."""
    return await tx.all(_ROLLED, None, now=now, limit=limit)


async def update(tx: Tx, read: Endpoint, new: Endpoint) -> bool:
    """Change an endpoint that is still as it was read; False: it is not."""
    values = {f"new_{name}": getattr(new, name) for name in _CHANGES}
    return await tx.run(_UPDATE, read.owner, endpoint=read.id, read_version=read.version, **values) == 1


async def take_turn(tx: Tx, read: Endpoint) -> bool:
    """Whether it is ours to take deliveries of an endpoint: nobody has since it was read, and it is active."""
    return await tx.run(_TURN, read.owner, endpoint=read.id, read_turn=read.turn) == 1


async def told(tx: Tx, read: Endpoint, to: int) -> bool:
    """Events up to this number have their deliveries; False: the endpoint is not as it was read."""
    return await tx.run(_TOLD, read.owner, endpoint=read.id, read_told=read.told, read_since=read.since, to=to) == 1


async def start(tx: Tx, endpoint: Endpoint, told: int) -> None:
    """An endpoint that is switched on, in the unit that does it, is told of what has a greater number."""
    await tx.run(_START, endpoint.owner, endpoint=endpoint.id, told=told)


async def disable(tx: Tx, owner: Owner, endpoint_id: str, reason: str, now: int) -> bool:
    """Switch an active endpoint off; whether it was on."""
    return await tx.run(_DISABLE, owner, endpoint=endpoint_id, reason=reason, now=now) == 1


async def page(tx: Tx, owner: Owner, asked: db.Slice) -> Page[Endpoint]:
    """A page of the owner's endpoints, newest first."""
    return await _LIST.page(tx, owner, asked)
