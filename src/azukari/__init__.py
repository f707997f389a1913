"""Azukari keeps payment details and charges them, over the KOMOJU API."""

__version__ = "0.1.0"
