"""Customers: one set of payment details each, to be charged any number of times. The id is the long-term token."""
