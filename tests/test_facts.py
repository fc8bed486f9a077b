"Facts about the paper and promises of the library, beyond what the pages assert."
from functools import partial
import numpy as np, pytest, torch
from hypothesis import given, settings, strategies as st
from robin_nb.binary import binary_, scaled_
from robin_nb.budgets import mask_bytes, official, power
from robin_nb.core import set_seed
from robin_nb.matrices import prunable
from robin_nb.maps import sparsify
from robin_nb.masks import n_kept, topk_mask
from robin_nb.models import resnet

def sizes(depth, n_out=10, stem='cifar'):
    with torch.device('meta'): return [m.weight.numel() for m in prunable(resnet(depth, n_out, stem=stem)).values()]

# (network, p): {layer size: what each such layer keeps}, and the total, as the official code counts at keep .01
KEPT = {
    (34,10,'cifar',1.):  ({1728:18, 5120:52, 8192:82, 32768:328, 36864:369, 73728:738, 131072:1311, 147456:1475, 294912:2950, 589824:5899, 1179648:11798, 2359296:23596}, 212_685),
    (34,10,'cifar',.5):  ({1728:391, 5120:673, 8192:852, 32768:1703, 36864:1806, 73728:2554, 131072:3405, 147456:3611, 294912:5107, 589824:(7222,7223), 1179648:10214, 2359296:14445}, 212_686),
    (34,10,'cifar',.1):  ({1728:1728, 5120:3966, 8192:4157, 32768:4775, 36864:4832, 73728:5179, 131072:5486, 147456:5551, 294912:5949, 589824:6376, 1179648:6834, 2359296:(7325,7326)}, 212_685),
    (34,10,'cifar',0.):  ({1728:1728, 5120:5120, 8192:5881, 32768:5881, 36864:5881, 73728:5881, 131072:5881, 147456:5881, 294912:5881, 589824:5881, 1179648:5881, 2359296:5881}, 212_683),
    (34,100,'cifar',.1): ({1728:1728, 51200:4980, 8192:4146, 32768:4763, 36864:4819, 73728:5165, 131072:5471, 147456:5536, 294912:5933, 589824:(6359,6360), 1179648:6816, 2359296:(7305,7306)}, 213_146),
    (34,100,'imagenet',.1): ({9408:4157, 51200:4925, 8192:4100, 32768:4710, 36864:(4765,4766), 73728:5108, 131072:5410, 147456:5474, 294912:5867, 589824:(6288,6289), 1179648:6740, 2359296:7224}, 213_224),
    (18,10,'cifar',.1):  ({1728:1728, 5120:3844, 8192:4029, 32768:4628, 36864:4683, 73728:5019, 131072:5317, 147456:5380, 294912:5766, 589824:6180, 1179648:6623, 2359296:(7098,7099)}, 111_662),
    (50,10,'cifar',.1):  ({1728:1728, 4096:2993, 16384:3438, 20480:3516, 32768:3685, 36864:3728, 65536:3949, 131072:4233, 147456:4283, 262144:4537, 524288:4862, 589824:4920, 1048576:5212, 2097152:5586, 2359296:(5652,5653)}, 234_729),
}

@pytest.mark.parametrize('key', KEPT, ids=str)
def test_official_counts(key):
    depth,n_out,stem,p = key
    expected,total = KEPT[key]
    ns = sizes(depth, n_out, stem)
    ks = official(p)(ns, .01)
    assert sum(ks)==total
    for n,k in zip(ns, ks):
        e = expected[n]
        assert k in (e if isinstance(e, tuple) else (e,)), (n, k, e)

# what the authors' function says where sums in Python's own order lead to other integers
NARROW = [(([100]*16, .2, .1), [20]+[21]*15), (([64]*16, .25, .4), [16]*2+[17]*14),
          (([10_000]*10, .25, .9), [2500]*4+[2501]*6), (([10_000]*10, .5, .6), [5000]+[5001]*9)]

@pytest.mark.parametrize('asked,kept', NARROW, ids=str)
def test_official_counts_where_the_last_bit_decides(asked, kept):
    sizes,keep,p = asked
    assert official(p)(sizes, keep)==kept

