"""Payments: charging a card or a customer, and what can be done with the charge afterwards."""
