"""Alembic's folder. Migrations go forward: add a column now, drop the old one a release later."""
