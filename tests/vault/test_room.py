"""What the vault keeps, lets be used, and destroys."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from azukari.core.clock import HOUR
from azukari.core.secret import Secret
from azukari.db import DatabaseDown, Owner
from azukari.vault import EntryGone, UseRefused
from azukari.vault.inside import audit, envelope, sweep, tables
from tests.vault.banks import ORDER, Bank
from tests.vault.conftest import AMEX, CARDS, NOW, VISA, A, B, Room, card, change, rows


async def test_a_kept_card_arrives_at_the_bank_as_it_came_in(room: Room, bank: Bank) -> None:
    for number in CARDS:
        sealed = await room.keep(number=number)
        await room.vault.send(await room.use(sealed.id), None, ORDER)

        assert bank.got[-1].body == b'{"n":"%s","m":"08","y":"2030","h":"Hana Sato"}' % number.encode()


async def test_a_lent_card_arrives_too_with_its_verification_value(room: Room, bank: Bank) -> None:
    details = card(AMEX, verification_value="1234", name=None)

    await room.vault.send(await room.lend(details), details.verification_value, ORDER)

    assert bank.got[0].body == b'{"n":"%s","m":"08","y":"2030","c":"1234"}' % AMEX.encode()


async def test_a_permission_is_good_for_one_order(room: Room, bank: Bank) -> None:
    use = await room.use((await room.keep()).id)
    await room.vault.send(use, None, ORDER)

    with pytest.raises(UseRefused):
        await room.vault.send(use, None, ORDER)
    assert len(bank.got) == 1


async def test_a_permission_shows_what_may_be_shown(room: Room) -> None:
    sealed = await room.keep(email="hana@example.com")
    use = await room.use(sealed.id)

    shown = use.masked
    assert (shown.type, shown.brand, shown.bin, shown.last4, shown.month, shown.year) == (
        "credit_card",
        "visa",
        "41111111",
        "1111",
        8,
        2030,
    )
    assert shown.name is None, "the holder's name is in the sealed record alone"


async def test_another_owner_finds_nothing(room: Room) -> None:
    sealed = await room.keep(A)

    for stranger in (B, Owner("merchant-a", "live")):
        with pytest.raises(EntryGone):
            await room.use(sealed.id, stranger)


async def test_every_use_leaves_an_audit_line(room: Room) -> None:
    sealed = await room.keep()
    await room.use(sealed.id)
    await room.lend(card())
    line = tables.audit_lines.c

    found = await rows(
        room.stores.main,
        sa.select(
            line.merchant_id, line.at, line.who, line.action, line.object_id, line.entry_id, line.result
        ).order_by(line.id),
    )

    assert found == [
        ("merchant-a", NOW, "key-1", "charge", "payment-1", sealed.id, "permitted"),
        ("merchant-a", NOW, "key-1", "charge", "payment-1", None, "lent"),
    ]


async def test_a_use_without_its_audit_line_does_not_come_about(room: Room, bank: Bank) -> None:
    sealed = await room.keep()
    await room.stores.main.write(
        room.vault.audit, A, id="taken", at=NOW, actor="somebody", action="login", object_id=None, result="ok"
    )

    use = await room.stores.main.read(room.vault.find, A, sealed.id)

    with pytest.raises(Exception, match=r"(?i)unique"):
        await room.stores.main.write(
            room.vault.audit_access, use, action="charge", object_id="p", actor="k", now=NOW, audit_id="taken"
        )


async def test_reading_what_proves_an_authentication_leaves_it_and_a_line(room: Room) -> None:
    await room.vault.keep_authentication_value(A, "token", Secret("proof"))
    line = tables.audit_lines.c

    for _ in range(2):
        found = await room.vault.read_authentication_value(A, "token", actor="key-1")
        assert found is not None
        assert found.reveal() == "proof"
    # Where there is none for who asks, nothing is opened and nothing noted.
    assert await room.vault.read_authentication_value(B, "token", actor="key-2") is None
    assert await room.vault.read_authentication_value(A, "other", actor="key-1") is None

    lines = await rows(room.stores.main, sa.select(line.merchant_id, line.who, line.action, line.object_id))
    assert lines == [("merchant-a", "key-1", "read_authentication_value", "token")] * 2
    taken = await room.vault.take_authentication_value(A, "token")
    assert taken is not None
    assert await room.vault.read_authentication_value(A, "token", actor="key-1") is None


async def test_without_its_line_what_proves_an_authentication_is_not_opened(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.vault.keep_authentication_value(A, "token", Secret("proof"))
    opened: list[str] = []

    async def full(*_: object, **__: object) -> None:
        raise DatabaseDown

    monkeypatch.setattr(audit, "write_line", full)
    monkeypatch.setattr(envelope, "unseal", lambda *_: opened.append("opened"))

    with pytest.raises(DatabaseDown):
        await room.vault.read_authentication_value(A, "token", actor="key-1")
    assert opened == []


async def test_shredding_makes_a_card_unreadable_and_can_be_done_twice(room: Room, bank: Bank) -> None:
    sealed = await room.keep()
    await room.vault.keep_verification_value(A, sealed.id, Secret("123"))
    early = await room.use(sealed.id)

    await room.vault.shred(A, sealed.id)
    await room.vault.shred(A, sealed.id)

    with pytest.raises(EntryGone):
        await room.use(sealed.id)
    assert await room.vault.take_verification_value(A, sealed.id) is None
    assert await rows(room.stores.keys, sa.select(tables.deks)) == []
    entry = tables.entries.c
    assert await rows(room.stores.main, sa.select(entry.record, entry.fingerprint, entry.last4)) == [(b"", b"", "1111")]
    # A permission given before holds what it needs; the order it was given for was already written down.
    await room.vault.send(early, None, ORDER)


async def test_a_restored_record_stays_unreadable_after_shredding(room: Room) -> None:
    sealed = await room.keep()
    await room.vault.shred(A, sealed.id)
    await change(
        room.stores.main,
        sa.update(tables.entries).values(record=sa.bindparam("old"), shredded_at=None),
        old=sealed.record,
    )

    with pytest.raises(EntryGone):
        await room.use(sealed.id)


async def test_strangers_cannot_shred(room: Room) -> None:
    sealed = await room.keep(A)

    await room.vault.shred(B, sealed.id)

    assert await room.use(sealed.id, A)


async def test_only_shredded_rows_can_be_removed(room: Room) -> None:
    kept, shredded = await room.keep(), await room.keep()
    await room.vault.shred(A, shredded.id)

    for sealed in (kept, shredded):
        await room.stores.main.write(room.vault.remove, A, sealed.id)

    assert await rows(room.stores.main, sa.select(tables.entries.c.id)) == [(kept.id,)]


async def test_a_credential_is_kept_with_the_entry(room: Room) -> None:
    sealed = await room.keep()
    await room.stores.main.write(room.vault.set_credential, A, sealed.id, '{"network_id":"1"}')

    assert (await room.use(sealed.id)).credential == '{"network_id":"1"}'
    with pytest.raises(EntryGone):
        await room.stores.main.write(room.vault.set_credential, B, sealed.id, "{}")


async def test_the_sweep_destroys_keys_without_a_record_after_an_hour(room: Room) -> None:
    kept = await room.keep()
    await room.vault.seal(A, card())  # and then the server died

    assert await room.vault.sweep(NOW + HOUR) == 0
    assert await room.vault.sweep(NOW + HOUR + 1) == 1
    assert await rows(room.stores.keys, sa.select(tables.deks.c.id)) == [(kept.id,)]


async def test_the_sweep_does_not_believe_that_all_records_are_gone(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await room.keep()
    await change(room.stores.main, sa.delete(tables.entries))
    few = sweep.STRAYS.query.limit(3)  # type: ignore[attr-defined]
    statement = sweep.Statement(sweep.Stray, few, ownerless="a test")
    sweep.Statement.every.remove(statement)
    monkeypatch.setattr(sweep, "STRAYS", statement)
    monkeypatch.setattr(sweep, "SUSPICIOUS", 3)

    assert await room.vault.sweep(NOW + 2 * HOUR) == 0
    assert len(await rows(room.stores.keys, sa.select(tables.deks.c.id))) == 3
    assert "right data store" in caplog.text


async def test_fingerprints_are_equal_within_and_unrelated_between_owners(room: Room) -> None:
    owners = [A, B, Owner("merchant-a", "live"), Owner("merchant-b", "live")]
    vault = room.vault

    for make in (vault.fingerprint, vault.public_fingerprint):
        assert make(A, card(VISA)) == make(A, card("4111-1111 1111-1111", month=9, name="Other"))
        assert len({make(owner, card(number)) for owner in owners for number in CARDS}) == len(owners) * len(CARDS)


async def test_two_entries_may_hold_one_card(room: Room) -> None:
    first, second = await room.keep(), await room.keep()

    assert first.fingerprint == second.fingerprint
    assert first.record != second.record


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
async def test_nothing_in_the_stores_is_a_card(room: Room, tmp_path: Path) -> None:
    for number in CARDS:
        sealed = await room.keep(number=number, verification_value="9137", name="Tokumei Kibou")
        await room.vault.keep_verification_value(A, sealed.id, Secret("9137"))

    files = [path for path in tmp_path.iterdir() if ".db" in path.name]
    assert len(files) >= 3
    for content in (path.read_bytes() for path in files):
        assert b"Tokumei" not in content
        assert b"9137" not in content
        for number in CARDS:
            assert number.encode() not in content
            assert number.encode().hex().encode() not in content


async def test_without_its_audit_line_a_permission_opens_nothing(room: Room) -> None:
    sealed = await room.keep()
    use = await room.stores.main.read(room.vault.find, A, sealed.id)

    with pytest.raises(UseRefused):
        await room.vault.send(use, None, ORDER)


async def test_a_retired_entry_is_shredded_by_the_sweep_if_nobody_lived_to_do_it(room: Room) -> None:
    kept, retired = await room.keep(), await room.keep()
    await room.stores.main.write(room.vault.retire, A, retired.id, NOW)

    assert await room.vault.sweep(NOW) == 1

    assert await room.use(kept.id)
    with pytest.raises(EntryGone):
        await room.use(retired.id)
    assert await room.vault.sweep(NOW) == 0