def described(sizes, keep, p):
    "The official rule as it is described: from the smallest layer on, the share c*n^(p-1), at most 1"
    waiting = sorted(enumerate(sizes), key=lambda layer: layer[1])
    budget = int(keep*np.sum(sizes))
    c = keep*np.sum(sizes)/np.sum(np.power([n for _,n in waiting], p))
    shares = {}
    while waiting:
        layer,n = waiting.pop(0)
        shares[layer] = min(c*np.power(n, p-1.), 1.)
        budget -= int(shares[layer]*n)
        if waiting: c = budget/np.sum(np.power([n for _,n in waiting], p))
    return [n-int((1-shares[layer])*n) for layer,n in enumerate(sizes)]

LAYERS = st.one_of(st.integers(1, 3000), st.integers(1, 2_359_296), st.sampled_from([9,64,576,1728,4096,36_864,2_359_296]))
KEEPS = st.one_of(st.floats(1e-4, 1), st.sampled_from([.01,.05,.1,.2,.25,.5,1.]))

@settings(max_examples=3000, deadline=None, derandomize=True)
@given(st.lists(LAYERS, min_size=1, max_size=54), KEEPS, st.one_of(st.floats(0, 1), st.sampled_from([0,.1,.5,1])))
def test_official_counts_as_described(sizes, keep, p):
    theirs = described(sizes, keep, p)
    if 0 not in theirs: assert official(p)(sizes, keep)==theirs
    else:
        with pytest.raises(ValueError, match='leaves layer'): official(p)(sizes, keep)

def test_limit_of_the_mask():
    ns = sizes(34)
    for p,limit in (1.,214_756),(.1,184_179): assert abs(mask_bytes(ns, official(p)(ns, .01))-limit) < 1
    ns = sizes(18)
    for p,limit in (1.,112_750),(.1,91_067): assert abs(mask_bytes(ns, official(p)(ns, .01))-limit) < 1

layers = st.lists(st.integers(1, 3000), min_size=1, max_size=12)

@settings(deadline=None, max_examples=150)
@given(layers, st.floats(.001, 1), st.floats(0, 1))
def test_budget_is_exact(ns, keep, p):
    ks = power(p)(ns, keep)
    assert sum(ks)==max(n_kept(sum(ns), keep), len(ns)) and all(1 <= k <= n for k,n in zip(ks, ns))

@settings(deadline=None, max_examples=100)
@given(layers, st.floats(.001, 1), st.floats(.001, 1), st.floats(0, 1))
def test_budget_is_monotone(ns, a, b, p):
    less,more = power(p)(ns, min(a,b)),power(p)(ns, max(a,b))
    assert all(x <= y for x,y in zip(less, more))

@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.data())
def test_tie_rule(values, data):
    s = torch.tensor(values, dtype=torch.float32)
    k = data.draw(st.integers(1, len(values)))
    expected = torch.zeros(len(values)); expected[s.abs().sort(stable=True).indices[len(values)-k:]] = 1
    assert torch.equal(topk_mask(s, k), expected)
    assert torch.equal(topk_mask(s.double(), k).float(), expected)

def logits(init, lbn, dtype, eps=None):
    set_seed(0)
    m = sparsify(resnet(34, lbn=lbn).to(dtype), keep=.01, init=init)
    for b in m.modules():
        if eps and isinstance(b, torch.nn.modules.batchnorm._BatchNorm): b.eps = eps
    with torch.no_grad(): return m(torch.rand(8,3,32,32).to(dtype))

def test_scale_is_free_in_float32():
    "With LBN, in train mode, +-1 and scaled weights give the same logits: to 2e-3 in float32"
    assert (logits(binary_, True, torch.float32)-logits(partial(scaled_, keep=.01), True, torch.float32)).abs().max() < 2e-3

def test_signs_differ_between_layers():
    m = resnet(18, width=8)
    sparsify(m, .1)
    ws = [l.maps.original for l in prunable(m).values()]
    assert all(w.unique().tolist()==[-1,1] for w in ws)
    same = [(a!=b).sum().item()==0 for i,a in enumerate(ws) for b in ws[:i] if a.shape==b.shape]
    assert same and not any(same)
