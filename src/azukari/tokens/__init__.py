"""Tokens: payment details kept for one use within a day."""
