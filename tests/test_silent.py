"Nothing wrong without a word: what was once wrong in silence, each case as it was found."
import json
import os
import random
import threading
from functools import partial
from pathlib import Path
import numpy as np
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from robin_nb.additions import additions
from robin_nb.budgets import power
from robin_nb.cli import robin_prune
from robin_nb.packed import load_packed, save_packed
from robin_nb.surgery import size_table
from robin_nb.core import replacing
from robin_nb.data import Batch, load_data
from robin_nb.matrices import prunable
from robin_nb.maps import bake, mask_table, scores, sparsify
from robin_nb.masks import topk_mask
from robin_nb.minimax import Linf
from robin_nb.models import resnet, small_cnn, small_resnet
from robin_nb.files import build_model, load_model, save_model
from robin_nb.objectives import at, clean
from robin_nb.more_objectives import free, plus
from robin_nb.pgd import frozen, pgd
from robin_nb.recipes import train_recipe
from robin_nb.methods import ours, robust_bird
from robin_nb.rules import RULES
from robin_nb.loop import Callback, StopFit
from robin_nb.checkpoint import TimeLimit
from robin_nb.train import fit, sgd
from robin_nb.faster import AttackInside
from robin_nb.checkpoint import Checkpoint
from robin_nb.loop import Lean
from robin_nb.train import Progress, Validate

CONFIG = dict(arch='small_cnn', args=dict(widths=[4, 8, 16]), sparse=dict(keep=.2, p=.5, seed=0))
DENSE = dict(arch='small_cnn', args=dict(widths=[4, 8, 16]))

def stripes(bs=100):
    return load_data('stripes', bs=bs)

def small(**kw):
    return sparsify(small_cnn(n_out=2, widths=(4, 8, 16), **kw), keep=.3, budget=power(.5))

# ---- a network that is not the one saved ----

def other_mean(net):
    net.normalize.mean.fill_(.3)

def no_lbn(net):
    del net.lbn

def other_eps(net):
    net.bn1.eps = 1e-2

def other_stride(net):
    net.conv2.stride = (1, 1)

def no_relu(net):
    net.relu1 = nn.Identity()

def one_more(net):
    net.extra = nn.BatchNorm1d(10)

@pytest.mark.parametrize('save', [save_packed, save_model])
@pytest.mark.parametrize('change', [no_lbn, other_eps, other_stride, no_relu, one_more])
def test_what_cannot_be_given_back_is_not_written(change, save, tmp_path):
    net = build_model(CONFIG)
    change(net)
    with pytest.raises(ValueError, match='config does not describe this model'):
        save(net, tmp_path/'x', CONFIG)
    assert not (tmp_path/'x').exists()

def test_packed_normalisation_is_that_of_the_config(tmp_path):
    "A safetensors file holds mean and deviation; a packed one takes them from its config"
    net = build_model(CONFIG)
    other_mean(net)
    with pytest.raises(ValueError, match='normalize.mean'):
        save_packed(net, tmp_path/'x', CONFIG)
    config = dict(CONFIG, args=dict(CONFIG['args'], normalize=[[.3], [1.]]))
    save_packed(net, tmp_path/'x', config, statistics='fp32')
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(load_packed(tmp_path/'x')[0](x), bake(net).eval()(x))

# ---- a mask that is not the one counted ----

class Standardised(nn.Conv2d):
    "As timm's StdConv2d: each filter to mean 0 and deviation 1"
    def forward(self, x):
        w = self.weight.flatten(1)
        w = ((w-w.mean(1, keepdim=True))/(w.var(1, keepdim=True)+1e-5).sqrt()).view_as(self.weight)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)

class Centred(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight-self.weight.mean(), self.bias)

class Unfolded(nn.Conv2d):
    "Without any convolution that one could look at"
    def forward(self, x):
        patches = F.unfold(x, self.kernel_size, padding=self.padding)
        return ((self.weight.flatten(1)*2) @ patches).view(len(x), -1, *x.shape[2:])

class Same(nn.Conv2d):
    "As timm's Conv2dSame: pads by itself, and uses the weight as it is"
    def forward(self, x):
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)

