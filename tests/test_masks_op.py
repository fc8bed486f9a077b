"""The mask as an operator of PyTorch: compiled, exported, differentiated and vectorised
without baking, and equal to eager."""
import copy
import pickle
import shutil
from collections import OrderedDict
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, jacfwd, jvp, vmap
from robin_nb.budgets import power
from robin_nb.core import set_seed
from robin_nb.matrices import prunable
from robin_nb.maps import MAPS, scores, sparsify
from robin_nb.masks import ste_mask, topk_mask

NO_COMPILER = pytest.mark.skipif(not shutil.which('g++'), reason='inductor needs a C++ compiler')
INDUCTOR = pytest.param('inductor', marks=NO_COMPILER)

def sparse(seed=0, keep=.3, p=.5, **kw):
    "A convolution, a norm, a linear layer, in eval mode"
    set_seed(seed)
    body = OrderedDict(conv=nn.Conv2d(1, 8, 3, 2), norm=nn.BatchNorm2d(8), relu=nn.ReLU())
    body.update(flat=nn.Flatten(), fc=nn.Linear(200, 3))
    return sparsify(nn.Sequential(body), keep, power(p), seed=seed, **kw).eval()

def network():
    "A sparsified network, pictures and labels"
    return sparse(), torch.rand(6, 1, 12, 12), torch.randint(3, (6,))

def loss_and_grads(net, call, x, y):
    loss = F.cross_entropy(call(x), y)
    return loss.detach(), torch.autograd.grad(loss, scores(net))

@pytest.fixture(autouse=True)
def afresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()

@pytest.mark.parametrize('backend', ['eager', 'aot_eager', INDUCTOR])
def test_compiled_in_one_graph(backend):
    "Without a break, forwards and backwards; one graph serves when scores and counts change"
    net, x, y = network()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    exact = 0 if backend != 'inductor' else 1e-5      # inductor adds in another order
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(3):
            loss, grads = loss_and_grads(net, net, x, y)
            loss_c, grads_c = loss_and_grads(net, compiled, x, y)
            torch.testing.assert_close(loss_c, loss, rtol=0, atol=exact)
            torch.testing.assert_close(grads_c, grads, rtol=0, atol=exact)
            assert all(g.count_nonzero() for g in grads_c)
            with torch.no_grad():
                for s, g in zip(scores(net), grads):
                    s -= g
            net.fc.parametrizations.weight[0].k.sub_(5)

@pytest.mark.parametrize('strict', [False, True])
def test_exported(strict):
    "Scores and counts go along: the program gives what the network gives, and can be trained"
    net, x, y = network()
    program = torch.export.export(net, (x,), strict=strict)
    assert 'robin_nb.topk_mask' in str(program.graph)
    again = program.module()
    assert torch.equal(again(x), net(x))
    own = [p for name, p in again.named_parameters() if name.endswith('scores')]
    theirs = torch.autograd.grad(F.cross_entropy(net(x), y), scores(net))
    for g, h in zip(torch.autograd.grad(F.cross_entropy(again(x), y), own), theirs):
        assert torch.equal(g, h)

def test_saved_and_loaded_as_a_program(tmp_path):
    net, x, _ = network()
    torch.export.save(torch.export.export(net, (x,)), tmp_path/'net.pt2')
    assert torch.equal(torch.export.load(tmp_path/'net.pt2').module()(x), net(x))

def by_name(net):
    return {name: p.detach() for name, p in net.named_parameters() if name.endswith('scores')}

def loss_of(net, x, y):
    def loss(s):
        return F.cross_entropy(functional_call(net, s, (x,)), y)
    return loss

def test_func_grad():
    net, x, y = network()
    _, expected = loss_and_grads(net, net, x, y)
    got = grad(loss_of(net, x, y))(by_name(net))
    for g, e in zip(got.values(), expected):
        assert torch.equal(g, e) and g.count_nonzero()

def several(net):
    "Three times the scores of `net`: as they are, backwards, and with ties"
    def three(s):
        return torch.stack([s, s.flip(0), s.round(decimals=3)])
    return {name: three(s) for name, s in by_name(net).items()}

def test_vmap_over_scores():
    net, x, _ = network()
    stacked = several(net)
    got = vmap(lambda s: functional_call(net, s, (x,)))(stacked)
    for j in range(3):
        one = functional_call(net, {name: s[j] for name, s in stacked.items()}, (x,))
        torch.testing.assert_close(got[j], one, rtol=0, atol=1e-5)
    masks = vmap(lambda s: ste_mask(s, 5))(stacked['conv.parametrizations.weight.0.scores'])
    for m, s in zip(masks, stacked['conv.parametrizations.weight.0.scores']):
        assert torch.equal(m, topk_mask(s, 5))

