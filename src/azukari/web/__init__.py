"""The HTTP kit: limits, bodies, who calls, routing, errors, idempotency, and our own few pages."""
