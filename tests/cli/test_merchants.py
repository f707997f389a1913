"""Merchants, their settings and their keys, each command in a process of its own."""

import json
from pathlib import Path
from typing import Any

from azukari.core.config import Settings
from azukari.merchants.keys import well_formed
from tests.commands import azukari, done, of


def test_a_merchants_settings_are_set_shown_and_unset(settings: Settings, tmp_path: Path) -> None:
    where = of(settings)

    def run(*words: str | Path) -> Any:
        said = done(*words, *where, "--json")
        assert said.count("\n") == 1
        return json.loads(said)

    merchant = run("merchants", "list")[0]["id"]
    fresh = run("merchants", "show", merchant)
    assert (fresh["id"], fresh["name"], fresh["currency"]) == (merchant, "Test shop", "JPY")
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))

    changed = run(
        "merchants",
        "set",
        merchant,
        "--name",
        "サンプル茶舗",
        "--logo",
        logo,
        "--accent",
        "#1f5a4e",
        "--support",
        "help@shop.example",
        "--payment-types",
        "JPY=credit_card, konbini,paypay",
        "--payment-types",
        "USD=credit_card,konbini",
        "--rate",
        "USD=150.2",
        "--fee",
        "konbini=200",
        "--fee",
        "paypay=0",
        "--languages",
        "ja,en",
        "--origin",
        "https://shop.example",
        "--origin",
        "https://two.example",
        "--legal-url",
        "https://shop.example/legal",
        "--legal-text",
        "販売者 サンプル",
        "--bank-fee",
        "--privacy-url",
        "https://shop.example/privacy",
        "--currency",
        "USD",
        "--time-zone",
        "Europe/Berlin",
        "--retry-days",
        "2,5",
    )

    assert changed == run("merchants", "show", merchant)
    assert changed["payment_types"] == {"JPY": ["credit_card", "konbini", "paypay"], "USD": ["credit_card", "konbini"]}
    assert changed["logo"].startswith("data:image/png;base64,")
    assert (changed["fees"], changed["rates"]) == ({"konbini": 200, "paypay": 0}, {"USD": "150.2"})
    assert changed["bank_fee"] is True
    assert (changed["time_zone"], changed["retry_days"]) == ("Europe/Berlin", [2, 5])
    shown = done("merchants", "show", merchant, *where)
    assert "image/png, 38 bytes" in shown
    assert "JPY=credit_card, konbini, paypay; USD=credit_card, konbini" in shown
    assert "base64" not in shown
    assert run("merchants", "set", merchant, "--no-bank-fee")["bank_fee"] is False
    every = (
        "name", "logo", "accent", "support", "payment-types", "fee", "rate", "languages", "origin", "currency",
        "legal-url", "legal-text", "privacy-url", "bank-fee", "time-zone", "retry-days",
    )  # fmt: skip
    assert run("merchants", "set", merchant, *(word for each in every for word in ("--unset", each))) == fresh


def test_a_bad_setting_gets_a_sentence(data: Path) -> None:
    done("init", "--data", data)
    merchant = json.loads(done("merchants", "list", "--data", data, "--json"))[0]["id"]
    for words, sentence in (
        (("--accent", "#7cc9b4"), "darker"),
        (("--fee", "convenience=190"), "There are: credit_card, "),
        (("--payment-types", "credit_card"), "JPY=credit_card"),
        (("--payment-types", "USD=konbini"), "--rate USD="),
        (("--logo", "/nowhere/logo.png"), "cannot be read"),
        (("--unset", "logos"), "logo, accent"),
    ):
        ended = azukari("merchants", "set", merchant, *words, "--data", data)
        assert ended.returncode == 1
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_settings_of_nobody_get_a_sentence(data: Path) -> None:
    done("init", "--data", data)
    for words in (("show", "nobody"), ("set", "nobody", "--name", "a")):
        ended = azukari("merchants", *words, "--data", data)
        assert (ended.returncode, "merchants list" in ended.stderr) == (1, True)


async def test_merchants_and_keys_are_made_listed_rolled_and_revoked(settings: Settings) -> None:
    where = of(settings)

    def run(*words: str) -> Any:
        said = done(*words, *where, "--json")
        assert said.count("\n") == 1
        return json.loads(said)

    made = run("merchants", "create", "Zwei Läden 二号店")[0]
    listed = run("merchants", "list")
    assert [each["name"] for each in listed] == ["Test shop", "Zwei Läden 二号店"]
    assert made["id"] == listed[1]["id"]

    pair = run("keys", "create", made["id"])
    assert list(pair) == ["secret_key", "publishable_key"]
    rows = run("keys", "list", made["id"])
    assert [row["key"][:8] for row in rows] == ["sk_test_", "pk_test_"]
    assert rows[0]["key"].endswith(pair["secret_key"][-4:])
    assert not any(pair["secret_key"][8:-4] in json.dumps(row) for row in rows)
    assert [row["revoked"] for row in rows] == [None, None]

    rolled = run("keys", "roll", rows[0]["id"])[0]["key"]
    assert well_formed(rolled)
    assert rolled != pair["secret_key"]
    assert run("keys", "revoke", rows[0]["id"]) == [{"id": rows[0]["id"], "revoked": True}]
    states = {row["id"]: row["revoked"] is not None for row in run("keys", "list", made["id"])}
    assert list(states.values()).count(True) == 1
    assert states[rows[0]["id"]]

    for words in (
        ["keys", "revoke", rows[0]["id"]],
        ["keys", "revoke", "none"],
        ["keys", "roll", "none"],
        ["keys", "create", "none"],
    ):
        ended = azukari(*words, *where)
        assert (ended.returncode, ended.stdout) == (1, ""), words
        assert "There is no" in ended.stderr
    assert pair["publishable_key"][-4:] in done("keys", "list", made["id"], *where)