def test_vmap_over_networks_with_counts_of_their_own():
    "As `torch.func.stack_module_state` stacks them: scores, signs and counts"
    nets = [sparse(seed, p=p) for seed, p in enumerate((0, .5, 1))]
    params, buffers = torch.func.stack_module_state(nets)
    x = torch.rand(6, 1, 12, 12)
    def call(params, buffers):
        return functional_call(nets[0], (params, buffers), (x,))
    for z, net in zip(vmap(call)(params, buffers), nets):
        torch.testing.assert_close(z, net(x), rtol=0, atol=1e-5)

def test_vmap_of_grad_and_grad_of_vmap():
    net, x, y = network()
    stacked = several(net)
    got = vmap(grad(loss_of(net, x, y)))(stacked)
    total = grad(lambda s: vmap(loss_of(net, x, y))(s).sum())(stacked)
    for j in range(3):
        one = grad(loss_of(net, x, y))({name: s[j] for name, s in stacked.items()})
        for name, g in one.items():
            torch.testing.assert_close(got[name][j], g, rtol=0, atol=1e-5)
            torch.testing.assert_close(total[name][j], g, rtol=0, atol=1e-5)

def test_forward_mode_and_second_derivatives():
    "As for |s|: of slope sign(s), and straight"
    s, v = torch.tensor([.3, -.9, .1, .5]), torch.tensor([1., 2, 3, 4])
    m, slope = jvp(lambda s: ste_mask(s, 2), (s,), (v,))
    assert torch.equal(m, topk_mask(s, 2)) and torch.equal(slope, v*s.sign())
    square = grad(lambda s: ste_mask(s, 2).square().sum()/2)
    assert torch.equal(square(s), topk_mask(s, 2)*s.sign())
    assert torch.equal(jacfwd(square)(s), s.sign().square().diag())

LAYOUTS = dict(
    row_major=lambda s: s,
    channels_last=lambda s: s.to(memory_format=torch.channels_last),
    turned=lambda s: s.permute(2, 0, 3, 1),
)
@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_the_operator_keeps_its_promises(layout, dtype):
    "Schema, fake kernel, autograd and tracing, as PyTorch checks operators"
    s = LAYOUTS[layout](torch.randn(5, 4, 3, 3, dtype=dtype))
    torch.library.opcheck(torch.ops.robin_nb.topk_mask, (s, torch.tensor(7)))

def test_ties_and_layouts_are_those_of_topk_mask():
    set_seed(0)
    several = [torch.randn(64, 3, 3, 3), torch.randn(40, 50).round(), -torch.rand(60_000)]
    several += [torch.randn(300, 250).round(decimals=2), torch.zeros(99, 1)]
    for s in several:
        for k in 1, 17, s.numel()//2, s.numel():
            for t in s, s.double(), s.clone().requires_grad_(), s.transpose(0, -1):
                m = ste_mask(t, torch.tensor(k))
                assert torch.equal(m, topk_mask(t, k)) and m.dtype == t.dtype
                assert torch.equal(m, ste_mask(t, k))

@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('compiled', [False, True])
def test_scores_that_are_not_finite_stop_the_run(bad, compiled):
    net, x, _ = network()
    scores(net)[1].data.view(-1)[3] = bad
    call = torch.compile(net, fullgraph=True, backend='aot_eager') if compiled else net
    with pytest.raises(FloatingPointError, match='finite'):
        call(x)

def test_other_mistakes_say_what_they_are():
    with pytest.raises(ValueError, match='1..5'):
        ste_mask(torch.ones(5), 6)
    with pytest.raises(TypeError, match='float32'):
        ste_mask(torch.ones(5).half(), 2)

def test_counts_travel_with_the_network():
    "Through a copy and a pickle; loading into another budget fails by name and changes nothing"
    net, x, _ = network()
    name = 'fc.parametrizations.weight.0.k'
    assert net.state_dict()[name].dtype == torch.int64 and net.state_dict()[name].ndim == 0
    for again in copy.deepcopy(net), pickle.loads(pickle.dumps(net.state_dict())):
        state = again if isinstance(again, dict) else again.state_dict()
        fresh = sparse(seed=1)
        fresh.load_state_dict(state)
        assert torch.equal(fresh(x), net(x))
    other = sparse(keep=.2)
    before = other.state_dict()[name].item()
    words = r'fc.*keeps \d+ of \d+ weights here and \d+ in the file'
    with pytest.raises(RuntimeError, match=words):
        other.load_state_dict(net.state_dict())
    assert other.state_dict()[name].item() == before == (prunable(other)['fc'].weight != 0).sum()

def test_on_the_meta_device():
    "Shapes without numbers, as `torch.device('meta')` plans a network"
    net, x, _ = network()
    assert net.to('meta')(x.to('meta')).shape == (6, 3)

@pytest.mark.parametrize('name', MAPS)
def test_every_map_with_a_mask_is_one_graph(name):
    net,x = sparse(map=MAPS[name]),torch.rand(2, 1, 12, 12)
    assert torch.equal(torch.compile(net, fullgraph=True, backend='aot_eager')(x), net(x))
