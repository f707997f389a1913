"""Events: facts, stored in the unit of work that makes them true."""
