"Robust binary networks found inside random ones; page 92 tells how names come here"
__version__ = "0.1.0"
import sys
from .library import LIBRARY, Package, fetch

__all__ = list(LIBRARY)
__getattr__ = fetch
sys.modules[__name__].__class__ = Package

def __dir__():
    return sorted(LIBRARY)
