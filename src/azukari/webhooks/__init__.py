"""Webhooks: events, delivered to merchants' servers. Reads events; nothing that moves money knows of it."""
