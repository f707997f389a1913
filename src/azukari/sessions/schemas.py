"""Sessions on the wire. Source: contract section 6."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from azukari.core.clock import DAY, SECOND, Moment, japanese, japanese_or_none
from azukari.core.errors import ApiError, InvalidParameter
from azukari.customers.store import Customer
from azukari.payments.public import without_the_shopper
from azukari.payments.schemas import PaymentOut, PlatformDetails, StatementDescriptor
from azukari.payments.views import PaymentView
from azukari.secure_tokens.pages import Pages
from azukari.secure_tokens.schemas import SecureTokenOut
from azukari.sessions.queries import SessionView
from azukari.sessions.store import Session
from azukari.wire import errors
from azukari.wire.answers import Answer
from azukari.wire.bodies import (
    MEANT,
    Amount,
    Currency,
    Email,
    InvalidValue,
    LongText,
    Metadata,
    Name,
    Reader,
    ReturnUrl,
    ShortText,
    SignedAmount,
    Whole,
)
from azukari.wire.fields import whole
from azukari.wire.locales import Locale, locale
from azukari.wire.return_urls import with_query

#: How long a session is open unless it says otherwise, which is also the longest.
LIFE_SECONDS = DAY // SECOND
#: Of a session's line items.
MOST_ITEMS = 100


def _life(value: object) -> int:
    seconds = whole(value, LIFE_SECONDS)
    if seconds == 0:
        raise InvalidValue
    return seconds


class LineItem(msgspec.Struct, kw_only=True):
    """What is bought, or a discount; nothing in it is required."""

    amount: SignedAmount | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    quantity: Whole = 1
    image: LongText | UnsetType = UNSET
    external_product_num: ShortText | UnsetType = UNSET


class PaymentData(msgspec.Struct, kw_only=True):
    """About the payment to come. Addresses and what else clients put there are not needed and not kept."""

    amount: Amount | None = None
    currency: Currency | None = None
    capture: Annotated[Literal["auto", "manual"], MEANT] | None = None
    external_order_num: ShortText | None = None
    name: Name | None = None
    name_kana: Name | None = None
    mcc: ShortText | None = None
    statement_descriptor: StatementDescriptor | None = None
    platform_details: PlatformDetails | None = None

    def encoded(self) -> str:
        """JSON, as the session keeps it."""
        return msgspec.json.encode(self).decode()


class SessionCreate(msgspec.Struct, kw_only=True):
    """Amount and currency may stand in ``payment_data`` too. ``cancel_url`` and ``fraud_details`` have no effect."""

    mode: Literal["payment", "customer", "customer_payment"] = "payment"
    amount: Amount | None = None
    currency: Currency | None = None
    return_url: ReturnUrl | None = None
    payment_types: list[ShortText] | None = None
    default_locale: Locale | None = None
    email: Email | None = None
    expires_in_seconds: Annotated[int, Reader(_life)] = LIFE_SECONDS
    external_customer_id: Name | None = None
    customer_id: ShortText | None = None
    line_items: Annotated[list[LineItem], msgspec.Meta(max_length=MOST_ITEMS)] | None = None
    metadata: Metadata | None = None
    payment_data: PaymentData | None = None


class SessionPay(msgspec.Struct, kw_only=True):
    """``payment_details``: an object, or a token's id. The session's own amount and currency count, whatever is sent.

    Nothing is refused before the session is known: every failure has the shape of :func:`pay_error`.
    """

    payment_details: object = None
    capture: object = None
    api_locale: object = None

    def capture_word(self) -> str | None:
        """Raises InvalidParameter."""
        if self.capture is None or self.capture == "":
            return None
        if not isinstance(self.capture, str) or self.capture not in ("auto", "manual"):
            raise InvalidParameter("capture")
        return self.capture

    def locale(self) -> str | None:
        """Raises InvalidParameter."""
        if self.api_locale is None or self.api_locale == "":
            return None
        try:
            return locale(self.api_locale)
        except InvalidValue:
            raise InvalidParameter("api_locale") from None


class SessionMethod(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entry of ``payment_methods``. Source: contract 6.4, 15.7."""

    type: str
    hashed_gateway: str
    amount: int | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    exchange_rate: int | float | UnsetType = UNSET
    offsite: bool | UnsetType = UNSET
    additional_fields: list[str] | UnsetType = UNSET
    brands: Any = UNSET
    customer_fee: int | UnsetType = UNSET


methods_of = msgspec.json.Decoder(list[SessionMethod]).decode
line_items_of = msgspec.json.Decoder(list[LineItem]).decode
payment_data_of = msgspec.json.Decoder(PaymentData).decode


EMPTY = Raw(b"{}")


class MerchantOut(msgspec.Struct):
    """Who sells."""

    name: str


class PaymentDataOut(msgspec.Struct):
    """What comes back of ``payment_data``."""

    capture: str
    external_order_num: str | None
    name: str | None
    name_kana: str | None
    platform_details: PlatformDetails | None

    @classmethod
    def of(cls, text: str) -> "PaymentDataOut":
        kept = payment_data_of(text)
        return cls(kept.capture or "auto", kept.external_order_num, kept.name, kept.name_kana, kept.platform_details)


