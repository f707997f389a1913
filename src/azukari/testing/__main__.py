"""``python -m azukari.testing DATA PARENT``: the tests' server."""

import gc

if __name__ == "__main__":
    # What a start makes stays: without this the collector looks through it a hundred times.
    gc.set_threshold(250_000, 20, 100)
    from azukari.testing import server

    server.main()
