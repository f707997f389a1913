"""The test clock: a merchant's time in test mode, set, stopped, and advanced with all that falls due on the way."""
