"""Subscriptions: one charge each period on a customer's saved details."""
