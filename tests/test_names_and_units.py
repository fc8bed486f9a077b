"What crosses pages: one unit for alpha, one kind of help with names, balls that can be judged and reported."
import json, re
import pytest, torch
from pages import PAGES, code_cells, read, source
from robin_nb import zoo
from robin_nb.minimax import Linf
from robin_nb.models import INITS
from robin_nb.recipes import RECIPES, RULES, STARTS, make_objective, nearest, recipe
from robin_nb.reproduce import SCALES, cells
from robin_nb.cli import PRESETS

BALL = Linf(.05)
OBJECTIVES = dict.fromkeys(['clean','pgd','mix','fgsm_rs','free','carry','trades','mart'])
TABLES = dict(objective=OBJECTIVES, recipe=RECIPES, start=STARTS, rule=RULES, scale=SCALES, preset=PRESETS, init=INITS, network=dict.fromkeys(r['name'] for r in zoo.list_models()))

def said(ask, *args):
    "What is said to a name that leads nowhere"
    with pytest.raises(ValueError) as e: ask(*args)
    return str(e.value)

def objective(name): return make_objective(name, BALL, None)

OTHERS = 'mixtrain fast ibp smooth crown free_at snip sandwich grasp synflow awp gairat mixup at_small lth rigl hydra2 biprune flying ticket fgsm pgd_at interval l2'.split()
@pytest.mark.parametrize('name', OTHERS)
def test_another_method_is_not_corrected_to_one_of_ours(name):
    for ask,one in (objective,'trades'),(recipe,'hydra'),(zoo.load,'fashion-cnn-05'):
        words = said(ask, name)
        assert one in words and repr(name) in words and 'did you mean' not in words

TYPOS = [(objective,'pdg','pgd'), (objective,'trade','trades'), (objective,'cary','carry'), (objective,'TRADES','trades'), (objective,'fgsm-rs','fgsm_rs'),
         (recipe,'hidra','hydra'), (recipe,'edgepopup','edge_popup'), (recipe,'rts','rst'), (zoo.load,'fashoin-cnn-05','fashion-cnn-05')]
@pytest.mark.parametrize('ask,name,meant', TYPOS)
def test_a_near_spelling_is_helped(ask, name, meant): assert f'did you mean {meant}?' in said(ask, name)

def test_a_near_spelling_of_a_preset():
    assert 'did you mean rn34-cifar10?' in said(nearest, 'rn34-cifar-10', PRESETS, 'preset')
    assert 'did you mean' not in said(nearest, 'rn43-cifar10', PRESETS, 'preset') + said(zoo.load, 'fashion-cnn-20')     # another number is another thing

@pytest.mark.parametrize('what', TABLES)
def test_names_of_one_table_are_not_corrected_to_those_of_another(what):
    for name in {n for known in TABLES.values() for n in known} - set(TABLES[what]): assert 'did you mean' not in said(nearest, name, TABLES[what], what), name

def test_lists_of_names_on_pages_are_the_tables():
    "Where a saved output says which names there are, it says what whoever installs the package sees: nothing that a page has registered"
    seen = 0
    for page in PAGES:
        text = json.dumps([c['outputs'] for c in code_cells(read(page))])
        for what,listed in re.findall(r'(\w+) must be one of ([^;"]*); got', text):
            if what not in TABLES: continue
            seen += 1
            assert listed.split(', ')==list(TABLES[what]), f'{page.name}: {what}'
    assert seen

TABLE = 'RECIPES|RULES|STARTS|SCALES|PRESETS|INITS'
def test_no_saved_output_shows_a_name_that_a_page_has_registered():
    ours = {n for known in TABLES.values() for n in known}
    for page in PAGES:
        cells = code_cells(read(page))
        code,shown = '\n'.join(source(c) for c in cells),json.dumps([c['outputs'] for c in cells])
        own = re.findall(rf"(?:{TABLE})\['(\w+)'\](?:,[^=]*)?\s*=[^=]", code) + re.findall(rf'patch\.dict\((?:{TABLE}), (\w+)=', code)
        for name in set(own)-ours: assert not re.search(rf'\b{name}\b', shown), f'{page.name}: {name}'
