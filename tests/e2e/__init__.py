"""What a shopper sees: a real server, a real Chromium."""