@pytest.mark.parametrize('layer', [Standardised(3, 4, 3), Centred(3, 4), Unfolded(3, 4, 3, padding=1)])
def test_layers_that_rework_their_weight_are_refused_by_name(layer):
    model = nn.Sequential(nn.Flatten() if isinstance(layer, nn.Linear) else nn.Identity(), layer)
    with pytest.raises(ValueError, match=f'^1 is a {type(layer).__name__}, .*weight'):
        sparsify(model, .1)

def test_layers_that_use_their_weight_as_it_is_are_taken():
    model = sparsify(nn.Sequential(Same(3, 4, 2), nn.ReLU()), .5)
    assert mask_table(model)[-1]['k'] == 24 and model(torch.rand(1, 3, 5, 5)).shape == (1, 4, 5, 5)

def test_weights_that_are_made_before_each_forward_are_refused():
    for normed in nn.utils.spectral_norm, nn.utils.weight_norm:
        with pytest.raises(ValueError, match='^0 .*weight'):
            sparsify(nn.Sequential(normed(nn.Linear(3, 4))), .5)

# ---- what a step uses is what the scores say ----

def effective(net):
    "By hand: w * topk(scores)"
    return [m.maps.original*topk_mask(s, int(m.maps[0].k))
            for m, s in zip(prunable(net).values(), scores(net))]

def assert_fresh(net):
    for m, w in zip(prunable(net).values(), effective(net)):
        assert torch.equal(m.weight, w)
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(net.eval()(x), bake(net)(x))

@pytest.mark.parametrize('opt', [partial(torch.optim.SGD, lr=1., fused=True),
                                 partial(torch.optim.Adam, lr=.1, fused=True)])
def test_a_forward_between_backward_and_a_fused_step(opt):
    net = small()
    opt = opt(scores(net))
    x, y = torch.rand(8, 1, 8, 8), torch.randint(0, 2, (8,))
    for _ in range(3):
        opt.zero_grad()
        F.cross_entropy(net.train()(x), y).backward()
        net(x)
        opt.step()
        assert_fresh(net)

def test_a_buffer_that_is_used_again():
    net = small()
    vector = nn.utils.parameters_to_vector(scores(net)).detach().clone()
    nn.utils.vector_to_parameters(vector, scores(net))
    net(torch.rand(2, 1, 8, 8))
    vector.copy_(vector.flip(0))
    assert_fresh(net)

def test_edits_of_data():
    net = small()
    net(torch.rand(2, 1, 8, 8))
    for s in scores(net):
        s.data.copy_(s.data.flatten().flip(0).view_as(s))
    assert_fresh(net)
    net.conv1.parametrizations.weight.original.data.neg_()
    assert_fresh(net)

def test_edits_of_data_under_additions():
    "Inside, weights stay as they are: an edit is said at the end; and the next block sees it"
    pytest.importorskip('numba')
    net = bake(small()).eval()
    x = torch.rand(2, 1, 8, 8)
    def turn():
        net.conv2.weight.data.copy_(net.conv2.weight.data.flip(0))
    with torch.no_grad(), pytest.raises(RuntimeError, match='conv2 moved inside additions'):
        with additions(net, density=1):
            net(x)
            turn()
            net(x)
    vector = nn.utils.parameters_to_vector([net.conv2.weight]).detach().clone()
    nn.utils.vector_to_parameters(vector, [net.conv2.weight])
    for change in turn, lambda: vector.copy_(vector.flip(0)):
        with torch.no_grad():
            with additions(net, density=1):
                net(x)
            change()
            with additions(net, density=1):
                inside = net(x)
            torch.testing.assert_close(inside, net(x), rtol=1e-4, atol=1e-4)

def test_terms_on_scores_count_in_lean_training():
    def trained(lean):
        torch.manual_seed(0)
        net = small()
        def term(model, batch):
            return sum(s.square().sum() for s in scores(net))
        fit(net, stripes(), 1, plus(clean, term), opt=sgd(0.1), callbacks=[Lean(lean), Progress(False)])
        return scores(net)
    for a, b in zip(trained(True), trained(False)):
        assert torch.equal(a, b)

# ---- resume ----

