"""What everything stands on and nothing here knows of: settings, errors, ids, money, time, the log."""
