"""One suite every key provider must pass. A provider's test module subclasses it and gives it a ``provider``."""

import os
from dataclasses import replace

import pytest

from azukari.vault import Context, KeyProvider, Unreadable, Wrapped, WrongKey

CONTEXT = Context("mk", "live", "merchant-a", 3)
OTHERS = [
    replace(CONTEXT, purpose="root/pepper"),
    replace(CONTEXT, mode="test"),
    replace(CONTEXT, merchant_id="merchant-b"),
    replace(CONTEXT, merchant_id=""),
    replace(CONTEXT, version=4),
    # The same letters, cut elsewhere.
    Context("m", "klive", "merchant-a", 3),
    Context("mk", "livemerchant-a", "", 3),
]


class KeyProviderContract:
    """What the vault relies on."""

    @pytest.fixture
    def provider(self) -> KeyProvider:
        """A fresh provider with a key of its own."""
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> KeyProvider:
        """Another installation's provider of the same kind."""
        raise NotImplementedError

    def test_what_was_wrapped_unwraps(self, provider: KeyProvider) -> None:
        for key in (os.urandom(32), bytes(32), b"\xff" * 32):
            assert provider.unwrap(provider.wrap(key, CONTEXT), CONTEXT) == key

    def test_it_says_who_wrapped_a_key(self, provider: KeyProvider) -> None:
        wrapped = provider.wrap(bytes(32), CONTEXT)

        assert wrapped.provider == provider.name
        assert wrapped.kek_id
        assert wrapped.kek_version >= 1

    def test_a_wrapped_key_does_not_show(self, provider: KeyProvider) -> None:
        key = os.urandom(32)

        assert key not in provider.wrap(key, CONTEXT).blob

    def test_the_same_key_is_never_wrapped_the_same_way_for_two_places(self, provider: KeyProvider) -> None:
        assert provider.wrap(bytes(32), CONTEXT).blob != provider.wrap(bytes(32), OTHERS[0]).blob

    @pytest.mark.parametrize("other", OTHERS)
    def test_a_key_unwraps_in_its_own_place_only(self, provider: KeyProvider, other: Context) -> None:
        wrapped = provider.wrap(os.urandom(32), CONTEXT)

        with pytest.raises(Unreadable):
            provider.unwrap(wrapped, other)

    def test_a_changed_key_is_refused(self, provider: KeyProvider) -> None:
        wrapped = provider.wrap(os.urandom(32), CONTEXT)

        for at in range(len(wrapped.blob)):
            blob = bytearray(wrapped.blob)
            blob[at] ^= 0x10
            with pytest.raises((Unreadable, WrongKey)):
                provider.unwrap(replace(wrapped, blob=bytes(blob)), CONTEXT)

    @pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01\x01" + bytes(12), bytes(62), os.urandom(4_000)])
    def test_noise_is_refused(self, provider: KeyProvider, blob: bytes) -> None:
        wrapped = provider.wrap(bytes(32), CONTEXT)

        with pytest.raises(Unreadable):
            provider.unwrap(replace(wrapped, blob=blob), CONTEXT)

    def test_another_installations_key_is_told_from_damage(self, provider: KeyProvider, stranger: KeyProvider) -> None:
        with pytest.raises(WrongKey):
            provider.unwrap(stranger.wrap(bytes(32), CONTEXT), CONTEXT)

    def test_another_kind_of_provider_is_told(self, provider: KeyProvider) -> None:
        wrapped = provider.wrap(bytes(32), CONTEXT)

        with pytest.raises(WrongKey, match="another"):
            provider.unwrap(Wrapped("another", wrapped.kek_id, wrapped.kek_version, wrapped.blob), CONTEXT)

    def test_rotation_wraps_anew_and_still_unwraps_the_old(self, provider: KeyProvider) -> None:
        key = os.urandom(32)
        old = provider.wrap(key, CONTEXT)

        version = provider.rotate()
        new = provider.wrap(key, CONTEXT)

        assert version == new.kek_version > old.kek_version
        assert provider.unwrap(old, CONTEXT) == provider.unwrap(new, CONTEXT) == key

    def test_a_version_nobody_made_is_refused(self, provider: KeyProvider) -> None:
        wrapped = provider.wrap(bytes(32), CONTEXT)

        with pytest.raises(WrongKey):
            provider.unwrap(replace(wrapped, kek_version=wrapped.kek_version + 1), CONTEXT)

    def test_a_provider_that_works_is_healthy(self, provider: KeyProvider) -> None:
        provider.health()

    def test_it_does_not_show_its_key(self, provider: KeyProvider) -> None:
        assert len(repr(provider)) < 200