def train(out, objective=None, epochs=1, callbacks=(), settings=None, **kw):
    torch.manual_seed(0)
    objective = objective or at(pgd(Linf(.02), 2))
    callbacks = [Checkpoint(out, settings=settings), Progress(False), *callbacks]
    return fit(small(), stripes(), epochs, objective, opt=sgd(0.1), callbacks=[*callbacks], **kw)

def attack_of(eps):
    def attack(model, x, y, generator=None):
        return pgd(Linf(eps), 2)(model, x, y, generator)
    return attack

BALL = Linf(.1)

@pytest.mark.parametrize('first,then', [
    (dict(), dict(objective=at(pgd(Linf(.3), 2)))),
    (dict(), dict(objective=at(pgd(Linf(.02), 3)))),
    (dict(objective=at(attack_of(.02))), dict(objective=at(attack_of(.3)))),
    (dict(attack=pgd(Linf(.02))), dict(attack=pgd(Linf(.3)))),
    (dict(attack=lambda m, x, y: pgd(BALL, 2)(m, x, y)), dict(attack=lambda m, x, y: pgd(BALL, 3)(m, x, y))),
    (dict(objective=plus(clean, partial(clean))), dict(objective=plus(clean))),
], ids=['eps', 'steps', 'closure', 'validation', 'constants', 'terms'])
def test_resume_refuses_another_attack(first, then, tmp_path):
    train(tmp_path, **first, epochs=2, callbacks=[TimeLimit(0)])
    with pytest.raises(ValueError, match='holds a run with'):
        train(tmp_path, **then, epochs=2)
    assert len(train(tmp_path, **first, epochs=2)) == 2

def test_a_run_without_a_validated_epoch_ends_well(tmp_path):
    history = train(tmp_path, epochs=3, callbacks=[TimeLimit(0), Validate(every=3)])
    assert len(history) == 1 and history.best is None
    assert train(tmp_path, epochs=3, callbacks=[Validate(every=3)]).best['epoch'] == 3

def test_a_command_without_a_validated_epoch_ends_well(tmp_path):
    folder = tmp_path/'x'
    robin_prune(data='stripes', widths='4,8,16', keep=.3, bs=100, eps='0.05', steps=2, quiet=True,
                epochs=5, every=5, minutes=1e-6, out=str(folder))
    report = json.loads((folder/'report.json').read_text())
    assert report['best_epoch'] is None and not report['finished'] and report['test']['robust']
    assert sorted(f.suffix for f in folder.iterdir()) == ['.json', '.png', '.png', '.png', '.pt', '.safetensors']

def test_robust_bird_that_stops_before_it_is_validated():
    dls = stripes()
    config = dict(DENSE, args=dict(widths=[4, 8, 16], n_out=2))
    early = robust_bird(.3)
    class Stop(Callback):
        def after_epoch(self, run):
            raise StopFit('at once')
    with RULES.having('early_bird', lambda: Stop()):
        net, _, records = train_recipe(early, config, dls, Linf(.05), 10, steps=1, valid_steps=1, every=4)
    assert records[0]['best'] is None and records[0]['epochs'] == 1 and records[1]['best']

class Remembers(Callback):
    def __init__(self, what):
        self.what = what
    def state_dict(self):
        return dict(deep=[dict(what=self.what)])

@pytest.mark.parametrize('what', [np.zeros(2), np.float64(1), Path('x'), object, {1, 2}, nn.Linear(2, 2)], ids=str)
def test_states_that_cannot_be_read_back_are_refused_when_written(what, tmp_path):
    "Or rather before: not one step is made for a checkpoint that would not be written"
    class First(Callback):
        def after_step(self, run):
            raise AssertionError('a step was made')
    with pytest.raises(ValueError, match='Remembers.*deep.*what'):
        train(tmp_path, callbacks=[First(), Remembers(what)])
    assert not (tmp_path/'checkpoint.pt').exists()

def test_settings_that_cannot_be_read_back_are_refused_when_written(tmp_path):
    with pytest.raises(ValueError, match='settings.*where'):
        train(tmp_path, settings=dict(where=tmp_path))
    assert not (tmp_path/'checkpoint.pt').exists()

