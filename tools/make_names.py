"""The names that `--help` lists, as the package has them:  python tools/make_names.py

`robin_nb/assets/names.json` holds them by parameter, so that help need not import the package to know them."""
import re
from importlib import import_module
from pathlib import Path
from robin_nb.cli import PRESETS, arch_names, attack_names, map_names
from robin_nb.core import Registry, write_json
from robin_nb.data import load_data
from robin_nb.packed import save_packed
from robin_nb.reproduce import SCALES, cells

FILE = Path(__file__).parents[1]/'robin_nb'/'assets'/'names.json'

def offered(f, *args, **kw):
    "The names that the error of `f` offers for one that does not exist"
    try: f(*args, **kw)
    except ValueError as e: names = re.search(r'must be (?:one of )?(.+?); got', str(e))[1]
    return re.split(r', | or ', names)

def truth():
    "The names of the package, by parameter"
    for module in 'more_objectives','methods','rules': import_module(f'robin_nb.{module}')      # they register theirs
    def of(kind): return list(Registry.kinds[kind])
    return dict(preset=list(PRESETS), data=of('data'), init=of('init'), budget=of('budget'), map=map_names(),
                rules=of('rule'), scale=list(SCALES), only=of('recipe'), model=list(arch_names()), norm=of('norm'),
                objective=of('objective'), attack=attack_names(),
                statistics=offered(save_packed, None, None, None, '?'),
                what=offered(cells, '?', SCALES['mini']))

if __name__=='__main__': write_json(truth(), FILE)
