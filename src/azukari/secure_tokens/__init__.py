"""Secure tokens: payment details whose shopper has been authenticated (3-D Secure), for one payment of one amount."""
