"What crosses pages: one unit for alpha, one kind of help with names, balls that can be judged and reported."
import importlib, inspect, json, pkgutil, re
from functools import partial
import pytest, torch
import robin_nb
from pages import PAGES, code_cells, read, source
from robin_nb import zoo
from robin_nb.core import nearest, set_seed
from robin_nb.data import Batch, load_data
from robin_nb.evaluate import autoattack, judge
from robin_nb.reports import evaluation, verify
from robin_nb.minimax import BALLS, L2, Linf
from robin_nb.binary import INITS
from robin_nb.files import build_model
from robin_nb.objectives import OBJECTIVES, fgsm_carry, fgsm_rs
from robin_nb.more_objectives import free, mart, trades
from robin_nb.pgd import fgsm, pgd
from robin_nb.rules import RULES
from robin_nb.recipes import RECIPES, STARTS
from robin_nb.methods import recipe
from robin_nb.reproduce import SCALES, cells
from robin_nb.cli import PRESETS

BALL = Linf(.05)
NETWORKS = dict.fromkeys(r['name'] for r in zoo.list_models())
TABLES = dict(objective=OBJECTIVES, recipe=RECIPES, start=STARTS, rule=RULES, scale=SCALES,
              preset=PRESETS, init=INITS, network=NETWORKS)

NAMES = {name for known in TABLES.values() for name in known}

def said(ask, *args):
    "What is said to a name that leads nowhere"
    with pytest.raises(ValueError) as e: ask(*args)
    return str(e.value)

def objective(name, ball=BALL, **kw): return OBJECTIVES.make(name, ball=ball, **DLS.facts, **kw)

OTHERS = ['mixtrain','fast','ibp','smooth','crown','free_at','snip','sandwich','grasp','synflow','awp','gairat',
          'mixup','at_small','lth','rigl','hydra2','biprune','flying','ticket','fgsm','pgd_at','interval','l2']
@pytest.mark.parametrize('name', OTHERS)
def test_another_method_is_not_corrected_to_one_of_ours(name):
    for ask,one in (objective,'trades'),(recipe,'hydra'),(zoo.load,'fashion-cnn-05'):
        words = said(ask, name)
        assert one in words and repr(name) in words and 'did you mean' not in words

TYPOS = [(objective,'pdg','pgd'), (objective,'trade','trades'), (objective,'cary','carry'),
         (objective,'TRADES','trades'), (objective,'fgsm-rs','fgsm_rs'), (recipe,'hidra','hydra'),
         (recipe,'edgepopup','edge_popup'), (recipe,'rts','rst'), (zoo.load,'fashoin-cnn-05','fashion-cnn-05')]
@pytest.mark.parametrize('ask,name,meant', TYPOS)
def test_a_near_spelling_is_helped(ask, name, meant): assert f'did you mean {meant}?' in said(ask, name)

def test_a_near_spelling_of_a_preset():
    assert 'did you mean rn34-cifar10?' in said(nearest, 'rn34-cifar-10', PRESETS, 'preset')
    for words in said(nearest, 'rn43-cifar10', PRESETS, 'preset'),said(zoo.load, 'fashion-cnn-20'):
        assert 'did you mean' not in words                            # another number is another thing

@pytest.mark.parametrize('what', TABLES)
def test_names_of_one_table_are_not_corrected_to_those_of_another(what):
    for name in NAMES - set(TABLES[what]): assert 'did you mean' not in said(nearest, name, TABLES[what], what), name

def test_lists_of_names_on_pages_are_the_tables():
    "Where a saved output says which names there are, these are the package's: nothing that a page has registered"
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
    for page in PAGES:
        cells = code_cells(read(page))
        code,shown = '\n'.join(source(c) for c in cells),json.dumps([c['outputs'] for c in cells])
        own = re.findall(rf"(?:{TABLE})\['(\w+)'\](?:,[^=]*)?\s*=[^=]", code)
        own += re.findall(rf'patch\.dict\((?:{TABLE}), (\w+)=', code)
        own += re.findall(rf"(?:{TABLE})\.having\('(\w+)'", code)
        for name in {*own}-NAMES: assert not re.search(rf'\b{name}\b', shown), f'{page.name}: {name}'

