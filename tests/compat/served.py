"""The maker of the served description: ``contract/served.py``."""

import importlib.util
from types import ModuleType

from tests.compat.contract import ROOT


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("served", ROOT / "contract" / "served.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = _maker()
