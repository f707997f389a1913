"""Processors move money. Here: what each must be able to do, who there is, and the attempts made on them."""