# alpha: the length of a step in pixels of [0,1], and None for a share of eps

DLS = load_data('stripes', bs=64)
CONFIG = dict(arch='small_cnn', args=dict(c_in=1, n_out=2, widths=(4,8,8), normalize=[list(DLS.mean), list(DLS.std)]))
def carry(ball, **kw): return fgsm_carry(ball, len(DLS.train.dataset), DLS.shape, DLS.pad, **kw)
MADE = dict(fgsm_rs=fgsm_rs, carry=carry, free=free, trades=partial(trades, steps=5), mart=partial(mart, steps=5))
SHARE = dict(fgsm_rs=1.25, carry=.5, free=1., trades=.5, mart=.5, pgd=.5, mix=.5)              # of eps, where alpha is None

def losses(objective):
    "Of three visits to one batch of a network that is drawn anew"
    set_seed(0); model = build_model(CONFIG).eval()
    batch = Batch(*next(iter(DLS.train)))
    seen = []
    for _ in range(3): seen.append(objective(model, batch)); seen[-1].backward()
    return torch.stack(seen).detach()

@pytest.mark.parametrize('ball', [Linf(.03), Linf(8/255), L2(.7)], ids=str)
@pytest.mark.parametrize('name', SHARE)
def test_alpha_is_in_pixels_and_none_is_a_share_of_eps(name, ball):
    same,other = SHARE[name]*ball.eps,.3*ball.eps
    named = {alpha: losses(objective(name, ball, steps=5, alpha=alpha)) for alpha in (None, same, other)}
    assert torch.equal(named[None], named[same]) and not torch.equal(named[None], named[other])
    if name not in MADE: return
    for alpha,seen in named.items(): assert torch.equal(losses(MADE[name](ball, alpha=alpha)), seen)

@pytest.mark.parametrize('name', SHARE)
def test_a_share_of_eps_is_refused_where_pixels_are_meant(name):
    words = r'alpha is in pixels of \[0,1\].*alpha=0.25\*eps'
    with pytest.raises(ValueError, match=words): objective(name, Linf(8/255), steps=5, alpha=.25)
    if name in ('fgsm_rs','carry','free'):
        with pytest.raises(ValueError, match=words): MADE[name](Linf(8/255), alpha=.25)

def test_no_attack_takes_a_step_that_is_no_number_of_pixels():
    x,y,_ = next(iter(DLS.test)); model = build_model(CONFIG).eval()
    for attack in fgsm,pgd:
        with pytest.raises(ValueError, match=r'alpha is in pixels of \[0,1\]'): attack(Linf(.03), alpha=1.25)
        attack(L2(3.), alpha=3.)(model, x, y)

def test_every_alpha_has_one_unit():
    "No public function and no field is called alpha and has a default of its own: pixels, or None"
    for info in pkgutil.iter_modules(robin_nb.__path__):
        if info.name.startswith('_'): continue
        m = importlib.import_module(f'robin_nb.{info.name}')
        for name in getattr(m, '__all__', ()):
            thing = getattr(m, name)
            if not callable(thing): continue
            try: alpha = inspect.signature(thing).parameters.get('alpha')
            except ValueError: continue                               # of C
            assert alpha is None or alpha.default in (None, inspect.Parameter.empty), f'{info.name}.{name}'

def test_a_published_step_is_a_share_of_eps():
    "A phase does not know eps: its step is a share and says so"
    q, = recipe('rst').phases
    assert q.step_share==.25 and all(q.step_share==1.25/7 for q in recipe('atmc').phases) and not hasattr(q, 'alpha')

@pytest.mark.parametrize('kind', BALLS)
def test_what_is_judged_in_a_ball_can_be_reported_and_checked(kind):
    model,ball,dl = build_model(CONFIG).eval(),BALLS[kind](dict(linf=.5, l2=10., l1=100.)[kind]),DLS.test
    judged = [judge(model, dl, n=20), judge(model, dl, pgd(ball, 2), 20), autoattack(model, dl, ball, 20)]
    report = json.loads(json.dumps(evaluation(model, dl, judged)))
    assert [r['norm'] for r in report['results'][1:]]==[kind]*2 and {r['verdict'] for r in verify(report, model, dl)}=={'good'}
