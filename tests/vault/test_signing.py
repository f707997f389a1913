"""Secrets that sign: kept and used like cards, and never seen."""

import hmac
import pickle

import pytest
import sqlalchemy as sa

from azukari.core.secret import Secret
from azukari.vault import RequestNotSent, Unreadable, UseRefused
from azukari.vault.inside import tables
from tests.vault.banks import ORDER, Bank
from tests.vault.conftest import NOW, A, Room, card, rows


async def test_a_secret_signs_and_is_not_seen(room: Room) -> None:
    sealed = await room.vault.seal_secret(A, Secret("a word of sixteen"))
    await room.stores.main.write(room.vault.add, A, sealed, NOW)
    signer = await room.vault.signer(await room.use(sealed.id))

    assert signer.sign(b"body") == hmac.new(b"a word of sixteen", b"body", "sha256").hexdigest()
    assert "word" not in f"{signer!r} {sealed!r}"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    ((kind, record),) = await rows(room.stores.main, sa.select(tables.entries.c.kind, tables.entries.c.record))
    assert kind == "secret"
    assert isinstance(record, bytes)
    assert b"word" not in record


async def test_a_secret_fills_no_order_and_a_card_signs_nothing(room: Room, bank: Bank) -> None:
    sealed = await room.vault.seal_secret(A, Secret("a word of sixteen"))
    await room.stores.main.write(room.vault.add, A, sealed, NOW)
    with pytest.raises(RequestNotSent):
        await room.vault.send(await room.use(sealed.id), None, ORDER)
    assert bank.got == []

    kept = await room.keep()
    with pytest.raises(Unreadable):
        await room.vault.signer(await room.use(kept.id))
    with pytest.raises(Unreadable):
        await room.vault.signer(await room.lend(card()))


async def test_a_permission_to_sign_needs_its_audit_line_and_is_good_once(room: Room) -> None:
    sealed = await room.vault.seal_secret(A, Secret("a word of sixteen"))
    await room.stores.main.write(room.vault.add, A, sealed, NOW)
    with pytest.raises(UseRefused):
        await room.vault.signer(await room.stores.main.read(room.vault.find, A, sealed.id))
    use = await room.use(sealed.id)
    await room.vault.signer(use)
    with pytest.raises(UseRefused):
        await room.vault.signer(use)
