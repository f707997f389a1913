"""The hosted page: what a shopper sees, from a session's address to the way back to the shop."""