@pytest.mark.parametrize('what', [torch.zeros(2), 1, 1., 'x', b'x', None, True, [1], (1, 2), {'a': {1: 2}}, torch.Size([1])], ids=str)
def test_states_that_can_be_read_back_are_written(what, tmp_path):
    train(tmp_path, callbacks=[Remembers(what)])
    assert len(train(tmp_path, callbacks=[Remembers(what)])) == 1

# ---- saved and packed ----

def test_a_recipe_with_a_global_budget_can_be_saved(tmp_path):
    from dataclasses import replace
    dls = stripes()
    config = dict(DENSE, args=dict(widths=[4, 8, 16], n_out=2))
    recipe = replace(ours(.3), budget='global')
    net, config, _ = train_recipe(recipe, config, dls, Linf(.05), 1, steps=1, valid_steps=1)
    x = torch.rand(3, 1, 8, 8)
    save_model(net, tmp_path/'x', config)
    save_packed(net, tmp_path/'x.robin', config, 'fp32')
    assert torch.equal(load_model(tmp_path/'x')[0](x), net(x))
    torch.testing.assert_close(load_packed(tmp_path/'x.robin')[0](x), net(x))

def test_small_resnet_can_be_saved_and_packed(tmp_path):
    config = dict(arch='small_resnet', args=dict(depth=18, p=1, c_in=1, n_out=2), sparse=dict(keep=.2, seed=3))
    net = build_model(config).eval()
    x = torch.rand(3, 1, 16, 16)
    save_model(net, tmp_path/'x', config)
    save_packed(net, tmp_path/'x.robin', config, 'fp32')
    assert torch.equal(load_model(tmp_path/'x')[0](x), net(x))
    torch.testing.assert_close(load_packed(tmp_path/'x.robin')[0](x), net(x))
    assert isinstance(small_resnet(18, 1), nn.Sequential)

@pytest.mark.parametrize('make', [lambda: resnet(18, width=(8, 16)), lambda: resnet(18, width=(8, 16, 32, 64, 128)), lambda: resnet(18, width=0),
                                  lambda: small_cnn(widths=(4, 8, 16, 32)), lambda: small_cnn(widths=(4, 8)), lambda: small_cnn(widths=(4, 0, 8))])
def test_wrong_widths_are_refused(make):
    with pytest.raises(ValueError, match='width'):
        make()

# ---- what was there before is there after ----

def randomness():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

def test_randomness_is_left_as_it_was(tmp_path):
    net, dls = small(), stripes()
    config = dict(CONFIG, args=dict(widths=[4, 8, 16], n_out=2), sparse=dict(keep=.3, p=.5))
    dense = dict(DENSE, args=dict(widths=[4, 8, 16], n_out=2))
    before = randomness()
    fit(net, dls, 1, clean, callbacks=[Progress(False)])
    assert randomness() == before, 'fit'
    save_model(net, tmp_path/'x', config)
    load_model(tmp_path/'x')
    assert randomness() == before, 'save_model'
    train_recipe(ours(.3), dense, dls, Linf(.05), 1, steps=1, valid_steps=1)
    assert randomness() == before, 'train_recipe'
    size_table(net, bake(net), (1, 8, 8))
    assert randomness() == before, 'size_table'

def test_modes_and_compiled_calls_are_left_as_they_were(tmp_path):
    net = small().train()
    net.bn1.eval()
    modes = [m.training for m in net.modules()]
    after = bake(net).train()
    size_table(net, after, (1, 8, 8))
    assert [m.training for m in net.modules()] == modes and after.training
    with pytest.raises(ValueError):
        fit(net, stripes(), 0, clean, callbacks=[Lean(False), Progress(False)])
    save_model(net, tmp_path/'x', dict(CONFIG, args=dict(widths=[4, 8, 16], n_out=2), sparse=dict(keep=.3, p=.5)))
    assert [m.training for m in net.modules()] == modes
    marker = net._compiled_call_impl = net._call_impl
    fit(net, stripes(), 1, clean, callbacks=[Lean(False), Progress(False)])
    assert net._compiled_call_impl is marker

def test_fit_that_refuses_leaves_modes_as_they_were():
    net = small(lbn=False).train()
    dls = stripes()
    dls.valid.dataset.y[0] = 7                                # a label that the model cannot mean
    with pytest.raises(ValueError):
        fit(net, dls, 1, clean, callbacks=[Lean(False), Progress(False)])
    assert net.training and net.bn1.training

