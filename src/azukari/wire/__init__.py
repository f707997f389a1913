"""The API's wire: what comes in and goes out, in its own words, without a server."""
