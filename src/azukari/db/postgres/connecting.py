"""Making a connection to PostgreSQL, for the server and for migrations alike, and saying why there is none."""

import configparser
import socket
import ssl
from ipaddress import ip_address
from typing import Any

import asyncpg
from asyncpg import connect_utils

from azukari.core.config import SettingError, Settings
from azukari.core.secret import Secret
from azukari.db.units import DatabaseDown

#: What an address that cannot be read, or a server that does not let us in, makes the driver raise.
_REFUSALS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    ValueError,
    OverflowError,  # of a port
    KeyError,  # nobody is named, and this process's user has no name
    configparser.Error,  # of a service file
)

#: The first that fits. They never repeat what the address says: it holds a password.
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "it does not let this user in, or not with this password"),
    (asyncpg.InvalidCatalogNameError, "its server has no database of this name"),
    (asyncpg.InsufficientPrivilegeError, "its user may not do what is needed here"),
    (asyncpg.TooManyConnectionsError, "it has no connection left for us"),
    (asyncpg.CannotConnectNowError, "it is starting or stopping"),
    (asyncpg.ReadOnlySQLTransactionError, "it takes no writes: it is read-only, or a standby"),
    (asyncpg.InsufficientResourcesError, "its disk or its memory is full"),
    (asyncpg.UndefinedObjectError, "its address has a setting that it does not know"),
    (asyncpg.TargetServerAttributeNotMatched, "none of its hosts is what target_session_attrs asks for"),
    (ssl.SSLError, "TLS with it fails: sslmode asks for what it does not offer, or its certificate is not trusted"),
    (
        asyncpg.ClientConfigurationError,
        "something in its address does not fit: hosts and ports, sslmode, a certificate or target_session_attrs",
    ),
    (
        (ValueError, OverflowError),
        "its address cannot be read; it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
        "other signs than letters and digits in USER and PASSWORD written as %40 is for @",
    ),
    (asyncpg.InterfaceError, "its address cannot be read"),
    (configparser.Error, "the service file cannot be read"),
    (KeyError, "its address names no user"),
    (socket.gaierror, "its host has no address"),
    (TimeoutError, "its host does not answer in time"),
    (ConnectionRefusedError, "nothing listens at its address"),
    (FileNotFoundError, "a file that its address names, a socket or a certificate, is not there"),
    (PermissionError, "a file that its address names, a socket or a certificate, may not be read"),
    (ConnectionError, "it hangs up: sslmode asks for TLS and it has none, or it is no PostgreSQL"),
    (OSError, "it cannot be reached"),
)


class Unreachable(DatabaseDown):
    """No connection can be made at all: whoever waits behind would fare no better."""


class InTheClear(SettingError):
    """The way to the database goes over a network, and TLS with a certificate that is looked at is not asked for."""

    def __init__(self) -> None:
        super().__init__(
            "Refusing a PostgreSQL on another machine without verified TLS. Add sslmode=verify-full&sslrootcert=FILE "
            "to its address, with the certificate of who signed the server's, or set AZUKARI_INSECURE_DATABASE=1 on an "
            "installation without live keys."
        )


def address(settings: Settings) -> str:
    """Where the database is, for the server. Raises InTheClear, Unreachable (it cannot be read)."""
    assert settings.database_url is not None
    return _checked(settings.database_url, settings)


def owner_address(settings: Settings) -> str:
    """The same, for whoever migrates. Raises InTheClear, Unreachable."""
    return address(settings) if settings.database_owner_url is None else _checked(settings.database_owner_url, settings)


def _checked(url: Secret, settings: Settings) -> str:
    try:
        hosts, parameters = connect_utils._parse_connect_dsn_and_args(
            dsn=url.reveal(), **dict.fromkeys(_LEFT_TO_THE_ADDRESS)
        )
    except _REFUSALS as error:
        raise Unreachable(because=reason(error)) from error
    is_verified = parameters.sslmode >= connect_utils.SSLMode.verify_full
    if not (is_verified or settings.insecure_database or all(map(_is_here, hosts))):
        raise InTheClear
    return url.reveal()


#: What the driver takes from an address, the environment and files of PostgreSQL's own, where nothing else is said.
_LEFT_TO_THE_ADDRESS = (
    "host", "port", "user", "password", "passfile", "database", "ssl", "service", "servicefile", "direct_tls",
    "server_settings", "target_session_attrs", "krbsrvname", "gsslib",
)  # fmt: skip


def _is_here(host: str | tuple[str, int]) -> bool:
    """Whether a host is a socket's file, or an address of this machine alone."""
    if isinstance(host, str):
        return True
    try:
        return ip_address(host[0]).is_loopback
    except ValueError:
        return host[0].lower() == "localhost"


async def connect(url: str, *, timeout: float, **options: Any) -> Any:  # noqa: ASYNC109 - the driver's
    """A connection of the driver's. Raises Unreachable."""
    try:
        return await asyncpg.connect(url, timeout=timeout, **options)
    except _REFUSALS as error:
        raise Unreachable(because=reason(error)) from error


def reason(error: BaseException) -> str | None:
    """Why the database cannot be used, for a person who can mend it."""
    return next((words for kind, words in _REASONS if isinstance(error, kind)), None)
