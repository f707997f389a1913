"""Accounts: one merchant's contracts with its processors."""