class SessionOut(msgspec.Struct):
    """A session. A publishable key is not shown what is the merchant's own: those members are UNSET (SEC-10)."""

    id: str
    resource: str
    mode: str
    amount: int
    currency: str
    session_url: str
    return_url: str | None
    default_locale: str
    payment_methods: Raw
    created_at: str
    cancelled_at: str | None
    completed_at: str | None
    status: str
    expired: bool
    metadata: Raw
    merchant: MerchantOut
    payment: PaymentOut | None
    payment_data: PaymentDataOut | UnsetType | None = UNSET
    secure_token: SecureTokenOut | UnsetType | None = UNSET
    customer_id: str | UnsetType | None = UNSET
    line_items: Raw | UnsetType = UNSET
    email: str | UnsetType | None = UNSET
    merchant_id: str | UnsetType = UNSET


class _Addresses(msgspec.Struct):
    """What ``payment_details`` may say about where to go."""

    instructions_url: str | None = None
    redirect_url: str | None = None


_addresses = msgspec.json.Decoder(_Addresses).decode


def _address(shown: PaymentView, name: str) -> str | None:
    if shown.payment.details == "null":
        return None
    found: str | None = getattr(_addresses(shown.payment.details), name)
    return found


class View(msgspec.Struct, frozen=True):
    """Who looks, and how.

    base_url: of this installation. secret: with a secret key; others see what the fields and the shopper need.
    """

    base_url: str
    secret: bool
    api_version: str

    def url(self, session: Session) -> str:
        """``session_url``."""
        return f"{self.base_url}/sessions/{session.id}"

    def way_back(self, session: Session) -> str:
        """Where a shopper goes who has finished. Source: contract 6.5."""
        if session.return_url is None:
            return self.url(session)
        return with_query(session.return_url, "session_id", session.id)

    def instructions(self, shown: PaymentView) -> str | None:
        """The page that says how a cash payment is made."""
        return _address(shown, "instructions_url")

    def payment(self, shown: PaymentView) -> PaymentOut:
        """A payment; without a secret key how it stands and what its page needs."""
        out = PaymentOut.of(*shown, self.api_version)
        return out if self.secret else without_the_shopper(out, shown.payment)

    def session(self, whole: SessionView, merchant_name: str, pages: Pages | None, at: Moment) -> SessionOut:
        """A session as the wire shows it. pages: the addresses of authentications; None: there has been none."""
        session, payment, token = whole.session, whole.payment, whole.secure_token
        out = SessionOut(
            id=session.id,
            resource="session",
            mode=session.kind,
            amount=session.amount,
            currency=session.currency,
            session_url=self.url(session),
            return_url=session.return_url,
            default_locale=session.locale,
            payment_methods=Raw(session.methods.encode()),
            created_at=japanese(session.created_at),
            cancelled_at=japanese_or_none(session.cancelled_at),
            completed_at=japanese_or_none(session.completed_at),
            status=session.status,
            expired=session.is_expired(at.now),
            metadata=EMPTY,
            merchant=MerchantOut(merchant_name),
            payment=None if payment is None else self.payment(payment),
        )
        if not self.secret:
            return out
        return msgspec.structs.replace(
            out,
            metadata=Raw(session.metadata.encode()),
            secure_token=None if token is None or pages is None else pages.show(token, at),
            payment_data=None if session.payment_data is None else PaymentDataOut.of(session.payment_data),
            customer_id=UNSET if session.customer_id is None else session.customer_id,
            line_items=Raw(session.line_items.encode()),
            email=session.email,
            merchant_id=session.merchant_id,
        )


class WideCustomer(msgspec.Struct):
    """A customer as a paid session shows it. Source: contract 11.2."""

    id: int
    uuid: str
    merchant_id: int
    created_at: str
    updated_at: str
    email: str | None
    currency: str
    locale: str
    name: str | None
    phone: str | None
    archived_at: str | None

    @classmethod
    def of(cls, customer: Customer, session: Session, *, updated_at: int, secret: bool) -> "WideCustomer":
        return cls(
            _number(customer.id),
            customer.id,
            _number(customer.merchant_id),
            japanese(customer.created_at),
            japanese(updated_at),
            customer.email if secret else None,
            session.currency,
            session.locale,
            None,
            None,
            None,
        )


def _number(id: str) -> int:
    """The "internal number" of a thing: 52 random bits of its id, which every JSON reader takes exactly."""
    return int(id, 36) % 2**52


class PayResult(msgspec.Struct, omit_defaults=True):
    """What a try came to. ``redirect_url``: where the shopper must go next, never null. Source: contract 6.5."""

    status: str
    redirect_url: str
    app_url: str | None
    payment: PaymentOut | UnsetType = UNSET
    customer: WideCustomer | UnsetType = UNSET


class PayError(msgspec.Struct):
    """A failed try."""

    error: errors.ErrorOut
    status: str = "error"


#: What a try came to, for pages: the session and the shopper's next step, or why it failed.
TryResult = PayResult | ApiError


def pay_error(error: ApiError) -> Answer:
    """The answer for a try that failed: an error with ``status`` beside it. Source: contract 6.5."""
    answer = errors.answer(error)
    return answer._replace(body=msgspec.json.encode(PayError(errors.out(error))))
