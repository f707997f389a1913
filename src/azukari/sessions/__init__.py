"""Sessions: one try each to take a payment, to keep payment details, or both, on our page or through the fields."""
