"""Any life of one payment, with faults at any step, held against a simple model and the bank's book."""

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from azukari import worker
from azukari.core.clock import SECOND
from tests.faults.sites import Rows
from tests.faults.truth import hold_against_book
from tests.house import House, copy_template, running, settings_for

TOTAL = 1000
FAULTS: dict[str, dict[str, str]] = {
    "none": {},
    "twice": {"Azukari-Fault": "duplicate_reply"},
    "lost reply": {"Azukari-Fault": "lost_reply"},
    "lost request": {"Azukari-Fault": "lost_request"},
    "down": {"Azukari-Fault": "processor_down"},
    "declined": {"Komoju-Scenario": "insufficient_funds"},
}
STATUS = {"none": 200, "twice": 200, "lost reply": 202, "lost request": 202, "down": 504, "declined": 502}
fault = st.sampled_from(sorted(FAULTS))
amount = st.integers(1, TOTAL + 200)


class Life(RuleBasedStateMachine):
    """The model: status, captured and refunded as the bank has them; waiting: what nobody knows the outcome of yet."""

    runner: asyncio.Runner
    house: House
    rows: Rows
    customer: str

    def __init__(self) -> None:
        super().__init__()
        self.payment = ""
        self.status = "pending"
        self.captured = self.refunded = self.reserved = 0
        self.locked = False
        self.waiting: list[tuple[str, int, bool]] = []

    def call(self, method: str, path: str, **more: Any) -> Any:
        return self.runner.run(self.house.api.request(method, path, **more))

    @initialize(capture=st.booleans(), fault=fault)
    def charge(self, capture: bool, fault: str) -> None:
        order = {"amount": TOTAL, "currency": "JPY", "customer": self.customer, "capture": capture}
        reply = self.call("POST", "/payments", json=order, headers=FAULTS[fault])
        assert reply.status_code == STATUS[fault]
        self.payment = self.call("GET", "/payments").json()["data"][0]["id"]
        self._happened("sale" if capture else "authorize", TOTAL, fault)

    @rule(amount=amount, fault=fault)
    def capture(self, amount: int, fault: str) -> None:
        expected = 423 if self.locked else 422 if self.status != "authorized" or amount > TOTAL else STATUS[fault]
        self._operate("capture", amount, fault, expected)

    @rule(fault=fault)
    def cancel(self, fault: str) -> None:
        expected = 423 if self.locked else 422 if self.status != "authorized" else STATUS[fault]
        self._operate("cancel", TOTAL, fault, expected)

    @rule(amount=amount, fault=fault)
    def refund(self, amount: int, fault: str) -> None:
        left = self.captured - self.refunded - self.reserved
        expected = 422 if self.status != "captured" or amount > left else STATUS[fault]
        self._operate("refund", amount, fault, expected)

    @rule(text=st.sampled_from(["a", "b"]))
    def describe(self, text: str) -> None:
        reply = self.call("PATCH", f"/payments/{self.payment}", json={"description": text})
        assert (reply.status_code, reply.json()["description"]) == (200, text)

    @rule()
    def settle(self) -> None:
        self.house.clock.advance(5 * SECOND)
        self.runner.run(worker.reconcile_attempts(self.house.services))
        waiting, self.waiting = self.waiting, []
        for kind, amount, done in waiting:
            self._over(kind, amount, done)

    def _operate(self, kind: str, amount: int, fault: str, expected: int) -> None:
        body = {} if kind == "cancel" else {"amount": amount}
        reply = self.call("POST", f"/payments/{self.payment}/{kind}", json=body, headers=FAULTS[fault])
        assert reply.status_code == expected, reply.text
        if expected == STATUS[fault]:
            self._happened(kind, amount, fault)

    def _happened(self, kind: str, amount: int, fault: str) -> None:
        if kind == "refund":
            self.reserved += amount
        else:
            self.locked = True
        if STATUS[fault] == 202:
            self.waiting.append((kind, amount, fault == "lost reply"))
        else:
            self._over(kind, amount, STATUS[fault] == 200)

    def _over(self, kind: str, amount: int, done: bool) -> None:
        if kind == "refund":
            self.reserved -= amount
        else:
            self.locked = False
        match kind:
            case "sale" | "capture" if done:
                self.status, self.captured = "captured", amount
            case "authorize" if done:
                self.status = "authorized"
            case "cancel" if done:
                self.status = "cancelled"
            case "refund" if done:
                self.refunded += amount
                self.status = "refunded" if self.refunded == self.captured else "captured"
            case "sale" | "authorize":
                self.status = "failed"

    @invariant()
    def it_is_shown_as_it_is(self) -> None:
        if self.payment:
            shown = self.call("GET", f"/payments/{self.payment}").json()
            assert (shown["status"], shown["amount_refunded"]) == (self.status, self.refunded)
            assert sum(refund["amount"] for refund in shown["refunds"]) == self.refunded

    def teardown(self) -> None:
        self.settle()
        self.runner.run(hold_against_book(self.rows, self.house.services.settings.data))


def test_a_payment_lives_as_the_model_says(sqlite_template: Path, tmp_path: Path) -> None:
    copy_template(sqlite_template, tmp_path / "data")
    settled = settings_for(tmp_path / "data", None)
    with asyncio.Runner() as runner:
        entered = running(settled)
        house = runner.run(entered.__aenter__())
        Life.runner, Life.house, Life.rows = runner, house, Rows(settled)
        Life.customer = runner.run(house.api.customer())
        try:
            run_state_machine_as_test(
                Life,
                settings=settings(
                    max_examples=60,
                    stateful_step_count=12,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(entered.__aexit__(None, None, None))
