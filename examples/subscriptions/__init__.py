"""A small subscriptions engine on the KOMOJU API: start from it. README.md says how it works."""
