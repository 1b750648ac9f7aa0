import sys, types
from pathlib import Path
ROOT = Path(__file__).resolve().parents[1]
for name, path in {"ansible_collections": [], "ansible_collections.evenkeel": [], "ansible_collections.evenkeel.wsgi": [str(ROOT)]}.items():
    package = types.ModuleType(name)
    package.__path__ = path
    sys.modules.setdefault(name, package)
