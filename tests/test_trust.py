"The adapter of AutoAttack: equal to the library by hand, killed and resumed to the same verdicts, and one clear line for what it cannot judge."
import importlib.util, sys, types
import pytest, torch, torch.nn as nn
from robin_nb.core import derived_seed, set_seed
from robin_nb.data import load_data
from robin_nb.evaluate import autoattack, judge
from robin_nb.reports import evaluation, verify
from robin_nb.maps import bake
from robin_nb.minimax import L2, Linf
from robin_nb.models import small_cnn
from robin_nb.objectives import clean
from robin_nb.pgd import pgd
from robin_nb.train import fit, sgd
from robin_nb.train import Progress

py = pytest.importorskip('pyautoattack', reason="AutoAttack is an extra: pip install 'robin_nb[eval]'")
BALL,N = Linf(.03),12

@pytest.fixture(scope='module')
def net():
    "A small network of which a weak attack breaks some pictures, and leaves some"
    set_seed(0); dls = load_data('fashion_mini', bs=50, augment=False)
    net = small_cnn(widths=(4,8,8), normalize=(dls.mean, dls.std)); fit(net, dls, 1, clean, opt=sgd(0.2), callbacks=[Progress(False)])
    return bake(net).eval()

@pytest.fixture(scope='module')
def dl(): return load_data('fashion_mini', bs=50).valid

def whole(net, x, y, b=0, **kw):
    "The library by hand: all attacks in one call"
    theirs = py.AutoAttack(net.requires_grad_(False), norm='Linf', eps=BALL.eps, version='standard', seed=derived_seed(0, b) % 2**31, device='cpu')
    adv = theirs.run_standard_evaluation(x, y, batch_size=len(x))
    adv = adv[0] if isinstance(adv, tuple) else adv
    with torch.no_grad(): return net(adv).argmax(1)==y

def test_equal_to_the_library_by_hand(net, dl):
    "Image by image, two batches, whatever the size of the loader's"
    x,y = next(iter(dl))[:2]
    ours = autoattack(net, dl, BALL, N, bs=6)
    theirs = torch.cat([whole(net, x[b*6:b*6+6], y[b*6:b*6+6], b) for b in range(2)])
    assert torch.equal(ours.right, theirs) and 0 < ours.right.sum() < N
    assert [r['attack'] for r in ours.settings['by_attack']]==['apgd-ce','apgd-t','fab-t','square'] and ours.settings['by_attack'][-1]['accuracy']==f'{ours.accuracy:.1%}'
    assert sum(r['images'] for r in ours.per_class())==N
    assert torch.equal(autoattack(net, dl, BALL, N, bs=6, only=[1]).right, ours.right[6:])               # a batch by itself: in any order the same

class Killed(Exception): pass

@pytest.mark.parametrize('calls', [30, 400])
def test_killed_and_resumed(net, dl, calls, tmp_path):
    seen = []
    def count(m, a):
        seen.append(1)
        if len(seen) > calls: raise Killed
    other = bake(net); other.register_forward_pre_hook(count)
    with pytest.raises(Killed): autoattack(other, dl, BALL, 12, bs=6, resume=tmp_path/'s.pt')
    again = autoattack(net, dl, BALL, 12, bs=6, resume=tmp_path/'s.pt')
    assert torch.equal(again.right, autoattack(net, dl, BALL, 12, bs=6).right)
    with pytest.raises(ValueError, match='other settings'): autoattack(net, dl, Linf(.031), 12, bs=6, resume=tmp_path/'s.pt')
    with pytest.raises(ValueError, match='other images'): autoattack(net, dl, BALL, 11, bs=6, resume=tmp_path/'s.pt')
    (tmp_path/'s.pt').write_bytes(b'not a state')
    with pytest.raises(ValueError, match='not the state'): autoattack(net, dl, BALL, 12, bs=6, resume=tmp_path/'s.pt')

def test_l2_few_classes_and_rand(net, dl):
    found = autoattack(net, dl, L2(.3), 6)
    assert 'L2 eps 0.3' in found.protocol and found.accuracy <= judge(net, dl, pgd(L2(.3), 20), 6).accuracy+1/6
    x,y = torch.rand(4,1,8,8),torch.arange(4)
    for classes,names in (2,['apgd-ce','fab','square']), (3,['apgd-ce','fab','square']), (4,['apgd-ce','apgd-t','fab-t','square']):
        few = autoattack(small_cnn(n_out=classes, widths=(4,4,4)), [(x, y % classes, None)], Linf(.1))
        assert [r['attack'] for r in few.settings['by_attack']]==names and ('four classes' in few.protocol)==(classes < 4)
    assert 'rand' in autoattack(net, dl, BALL, 2, 'rand').protocol

def test_whatever_state_the_model_is_in(net, dl):
    "In training mode, with gradients on, in double precision: judged all the same, and left as it was"
    right = autoattack(net, dl, BALL, 6).right
    other = bake(net).train()
    assert torch.equal(autoattack(other, dl, BALL, 6).right, right) and other.training and all(p.requires_grad for p in other.parameters())
    assert torch.equal(autoattack(bake(net).double().eval(), dl, BALL, 6).right, right)

def test_one_clear_line(net, dl, monkeypatch):
    x,y = next(iter(dl))[:2]
    with pytest.raises(ValueError, match='outputs'): autoattack(net, [(x[:4], torch.tensor([0,1,2,10]), None)], BALL)
    with pytest.raises(ValueError, match=r'images must lie in \[0,1\]'): autoattack(net, [(x[:4]*2-1, y[:4], None)], BALL)
    with pytest.raises(ValueError, match='logits'): autoattack(nn.Sequential(nn.Conv2d(1,1,3)), [(x[:4], y[:4], None)], BALL)
    with pytest.raises(ValueError, match='no images'): autoattack(net, [], BALL)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'robin_nb\[eval\]'"): autoattack(net, dl, BALL, 4)

def test_the_other_package(net, dl, monkeypatch):
    "The git package `autoattack` says `bs`, and returns the images alone"
    class AutoAttack(py.AutoAttack):
        def run_standard_evaluation(self, x, y, bs=250): return super().run_standard_evaluation(x, y, batch_size=bs)[0]
    right = autoattack(net, dl, BALL, 6).right; find = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, 'autoattack', types.SimpleNamespace(AutoAttack=AutoAttack))
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: find(name) if name != 'pyautoattack' and name != 'autoattack' else name=='autoattack')
    found = autoattack(net, dl, BALL, 6)
    assert torch.equal(found.right, right) and '(autoattack)' in found.protocol

def test_a_report_holds_until_somebody_improves_it(net, dl):
    result = autoattack(net, dl, BALL, 6, bs=3)
    report = evaluation(net, dl, [result])
    assert all(r['verdict']=='good' for r in verify(report, net, dl))
    report['results'][0]['right'] = '1'*6; report['results'][0]['accuracy'] = 1.
    assert [r['verdict'] for r in verify(report, net, dl, share=1)] == ['good','good','good','WRONG']
