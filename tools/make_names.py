"""The names that `--help` lists, as the package has them:  python tools/make_names.py

`robin_nb/assets/names.json` holds them by parameter, so that help need not import the package to know them."""
import json, re
from inspect import unwrap
from pathlib import Path
from robin_nb.cli import PRESETS, make_config, robin_evaluate, robin_prune
from robin_nb.packed import save_packed
from robin_nb.core import write_json
from robin_nb.data import DATA, load_data
from robin_nb.binary import INITS
from robin_nb.methods import RECIPES
from robin_nb.more_objectives import OBJECTIVES
from robin_nb.reproduce import SCALES, cells

FILE = Path(__file__).parents[1]/'robin_nb'/'assets'/'names.json'

def offered(f, *args, **kw):
    "The names that the error of `f` offers for one that does not exist"
    try: f(*args, **kw)
    except ValueError as e: names = re.search(r'must be (?:one of )?(.+?); got', str(e))[1]
    return re.split(r', | or ', names)

def truth():
    "The names of the package, by parameter"
    return dict(preset=list(PRESETS), data=list(DATA), init=list(INITS), scale=list(SCALES),
                only=list(RECIPES),
                model=offered(make_config, load_data('stripes'), '?'),
                norm=offered(unwrap(robin_prune), norm='?'),
                objective=list(OBJECTIVES),
                attack=offered(unwrap(robin_evaluate), attack='?'),
                statistics=offered(save_packed, None, None, None, '?'),
                what=offered(cells, '?', SCALES['mini']))

if __name__=='__main__': write_json(truth(), FILE)
