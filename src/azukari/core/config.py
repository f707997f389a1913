"""Settings: read once, from ``AZUKARI_NAME`` or from the file that ``AZUKARI_NAME_FILE`` names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from azukari.core.log import LEVELS, Level
from azukari.core.secret import Secret

PREFIX = "AZUKARI_"
#: What the simulator can be told to do wrong, by a setting or by ``Azukari-Fault``.
FAULTS = ("lost_request", "lost_reply", "duplicate_reply", "slow", "processor_down")


class SettingError(Exception):
    """A setting is missing or wrong; the text says what to do, and never repeats a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one installation is set up.

    data: the data directory.
    database_url: ``postgresql://…``, or None for SQLite in the data directory. It holds a password.
    database_owner_url: who migrates PostgreSQL; None: the same as database_url.
    public_url: what addresses we give out start with; None: the address served on.
    trusted_proxies: networks of those who end TLS in front of us: off loopback nobody else is served, and their
    ``X-Forwarded-For`` is believed.
    insecure_http, insecure_database: cards may travel in the clear, so there are to be no live keys: see
    :attr:`insecure`.
    kek_file: the file key provider's key; None: inside the data directory, good for test keys only.
    simulator_delay, simulator_fault: what every simulated call does unless its request says otherwise.
    loopback_webhooks: webhooks in test mode may go to plain HTTP on this machine: for test installations.
    rate_address, rate_publishable, rate_key: calls a minute (``web/limits.py``); None: its own figures.
    test_mode: whether test keys are let in; without it the simulator and its journals are left alone.
    artwork: a folder of official pictures of payment types and stores; None: our own drawings.
    processors: entry points of the processors that live keys run on, in the order they are picked; no other is loaded.
    """

    data: Path
    database_url: Secret | None = None
    database_owner_url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 8420
    public_url: str | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    insecure_http: bool = False
    insecure_database: bool = False
    kek_file: Path | None = None
    log_level: Level = "info"
    worker_inside: bool = True
    simulator_delay: int = 0
    simulator_fault: str | None = None
    artwork: Path | None = None
    loopback_webhooks: bool = False
    rate_address: int | None = None
    rate_publishable: int | None = None
    rate_key: int | None = None
    test_mode: bool = True
    processors: tuple[str, ...] = ()

    @property
    def on_postgres(self) -> bool:
        return self.database_url is not None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach us."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def insecure(self) -> str | None:
        """The setting that lets cards travel in the clear, on an installation without live keys; None: none does."""
        if self.insecure_http:
            return "AZUKARI_INSECURE_HTTP"
        return "AZUKARI_INSECURE_DATABASE" if self.insecure_database and self.on_postgres else None

    @property
    def base_url(self) -> str:
        """The address we give out, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingError."""
    env = _Environment(os.environ if environment is None else environment)
    return Settings(
        data=Path(env.text("DATA") or "azukari-data"),
        database_url=env.database("DATABASE_URL"),
        database_owner_url=env.database("DATABASE_OWNER_URL"),
        host=env.text("HOST") or "127.0.0.1",
        port=env.number("PORT", 8420, 65_535),
        public_url=env.url("PUBLIC_URL"),
        trusted_proxies=env.networks("TRUSTED_PROXIES"),
        insecure_http=env.flag("INSECURE_HTTP", False),
        insecure_database=env.flag("INSECURE_DATABASE", False),
        kek_file=Path(path) if (path := env.text("KEK_FILE")) else None,
        log_level=env.level("LOG_LEVEL"),
        worker_inside=env.flag("WORKER", True),
        simulator_delay=env.number("SIMULATOR_DELAY", 0, 60_000),
        simulator_fault=env.choice("SIMULATOR_FAULT", FAULTS),
        artwork=env.folder("ARTWORK"),
        loopback_webhooks=env.flag("LOOPBACK_WEBHOOKS", False),
        rate_address=env.rate("RATE_ADDRESS"),
        rate_publishable=env.rate("RATE_PUBLISHABLE"),
        rate_key=env.rate("RATE_KEY"),
        test_mode=env.flag("TEST_MODE", True),
        processors=env.names("PROCESSORS"),
    )


class _Environment:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str) -> str | None:
        value = self._variables.get(PREFIX + name)
        path = self._variables.get(f"{PREFIX}{name}_FILE")
        if value is None and path is not None:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingError(f"{PREFIX}{name}_FILE names a file that cannot be read: {error.strerror}.") from None
            except UnicodeDecodeError:
                raise SettingError(f"{PREFIX}{name}_FILE names a file that is no text.") from None
        return value or None

    def number(self, name: str, default: int, most: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or int(value) > most:
            raise SettingError(f"{PREFIX}{name} must be a whole number from 0 to {most}.")
        return int(value)

    def rate(self, name: str) -> int | None:
        value = None if self.text(name) is None else self.number(name, 0, 1_000_000)
        if value == 0:
            raise SettingError(f"{PREFIX}{name} must be a whole number from 1 to 1000000: calls a minute.")
        return value

    def level(self, name: str) -> Level:
        value = (self.text(name) or "info").lower()
        for level in LEVELS:
            if value == level:
                return level
        raise SettingError(f"{PREFIX}{name} must be one of {', '.join(LEVELS)}.")

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise SettingError(f"{PREFIX}{name} must be one of {', '.join(choices)}.")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("1", "0", "true", "false", "yes", "no", "on", "off"):
            raise SettingError(f"{PREFIX}{name} must be 1 or 0.")
        return value.lower() in ("1", "true", "yes", "on")

    def url(self, name: str) -> str | None:
        value = self.text(name)
        try:
            parts = urlsplit(value or "https://none")
        except ValueError:  # half an IPv6 address
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise SettingError(f"{PREFIX}{name} must be an address that starts with https:// or http://.")
        return value

    def folder(self, name: str) -> Path | None:
        value = self.text(name)
        if value is not None and not Path(value).is_dir():
            raise SettingError(f"{PREFIX}{name} must name a folder that is there.")
        return None if value is None else Path(value)

    def database(self, name: str) -> Secret | None:
        value = self.text(name)
        if value is None or value.startswith("sqlite"):
            return None
        if not value.lower().startswith(("postgresql://", "postgres://")):
            raise SettingError(f"{PREFIX}{name} must start with postgresql://, or be left out for SQLite.")
        return Secret(value)

    def names(self, name: str) -> tuple[str, ...]:
        found = tuple(part.strip() for part in (self.text(name) or "").split(",") if part.strip())
        if len(set(found)) < len(found):
            raise SettingError(f"{PREFIX}{name} has a name twice. Each stands in it once, in the order that counts.")
        return found

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        try:
            found = tuple(ip_network(part.strip()) for part in (self.text(name) or "").split(",") if part.strip())
        except ValueError:
            raise SettingError(f"{PREFIX}{name} must be addresses or networks with commas between them.") from None
        if any(network.prefixlen == 0 for network in found):
            raise SettingError(f"{PREFIX}{name} must name whom we trust; one of its networks is everybody.")
        return found
