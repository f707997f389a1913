"""One suite every processor must pass, and one more for those with 3-D Secure.

A processor's test module subclasses them and gives them a ``stand``.
"""

from typing import Protocol

import msgspec
import pytest

from azukari.core.secret import Secret
from azukari.db import Owner
from azukari.processors.account import AccountUse
from azukari.processors.base import (
    Approved,
    AuthenticationRequest,
    AuthenticationResult,
    Authenticator,
    Declined,
    Kind,
    NotSent,
    Outcome,
    Processor,
    ProcessorRequest,
)
from azukari.vault import PaymentDetails, ReplyUnknown, RequestNotSent, Vault
from tests.house import card
from tests.promises import query, query_of

OWNER = Owner("0000000000000000000000000", "test")
#: Milliseconds; the stand's cards are good for longer.
NOW = 1_700_000_000_000


class Stand(Protocol):
    """A processor, and the means to make its calls go wrong.

    vault: the processor's own, which fills its orders. good, bad: numbers of cards its bank approves and declines.
    account: of a processor that needs one.
    """

    processor: Processor
    vault: Vault
    good: str
    bad: str
    account: AccountUse | None

    def unreachable(self, order: ProcessorRequest) -> ProcessorRequest:
        """The same order, and no byte of it will leave."""
        ...

    def unanswered(self, order: ProcessorRequest) -> ProcessorRequest:
        """The same order, which is carried out; its reply is lost."""
        ...

    async def let_time_pass(self) -> None:
        """Until the bank's "not found" can be believed."""
        ...

    def stands(self, ref: str) -> bool:
        """Whether the bank, asked past the processor, has carried an order out and not undone it."""
        ...


class ProcessorContract:
    """What the rest of the house relies on."""

    @pytest.fixture
    def stand(self) -> Stand:
        """A processor with an empty bank."""
        raise NotImplementedError

    _refs = 0

    def order(
        self, stand: Stand, kind: Kind = "sale", *, number: str = "", parent: str | None = None
    ) -> ProcessorRequest:
        """An order with a ref of its own; with a card where its kind needs one."""
        ProcessorContract._refs += 1
        order = ProcessorRequest(
            OWNER,
            f"{ProcessorContract._refs:032x}",
            kind,
            0 if kind == "verify" else 1000,
            "JPY",
            parent,
            account=stand.account,
        )
        if kind in ("capture", "refund", "cancel"):
            return order
        return self.with_card(stand, order, number or stand.good)

    def with_card(self, stand: Stand, order: ProcessorRequest, number: str) -> ProcessorRequest:
        """The permission to use a card is good for one sending, so an order that is sent again needs another."""
        use = stand.vault.grant_unsaved(OWNER, PaymentDetails.parse(card(number), now=NOW))
        use.note()
        return msgspec.structs.replace(order, use=use)

    def test_it_says_what_it_promises(self, stand: Stand) -> None:
        can = stand.processor.can
        assert stand.processor.name
        assert can.timeout > 0
        # Without that an outcome that is not known needs a person.
        assert all(can.recovery_of(kind).asks for kind in ("sale", "authorize", "capture", "refund", "cancel"))
        assert all(capability.kinds for capability in can.types.values())

    async def test_a_good_card_is_charged(self, stand: Stand) -> None:
        for kind in ("sale", "authorize", "verify"):
            order = self.order(stand, kind)
            outcome = await stand.processor.perform(order)
            assert isinstance(outcome, Approved), kind
            assert outcome.processor_ref
            assert kind == "verify" or stand.stands(order.ref)

    async def test_a_bad_card_is_declined_with_a_code_of_the_wire(self, stand: Stand) -> None:
        for kind in ("sale", "authorize"):
            order = self.order(stand, kind, number=stand.bad)
            assert isinstance(await stand.processor.perform(order), Declined), kind
            assert not stand.stands(order.ref)

    async def test_a_charge_is_captured_refunded_and_cancelled_by_its_id(self, stand: Stand) -> None:
        for first, then in (("authorize", "capture"), ("authorize", "cancel"), ("sale", "refund")):
            charged = await stand.processor.perform(self.order(stand, first))
            assert isinstance(charged, Approved)
            done = await stand.processor.perform(self.order(stand, then, parent=charged.processor_ref))
            assert isinstance(done, Approved), then

    async def test_an_order_that_did_not_leave_is_not_done(self, stand: Stand) -> None:
        order = stand.unreachable(self.order(stand))

        try:
            assert await stand.processor.perform(order) == NotSent()
        except RequestNotSent:
            pass

        assert not stand.stands(order.ref)
        if stand.processor.can.recovery_of("sale").looks_up:
            await stand.let_time_pass()
            assert await stand.processor.lookup(query_of(order)) == NotSent()

    async def test_a_lost_reply_is_not_known_until_it_is_looked_up(self, stand: Stand) -> None:
        if not stand.processor.can.recovery_of("sale").looks_up:
            return
        for number, expected in ((stand.good, Approved), (stand.bad, Declined)):
            order = stand.unanswered(self.order(stand, number=number))
            with pytest.raises(ReplyUnknown):
                await stand.processor.perform(order)

            found = await stand.processor.lookup(query_of(order))

            assert isinstance(found, expected)
            assert await stand.processor.lookup(query_of(order)) == found

    async def test_looking_up_finds_what_was_answered(self, stand: Stand) -> None:
        if not stand.processor.can.recovery_of("sale").looks_up:
            return
        for number in (stand.good, stand.bad):
            order = self.order(stand, number=number)
            answered = await stand.processor.perform(order)
            assert _alike(await stand.processor.lookup(query_of(order)), answered)
        assert await stand.processor.lookup(query(OWNER, "f" * 32, stand.account)) == NotSent()

    async def test_an_order_sent_twice_is_done_once(self, stand: Stand) -> None:
        if not stand.processor.can.dedupes_by_ref:
            return
        order = self.order(stand)
        first = await stand.processor.perform(order)

        # Whatever it says this time.
        again = self.with_card(stand, msgspec.structs.replace(order, amount=2000), stand.good)

        assert await stand.processor.perform(again) == first
        assert stand.stands(order.ref)

    async def test_an_order_is_undone_by_its_ref(self, stand: Stand) -> None:
        if not stand.processor.can.voids_by_ref:
            return
        order = stand.unanswered(self.order(stand))
        with pytest.raises(ReplyUnknown):
            await stand.processor.perform(order)
        assert stand.stands(order.ref)

        assert await stand.processor.void(query_of(order))
        assert not stand.stands(order.ref)
        if stand.processor.can.recovery_of("sale").looks_up:
            assert await stand.processor.lookup(query_of(order)) == NotSent()
        # Doing it again, or to what never was, is no harm.
        assert await stand.processor.void(query_of(order))
        assert await stand.processor.void(query(OWNER, "e" * 32, stand.account))
        assert not stand.stands(order.ref)


