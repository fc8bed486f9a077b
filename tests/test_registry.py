"A toy of every kind, one statement each, goes all the way: search, save, pack, judge, verify."
import inspect, json
from dataclasses import dataclass
import pytest, torch, torch.nn as nn
import robin_nb.apgd, robin_nb.more_objectives, robin_nb.recipes    # they register what is theirs
from robin_nb.binary import INITS, binary_
from robin_nb.budgets import BUDGETS
from robin_nb.cli import robin_evaluate, robin_info, robin_pack, robin_prune, robin_unpack
from robin_nb.core import Registry, taken
from robin_nb.data import DATA, load_data
from robin_nb.loop import Callback
from robin_nb.maps import MAPS, ScoreMask
from robin_nb.minimax import BALLS, Linf
from robin_nb.models import ARCHS
from robin_nb.objectives import OBJECTIVES, at
from robin_nb.pgd import ATTACKS, fgsm
from robin_nb.rules import RULES

def toy_net(n_out, normalize, lbn=True):
    "For pictures of 8x8 only"
    layers = [nn.Conv2d(1, 6, 3, 2, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(),
              nn.Linear(54, n_out, bias=False)]
    return nn.Sequential(*layers)

@dataclass(frozen=True)
class ToyBudget:
    def __call__(self, shapes, keep):
        counts = [-(-int(torch.tensor(s).prod())//2) for s in shapes]
        return counts

@dataclass(frozen=True)
class ToyBall(Linf):
    "A ball of another name"

@dataclass(frozen=True)
class ToyAttack:
    ball: object
    twice: bool = True
    @property
    def protocol(self):
        return f'two signs, {self.ball}'
    def __call__(self, model, x, y, generator=None):
        d = fgsm(self.ball)(model, x, y)
        return fgsm(self.ball)(model, x, y, start=d) if self.twice else d

class ToyMap(ScoreMask):
    "Scores of another name"

seen = []
class ToyRule(Callback):
    def __init__(self, k):
        self.k = k
    def after_step(self, run):
        seen.append(self.k)

def toy_init(keep):
    return lambda w, seed=0, layer=0: binary_(w, seed+1, layer)

def toy_data(bs=100, **facts):
    return load_data('stripes', bs=bs)

TOYS = [(ARCHS, toy_net), (BUDGETS, ToyBudget), (BALLS, ToyBall), (ATTACKS, ToyAttack), (MAPS, ToyMap),
        (RULES, lambda k: ToyRule(k)), (INITS, toy_init), (DATA, toy_data),
        (OBJECTIVES, lambda ball: at(fgsm(ball)))]

def counted(registries):
    return {r.kind: list(r) for r in registries}

def test_a_toy_of_every_kind(tmp_path, capsys):
    from contextlib import ExitStack
    registries = [r for r,_ in TOYS]
    before = counted(registries)
    with ExitStack() as stack:
        for registry,maker in TOYS:
            stack.enter_context(registry.having('toy', maker))
        out = tmp_path/'run'
        robin_prune(data='toy', model='toy', budget='toy', norm='toy', map='toy', rules='toy', init='toy',
                    objective='toy', keep=.5, bs=100, eps='0.05', steps=2, epochs=1, out=str(out))
        report = json.loads((out/'report.json').read_text())
        assert report['config']['arch']=='toy' and report['config']['sparse']['map']=='toy'
        assert [r['k'] for r in report['layers'][:-1]]==[27, 54]
        assert seen and set(seen)=={81}
        file,packed = str(out/'model.safetensors'), str(tmp_path/'x.robin')
        robin_pack(file, packed)
        robin_unpack(packed, str(tmp_path/'plain.safetensors'))
        for which in file, packed:
            robin_info(which)
            told = str(tmp_path/'e.json')
            robin_evaluate(which, attack='toy', n=100, out=told)
            saved = json.loads((tmp_path/'e.json').read_text())
            assert 'two signs' in saved['results'][1]['protocol']
            robin_evaluate(verify=told)
    assert counted(registries)==before
    with pytest.raises(SystemExit):
        robin_info(file)                                              # the network is nobody's again
    assert 'toy' in capsys.readouterr().err

def test_every_kind_is_in_one_place():
    kinds = 'arch','attack','budget','data','init','map','norm','objective','recipe','rule'
    assert set(kinds) <= set(Registry.kinds)
    for kind in kinds:
        registry = Registry.kinds[kind]
        assert len(registry), kind
        with pytest.raises(ValueError, match=f'{kind} must be one of'):
            registry['nothing of this name']

@pytest.mark.parametrize('name', ['clean','pgd','carry','fgsm_rs','mix','trades','mart','free'])
def test_objectives_say_their_cost(name):
    forwards, backwards = OBJECTIVES[name].passes(5)
    assert forwards >= backwards >= 1

def test_facts_are_looked_up_once(monkeypatch):
    "However many facts there are; and who wants them without the thing gets the same ones"
    asked, signature = [], inspect.signature
    monkeypatch.setattr(inspect, 'signature', lambda maker: asked.append(maker) or signature(maker))
    facts = dict(ball=Linf(.1), steps=3, seed=0, colour='red')
    ATTACKS.make('pgd', **facts)
    assert asked==[ATTACKS['pgd']]
    assert taken(ATTACKS['pgd'], facts)==dict(ball=Linf(.1), steps=3, seed=0)
