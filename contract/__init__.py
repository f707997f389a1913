"""The contract, what we add to it, and what is made of both by `make openapi`."""
