"`import robin_nb as rb`: at once, with every name, each with all that is known of it. (How: page 92.)"
import pydoc, re, subprocess, sys
from importlib import import_module
import pytest
from fastcore.docments import docments
from IPython.core import oinspect
import robin_nb as rb
from robin_nb.core import Registry
from robin_nb.library import LIBRARY
from pages import PAGES, code_cells, defined, is_export, module_of, read, source

names = pytest.mark.parametrize('name', LIBRARY)

def fresh(code):
    "What a Python of its own prints"
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr
    return r.stdout

def plain(text): return ' '.join(text.split())
def helped(thing):
    "What `help` says, in one line"
    return plain(re.sub(r'^ [|]', '', pydoc.render_doc(thing, renderer=pydoc.plaintext), flags=re.M))

def test_at_once():
    "In under .3 seconds, and nothing heavy comes along; not even for dir()"
    code = """
import sys, time
start = time.perf_counter()
import robin_nb
assert dir(robin_nb)==sorted(robin_nb.__all__)
print(time.perf_counter()-start)
heavy = {'torch', 'numpy', 'torchvision', 'matplotlib', 'fastcore'} & set(sys.modules)
assert not heavy, heavy
"""
    assert min(float(fresh(code)) for _ in range(3)) < .3

def test_ways_to_import():
    "Names that are also those of modules (masks, pgd) stay names, whatever is imported before"
    fresh("""
import pickle
import robin_nb as rb, robin_nb.masks, robin_nb.pgd
from robin_nb import fit, pgd
import robin_nb.pgd as kept
from robin_nb.masks import topk_mask
assert rb.train.fit is fit is rb.fit is pickle.loads(pickle.dumps(fit))
assert kept is pgd is rb.pgd and callable(pgd)
assert rb.masks.__module__=='robin_nb.maps' and topk_mask.__module__=='robin_nb.masks'
from robin_nb import *
assert all(callable(globals()[name]) for name in rb.__all__)
""")

def test_a_wrong_name():
    with pytest.raises(AttributeError, match="^robin_nb has no name 'sparsfy'; did you mean sparsify[?]$"):
        rb.sparsfy
    with pytest.raises(AttributeError, match="^robin_nb has no name '_repr_html_'$"):
        rb._repr_html_

def test_names_are_those_of_the_pages():
    made = {name: module_of(read(page)) for page in PAGES for c in code_cells(read(page))
            if is_export(source(c)) for name in defined(source(c))}
    assert {name: made.get(name) for name in LIBRARY}==LIBRARY

def test_names_are_those_of_the_registries():
    "What a registry calls as the library does is the same thing"
    for module in set(LIBRARY.values()): import_module(f'robin_nb.{module}')   # they fill the registries
    for kind,known in Registry.kinds.items():
        for name,entry in known.items():
            if name in LIBRARY and getattr(entry, '__name__', None)==name:
                assert entry is getattr(rb, name), f'{kind} {name}'

@names
def test_a_name_is_documented(name):
    thing = getattr(rb, name)
    assert name in import_module(f'robin_nb.{LIBRARY[name]}').__all__
    assert len(thing.__doc__) > 10 and plain(thing.__doc__) in helped(thing)

TEN = ['load_data', 'small_cnn', 'resnet', 'sparsify', 'power', 'pgd', 'apgd', 'fit', 'sgd', 'save_packed']
@pytest.mark.parametrize('name', TEN)
def test_comments_are_in_help(name):
    "In `help(rb.fit)` and in `rb.fit?`, once"
    said = {k: v for k,v in docments(getattr(rb, name)).items() if v}
    assert said
    for shown in helped(getattr(rb, name)), plain(oinspect.getdoc(getattr(rb, name))):
        assert shown.count(f'Args: {next(iter(said))}: ')==1
        for parameter,comment in said.items():
            what = comment if parameter=='return' else f'{parameter}: {comment}'
            assert shown.count(plain(what))==1, (parameter, shown)
