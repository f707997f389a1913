"""The ways to pay: which there are, which a merchant offers, and their pictures."""
