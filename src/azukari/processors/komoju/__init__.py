"""KOMOJU upstream: live cards go to the merchant's own account at KOMOJU, whose API is the one we speak ourselves."""

from azukari.core.clock import Clock
from azukari.core.config import Settings
from azukari.core.ids import Ids
from azukari.processors.komoju.processor import HOST, Komoju
from azukari.vault import Vault


def build(settings: Settings, vault: Vault, clock: Clock, ids: Ids) -> Komoju:
    """Called once, at start-up. ``settings`` and ``ids`` are every processor's."""
    vault.allow(HOST)
    return Komoju(vault, clock)
