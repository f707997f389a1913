"""Table ``customers``."""

from typing import Self

import msgspec
import sqlalchemy as sa

from azukari import db
from azukari.core.errors import NotFound
from azukari.db import Owner, Page, Tx

customers = db.owned_table(
    "customers",
    sa.Column("email", db.Text),
    sa.Column("metadata", db.Json, nullable=False),
    sa.Column("entry_id", db.Text),
    sa.Column("source", db.Json),
    sa.Column("exp_month", db.Integer),
    sa.Column("exp_year", db.Integer),
    sa.Column("scenario", db.Text),
    sa.Column("external_id", db.Text),
    sa.Column("version", db.Integer, nullable=False),
    sa.Column("created_at", db.Time, nullable=False),
    sa.Column("deleted_at", db.Time),
    sa.Column("updated_at", db.Time),
    db.owned_reference("entry_id", "vault_entries"),
    db.partial_index("ix_customers_external_id", "external_id", where="external_id IS NOT NULL"),
    # It begins with the owner, as no other index does: only what asks for deleted ones can take it.
    db.partial_index("ix_customers_deleted", "merchant_id", "mode", "id", where="deleted_at IS NOT NULL"),
)


class Customer(msgspec.Struct, frozen=True):
    """A row of ``customers``.

    source: what the wire shows of the saved details, JSON. entry_id: the vault's entry; None: nothing is saved.
    scenario: what every test payment ends in.
    version: raised by every change, which names the one it read. updated_at: of the latest; None: there was none.
    """

    merchant_id: str
    mode: str
    id: str
    email: str | None
    metadata: str
    entry_id: str | None
    source: str | None
    exp_month: int | None
    exp_year: int | None
    scenario: str | None
    external_id: str | None
    version: int
    created_at: int
    deleted_at: int | None = None
    updated_at: int | None = None

    @classmethod
    def new(
        cls,
        owner: Owner,
        id: str,
        now: int,
        *,
        email: str | None,
        metadata: str = "{}",
        scenario: str | None = None,
        external_id: str | None = None,
    ) -> Self:
        """One without details."""
        return cls(
            merchant_id=owner.merchant_id,
            mode=owner.mode,
            id=id,
            email=email,
            metadata=metadata,
            entry_id=None,
            source=None,
            exp_month=None,
            exp_year=None,
            scenario=scenario,
            external_id=external_id,
            version=1,
            created_at=now,
        )


_there = customers.c.deleted_at.is_(None)
_this = (*db.owned(customers), customers.c.id == sa.bindparam("customer", type_=db.Text), _there)
_at_version = customers.c.version == sa.bindparam("read_version", type_=db.Integer)

_ADD = db.Statement(None, db.add(customers))
_BY_ID = db.Statement(
    Customer, sa.select(customers).where(*db.owned(customers), customers.c.id == db.bind(customers.c.id), _there)
)
_EVEN_DELETED = db.Statement(
    Customer, sa.select(customers).where(*db.owned(customers), customers.c.id == db.bind(customers.c.id))
)
_BY_EXTERNAL_ID = db.Statement(
    Customer,
    sa.select(customers).where(
        *db.owned(customers), customers.c.external_id == db.bind(customers.c.external_id), _there
    ),
)
_UPDATE: db.Statement[None] = db.Statement(
    None,
    sa.update(customers)
    .where(*_this, _at_version)
    .values(
        version=customers.c.version + 1,
        updated_at=sa.bindparam("at", type_=db.Time),
        **{
            name: sa.bindparam(f"new_{name}", type_=customers.c[name].type)
            for name in ("email", "metadata", "entry_id", "source", "exp_month", "exp_year")
        },
    ),
)
_ERASE: db.Statement[None] = db.Statement(
    None,
    sa.update(customers)
    .where(*_this, _at_version)
    .values(
        version=customers.c.version + 1,
        deleted_at=sa.bindparam("at", type_=db.Time),
        updated_at=sa.bindparam("at", type_=db.Time),
        email=None,
        metadata="{}",
        entry_id=None,
        source=None,
        exp_month=None,
        exp_year=None,
        scenario=None,
        external_id=None,
    ),
)
_LIST = db.Listing(
    Customer,
    customers,
    long=True,
    gone=customers.c.deleted_at.is_not(None),
    expiration=sa.and_(
        customers.c.exp_month == sa.bindparam("exp_month", type_=db.Integer),
        customers.c.exp_year == sa.bindparam("exp_year", type_=db.Integer),
    ),
)


async def save(tx: Tx, customer: Customer) -> None:
    """A new customer."""
    await tx.run(_ADD, Owner(customer.merchant_id, customer.mode), **msgspec.structs.asdict(customer))


async def find(tx: Tx, owner: Owner, customer_id: str) -> Customer | None:
    """The owner's customer."""
    return await tx.one(_BY_ID, owner, id=customer_id)


async def get(tx: Tx, owner: Owner, customer_id: str) -> Customer:
    """The owner's customer. Raises NotFound."""
    customer = await find(tx, owner, customer_id)
    if customer is None:
        raise NotFound
    return customer


async def get_including_deleted(tx: Tx, owner: Owner, customer_id: str) -> Customer:
    """The owner's customer, even a deleted one, of whom only the row is left. Raises NotFound."""
    customer = await tx.one(_EVEN_DELETED, owner, id=customer_id)
    if customer is None:
        raise NotFound
    return customer


async def find_by_external_id(tx: Tx, owner: Owner, external_id: str) -> list[Customer]:
    """The owner's customers kept under the merchant's own id."""
    return await tx.all(_BY_EXTERNAL_ID, owner, external_id=external_id)


async def update(tx: Tx, read: Customer, new: Customer, at: int) -> bool:
    """Change a customer that is still as it was read; False: it is not."""
    changed = await tx.run(
        _UPDATE,
        Owner(read.merchant_id, read.mode),
        customer=read.id,
        read_version=read.version,
        new_email=new.email,
        new_metadata=new.metadata,
        new_entry_id=new.entry_id,
        new_source=new.source,
        new_exp_month=new.exp_month,
        new_exp_year=new.exp_year,
        at=at,
    )
    return changed == 1


async def erase(tx: Tx, read: Customer, at: int) -> bool:
    """Delete a customer that is still as it was read: its row stays for the books, empty; False: it is not."""
    owner = Owner(read.merchant_id, read.mode)
    return await tx.run(_ERASE, owner, customer=read.id, read_version=read.version, at=at) == 1


async def page(tx: Tx, owner: Owner, asked: db.Slice, expiration: tuple[int, int] | None) -> Page[Customer]:
    """A page of the owner's customers, newest first. expiration: month and year of the saved card."""
    given = {} if expiration is None else {"exp_month": expiration[0], "exp_year": expiration[1]}
    filters = ("expiration",) if given else ()
    return await _LIST.page(tx, owner, asked, filters, **given)
