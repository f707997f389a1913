"""All modules of the application, imported."""

import importlib
import pkgutil

import pytest

import azukari


@pytest.fixture(scope="module", autouse=True)
def everything_is_imported() -> None:
    for module in pkgutil.walk_packages(azukari.__path__, "azukari."):
        # Migrations run when they are imported, and have no statements of the application.
        if not module.name.startswith(("azukari.migrations", "azukari.__main__")):
            importlib.import_module(module.name)