def _alike(found: Outcome, answered: Outcome) -> bool:
    """Whether they are the same; a processor's books need not say why a bank said no."""
    return found == answered or (isinstance(found, Declined) and isinstance(answered, Declined))


class AuthStand(Protocol):
    """A processor with 3-D Secure, and cards whose issuers are known.

    passes: a number verified without a word to the shopper. challenged: one whose shopper passes with the answer
    ``right``. stranger: one that takes no part.
    """

    processor: Processor
    vault: Vault
    passes: str
    challenged: str
    right: str
    stranger: str

    def unreachable(self, order: AuthenticationRequest) -> AuthenticationRequest:
        """The same order, and no byte of it will leave."""
        ...


class AuthenticatorContract:
    """What the rest of the house relies on."""

    @pytest.fixture
    def stand(self) -> AuthStand:
        """A processor whose issuers have been asked nothing."""
        raise NotImplementedError

    _refs = 0

    def order(self, stand: AuthStand, number: str) -> AuthenticationRequest:
        """An order with a ref of its own."""
        AuthenticatorContract._refs += 1
        use = stand.vault.grant_unsaved(OWNER, PaymentDetails.parse(card(number), now=NOW))
        use.note()
        return AuthenticationRequest(OWNER, f"{AuthenticatorContract._refs:032x}", 1000, "JPY", use)

    def authenticator(self, stand: AuthStand) -> Authenticator:
        assert isinstance(stand.processor, Authenticator)
        return stand.processor

    def test_it_says_for_which_brands_it_can(self, stand: AuthStand) -> None:
        assert stand.processor.can.authenticates
        assert isinstance(stand.processor, Authenticator)

    async def test_a_yes_names_the_authentication_and_proves_it(self, stand: AuthStand) -> None:
        result = await self.authenticator(stand).authenticate(self.order(stand, stand.passes))
        _is_a_yes(result, "frictionless")

    async def test_a_card_that_takes_no_part_is_skipped(self, stand: AuthStand) -> None:
        result = await self.authenticator(stand).authenticate(self.order(stand, stand.stranger))
        assert (result.status, result.three_ds, result.value) == ("SKIPPED", None, None)

    async def test_a_challenge_is_passed_with_the_right_answer_and_stays_passed(self, stand: AuthStand) -> None:
        issuer, order = self.authenticator(stand), self.order(stand, stand.challenged)
        assert (await issuer.authenticate(order)).status == "CHALLENGE"
        assert (await issuer.finish_authentication(OWNER, order.ref, None)).status == "CHALLENGE"
        assert (await issuer.finish_authentication(OWNER, order.ref, Secret("wrong"))).status == "CHALLENGE"

        passed = await issuer.finish_authentication(OWNER, order.ref, Secret(stand.right))

        _is_a_yes(passed, "challenge")
        for answer in (None, Secret("wrong"), Secret(stand.right)):
            again = await issuer.finish_authentication(OWNER, order.ref, answer)
            assert (again.status, again.three_ds) == (passed.status, passed.three_ds)

    async def test_wrong_answers_end_it_without_a_yes(self, stand: AuthStand) -> None:
        issuer, order = self.authenticator(stand), self.order(stand, stand.challenged)
        await issuer.authenticate(order)
        for _ in range(20):
            result = await issuer.finish_authentication(OWNER, order.ref, Secret("wrong"))
        assert (result.status, result.value) == ("ERRORED", None)
        assert (await issuer.finish_authentication(OWNER, order.ref, Secret(stand.right))).status == "ERRORED"

    async def test_what_nobody_began_is_no_yes(self, stand: AuthStand) -> None:
        result = await self.authenticator(stand).finish_authentication(OWNER, "d" * 32, Secret(stand.right))
        assert (result.status, result.value) == ("ERRORED", None)

    async def test_an_order_that_did_not_leave_is_said_to_have_not(self, stand: AuthStand) -> None:
        with pytest.raises(RequestNotSent):
            await self.authenticator(stand).authenticate(stand.unreachable(self.order(stand, stand.passes)))


def _is_a_yes(result: AuthenticationResult, flow: str) -> None:
    assert result.status == "OK"
    assert result.three_ds is not None
    assert result.three_ds.authenticated
    assert result.three_ds.flow == flow
    assert result.three_ds.version
    assert result.three_ds.eci
    assert result.three_ds.ds_trans_id
    assert result.value is not None
