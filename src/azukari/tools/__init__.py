"""Developer's tools: hand events on as webhooks, make events happen, watch a server at work."""
