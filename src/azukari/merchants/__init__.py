"""Merchants and their API keys. Keys are kept only as keyed hashes; the one first test pair also stays in a file."""
