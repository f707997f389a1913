"""Paths of the API that no route serves."""

#: Served with no key, beside the hosted page.
OPEN = {("GET", "/barcodes/{id}")}
