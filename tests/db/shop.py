"""Two small tables and the units on them: what the engines' tests run."""

import sqlalchemy as sa

from azukari.db import Bytes, Integer, Owner, Statement, Text, Tx, add, add_unless_there, batched, owned

metadata = sa.MetaData()
OWNER = Owner("mer_1", "test")


def _table(name: str, *columns: sa.Column[int] | sa.Column[str]) -> sa.Table:
    # As owned_table makes them, outside of the application's metadata.
    keys = (sa.Column(key, Text, primary_key=True) for key in ("merchant_id", "mode", "id"))
    return sa.Table(name, metadata, *keys, *columns)


items = _table("items", sa.Column("stock", Integer, nullable=False))
orders = _table("orders", sa.Column("item", Text, nullable=False))
pictures = _table("pictures", sa.Column("data", Bytes, nullable=False), sa.Column("words", Text))


def _by(table: sa.Table, name: str = "id") -> tuple[sa.ColumnElement[bool], ...]:
    return (*owned(table), table.c[name] == sa.bindparam(name, type_=Text))


ADD_ITEM = Statement(None, add(items))
ADD_ITEM_ONCE = Statement(None, add_unless_there(items))
_put = add(items)
PUT_WHERE_FEW = Statement(
    None,
    _put.on_conflict_do_update(
        index_elements=["merchant_id", "mode", "id"],
        set_={"stock": _put.excluded.stock},
        where=items.c.stock <= sa.bindparam("few", type_=Integer),
    ),
)
STOCK = Statement(int, sa.select(items.c.stock).where(*_by(items)))
TAKE = Statement(
    None, sa.update(items).values(stock=items.c.stock - 1).where(*_by(items), items.c.stock >= 1)
)  # guarded: never below nothing
TAKE_AND_TELL = Statement(
    int,
    sa.update(items).values(stock=items.c.stock - 1).where(*_by(items), items.c.stock >= 1).returning(items.c.stock),
)
ADD_ORDER = Statement(None, add(orders))
ORDERS = Statement(str, sa.select(orders.c.id).where(*_by(orders, "item")).order_by(orders.c.id))
ANY_ORDERS = Statement(str, sa.select(orders.c.id).where(*_by(orders, "item")))
ADD_PICTURE = Statement(None, add(pictures))
PICTURE = Statement(lambda *row: row, sa.select(pictures.c.data, pictures.c.words).where(*_by(pictures)))
EITHER = Statement(
    str, sa.select(items.c.id).where(*owned(items), items.c.id.in_(["apple", "pear"])).order_by(items.c.id)
)
COUNT_ALL = Statement(int, sa.select(sa.func.count()).select_from(orders), ownerless="counted for the tests")

# The registry is the application's: its tests have no business with a shop.
Statement.every[:] = [statement for statement in Statement.every if statement not in list(globals().values())]


class SoldOut(Exception):
    """Nothing is left."""


async def add_item(tx: Tx, name: str, stock: int) -> int:
    return await tx.run(ADD_ITEM, OWNER, id=name, stock=stock)


async def stock_of(tx: Tx, name: str) -> int | None:
    return await tx.one(STOCK, OWNER, id=name)


async def orders_of(tx: Tx, item: str) -> list[str]:
    return await tx.all(ORDERS, OWNER, item=item)


async def count_orders(tx: Tx) -> int | None:
    return await tx.one(COUNT_ALL, None)


async def order(tx: Tx, item: str, number: str) -> str:
    """Look first, take one, write it down: shaped as the units of a charge are."""
    if await tx.one(STOCK, OWNER, id=item) is None:
        raise LookupError(item)
    if await tx.run(TAKE, OWNER, id=item) != 1:
        raise SoldOut(item)
    await tx.run(ADD_ORDER, OWNER, id=number, item=item)
    return number


async def order_then_fail(tx: Tx, item: str, number: str) -> str:
    await order(tx, item, number)
    raise SoldOut("found out too late")


@batched
async def hot_order(tx: Tx, item: str, number: str) -> str:
    return await order(tx, item, number)


@batched
async def hot_order_then_fail(tx: Tx, item: str, number: str) -> str:
    return await order_then_fail(tx, item, number)


@batched
async def hot_read(tx: Tx, item: str) -> list[str]:
    return await tx.all(ORDERS, OWNER, item=item)


@batched
async def hot_take(tx: Tx, item: str) -> int | None:
    return await tx.one(TAKE_AND_TELL, OWNER, id=item)


@batched
async def hot_add(tx: Tx, name: str) -> int:
    return await tx.run(ADD_ITEM_ONCE, OWNER, id=name, stock=0)


@batched
async def hot_put_where_few(tx: Tx, name: str, stock: int, few: int) -> int:
    return await tx.run(PUT_WHERE_FEW, OWNER, id=name, stock=stock, few=few)


@batched
async def hot_order_and_look(tx: Tx, item: str) -> list[str]:
    await tx.run(ADD_ORDER, OWNER, id=item, item=item)
    return await tx.all(ANY_ORDERS, OWNER, item=item)


@batched
async def hot_picture(tx: Tx, name: str, data: bytes, words: str | None) -> None:
    await tx.run(ADD_PICTURE, OWNER, id=name, data=data, words=words)
    await tx.run(ADD_ORDER, OWNER, id=name, item=name)


@batched
async def hot_picture_then_fail(tx: Tx, name: str, data: bytes, words: str | None) -> None:
    await hot_picture(tx, name, data, words)
    raise SoldOut("found out too late")


async def picture_there(tx: Tx, name: str) -> int:
    return await tx.run(ADD_PICTURE, OWNER, id=name, data=b"", words=None)


async def picture(tx: Tx, name: str) -> tuple[bytes, str | None] | None:
    return await tx.one(PICTURE, OWNER, id=name)