class Named(nn.Module):
    "A model that has its own use for the words `frozen` and `inside`"
    def __init__(self, submodules):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        if submodules:
            self.frozen = nn.Linear(64, 2)
            self.inside = nn.ReLU()
        self.called = 0
    def forward(self, x):
        return self.net(x)

class Methods(Named):
    def frozen(self):
        return 'mine'
    def inside(self, x):
        self.called += 1
        raise AssertionError('nobody asked for this')

@pytest.mark.parametrize('model', [Named(True), Methods(False)], ids=['submodules', 'methods'])
def test_models_may_have_their_own_frozen_and_inside(model):
    before = {k: v for k, v in vars(model).items()}
    x, y = torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.long)
    pgd(Linf(.1), 2)(model, x, y)
    fit(model, stripes(), 1, clean, callbacks=[AttackInside(additions), Progress(False)])
    assert vars(model).keys() == before.keys()
    if isinstance(model, Methods):
        assert model.frozen() == 'mine' and 'frozen' not in vars(model)
    else:
        assert isinstance(model.frozen, nn.Linear) and isinstance(model.inside, nn.ReLU)

def test_hooks_of_callbacks_fire_in_lean_training():
    class Watch(Callback):
        def begin(self, run):
            self.seen = self.backs = 0
            run.model.conv1.register_forward_hook(self.count)
            run.model.conv2.register_full_backward_hook(self.count_back)
        def count(self, module, x, y):
            self.seen += 1
        def count_back(self, module, grad_in, grad_out):
            self.backs += 1
    watches = [Watch(), Watch()]
    for lean, watch in zip((True, False), watches):
        fit(small(), stripes(), 1, clean, opt=sgd(0.1), callbacks=[watch, Lean(lean), Progress(False)])
    assert watches[0].seen == watches[1].seen > 0
    assert watches[0].backs == watches[1].backs > 0

def test_free_with_another_batch_size():
    net, objective = small(), free(Linf(.1), 2)
    for n in 4, 8, 2:
        x, y = torch.rand(n, 1, 8, 8), torch.zeros(n, dtype=torch.long)
        objective(net.train(), Batch(x, y)).backward()
    objective(net, Batch(torch.rand(3, 1, 12, 12), torch.zeros(3, dtype=torch.long))).backward()

def test_two_threads_leave_the_model_as_it_was():
    "The first to enter is the first to leave, if both get in at once"
    net = small().train()
    net.bn2.eval()
    def state():
        return [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
    before, seen = state(), {}
    one_in, two_in, one_out = threading.Event(), threading.Event(), threading.Event()
    def one():
        with frozen(net):
            one_in.set()
            two_in.wait(.3)
        one_out.set()
    def two():
        one_in.wait(5)
        with frozen(net, 'batch'):
            two_in.set()
            one_out.wait(.3)
            seen['norms'] = [m.training for m in (net.bn1, net.bn2, net.bn3)]
            seen['grad'] = [s.requires_grad for s in scores(net)]
    threads = [threading.Thread(target=f) for f in (one, two)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert state() == before
    assert seen == dict(norms=[True]*3, grad=[False]*4)

def test_two_attacks_in_two_threads_are_right():
    net = small().eval()
    x, y = torch.rand(32, 1, 8, 8), torch.randint(0, 2, (32,))
    alone = pgd(Linf(.1), 20)(net, x, y)
    found = {}
    def work(j):
        found[j] = pgd(Linf(.1), 20)(net, x, y)
    threads = [threading.Thread(target=work, args=(j,)) for j in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(torch.equal(found[j], alone) for j in range(4))
    assert all(s.requires_grad for s in scores(net))

def test_replacing_with_equal_pids(tmp_path, monkeypatch):
    "Two containers that share a folder, each with pid 1"
    monkeypatch.setattr(os, 'getpid', lambda: 1)
    with replacing(tmp_path/'x') as one, replacing(tmp_path/'x') as other:
        assert one != other
        one.write_text('one')
        other.write_text('other')
    assert (tmp_path/'x').read_text() == 'one'
    assert [f.name for f in tmp_path.iterdir()] == ['x']
