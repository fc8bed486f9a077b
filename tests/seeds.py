"""ROBIN_SEED=3 python -m pytest tests/test_pages.py tests/test_stories.py: is a page green by luck?

Each seed that a page gives to `set_seed`, `load_data` or `fit`, or leaves to them, is 3 more."""
import functools, importlib, inspect

def shifted(f, by):
    "`f`, which takes its seed for `by` more"
    asked = inspect.signature(f)
    @functools.wraps(f)
    def shift(*args, **kw):
        said = asked.bind(*args, **kw)
        said.apply_defaults()
        said.arguments['seed'] += by
        return f(*said.args, **said.kwargs)
    return shift

def shift_seeds(by):
    "In this order, so that no module has had the plain one before"
    for module,name in ('core', 'set_seed'), ('data', 'load_data'), ('train', 'fit'):
        home = importlib.import_module(f'robin_nb.{module}')
        setattr(home, name, shifted(getattr(home, name), by))
