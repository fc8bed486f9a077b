"Any model: eight of the grid the whole way, outputs with .logits, and what is refused, in a line each."
import warnings
import pytest, torch, torch.nn as nn
import robin_nb as rb
from robin_nb.data import import_torchvision
from robin_nb.matrices import mapped
from robin_nb.train import Progress
import grid


GUESTS = "guests are an extra: pip install 'robin_nb[guests]'"
EIGHT = [('torchvision','densenet'), ('torchvision','vit'), ('torchvision','swin'),
         ('torchvision','convnext'), ('torchvision','mobilenet_v3_small'), ('timm','vit_tiny_patch16_224'),
         ('timm','cait_xxs24_224'), ('transformers','ViT')]

@pytest.mark.parametrize('library,name', EIGHT)
def test_eight_of_the_grid(library, name):
    if library != 'torchvision': pytest.importorskip(library, reason=GUESTS)
    row = grid.run(library, name)
    assert 'error' not in row, row['error']
    assert row['baked'] < 1e-5 and row['exported'] < 1e-4 and row['saved'] < 1e-6
    assert row['packed'] < .1 and row['bytes'] < row['dense_bytes']/10

def test_the_grid_is_as_large_as_it_says():
    libraries = [library for library,_ in grid.GRID]
    assert [libraries.count(name) for name in ('torchvision','timm','transformers')] == [20, 20, 4]

class Output:
    "As transformers have it: the logits are one of several things"
    def __init__(self, logits): self.loss, self.logits = None, logits

class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
    def forward(self, x): return Output(self.net(x))

def data(seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(40)%2
    x = (torch.rand(40, 1, 8, 8, generator=g)*.3 + .6*y[:,None,None,None]).clamp(0, 1)
    return x, y

def small(): return rb.small_cnn(n_out=2, widths=(4,8,8))

def test_outputs_with_logits_serve_as_plain_ones_do():
    "Trained, attacked and judged, with the same numbers to the bit; and the model gives its own output after it"
    found = []
    for wrap in None, Wrapped:
        rb.set_seed(0)
        net = rb.sparsify(wrap(small()) if wrap else small(), .3)
        both = data()
        history = rb.fit(net, (both, both), 2, rb.trades(rb.Linf(.05), steps=2), opt=rb.sgd(.5), attack=rb.pgd(rb.Linf(.05), 2),
                         callbacks=[Progress(False)])
        judged = [rb.judge(net, both, a).right for a in (None, rb.pgd(rb.Linf(.1), 3), rb.apgd(rb.Linf(.1), 3))]
        found.append((history[-1]['loss'], torch.stack(judged)))
    assert found[0][0]==found[1][0] and torch.equal(found[0][1], found[1][1])
    assert type(net(both[0])) is Output and not net._forward_hooks
    lbn = rb.add_lbn(Wrapped(small()), 2)
    assert lbn(both[0]).shape == (40, 2)

def test_a_transformer_of_hugging_face_is_trained_and_judged_as_it_is():
    pytest.importorskip('transformers', reason=GUESTS)
    with warnings.catch_warnings(action='ignore'):
        net = rb.sparsify(grid.GRID['transformers','ViT']['build'](), .2, leave='train')
    x = torch.rand(16, 3, 32, 32)
    y = torch.arange(16)%4
    rb.fit(net, ((x, y), (x, y)), 1, rb.at(rb.pgd(rb.Linf(.05), 1)), opt=rb.sgd(.1), callbacks=[Progress(False)])
    assert rb.judge(net, (x, y), rb.pgd(rb.Linf(.05), 2)).n == 16
    assert hasattr(net(x), 'logits')

# ---- what is refused, and what is said

def refusal(model, **asked):
    with pytest.raises(ValueError) as e:
        rb.sparsify(model, .1, **asked)
    said = str(e.value)
    assert '\n' not in said
    return said

def test_a_quantised_layer_is_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    with warnings.catch_warnings(action='ignore'):
        try: quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
        except RuntimeError as e: pytest.skip(str(e))
    assert refusal(quantised).startswith('0 is quantised; prune')

def test_a_lazy_layer_asks_for_a_batch():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2), nn.LayerNorm(2))
    assert 'give the model one batch first' in refusal(model)
    model(torch.rand(2, 1, 8, 8))
    assert rb.mask_table(rb.sparsify(model, .5))[-1]['n'] == 36+2*144

def test_one_matrix_twice():
    a = nn.Linear(4, 4)
    tied = nn.Sequential(a, nn.Linear(4, 4), nn.LayerNorm(4))
    tied[1].weight = a.weight
    assert 'share one weight' in refusal(tied) and 'a copy of its own' in refusal(tied)

def test_no_matrix(): assert 'has no matrix to prune' in refusal(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))

def test_a_frozen_transformer():
    "It was frozen as a whole: its scores are trained all the same, and what is left trains where it is asked to"
    build = grid.vit
    assert "leave='train' or leave='freeze'" in refusal(build().requires_grad_(False))
    for leave,n in ('train', 2), ('freeze', 0):
        with warnings.catch_warnings(action='ignore'):
            net = rb.sparsify(build().requires_grad_(False), .1, leave=leave)
        trained = [name for name,p in net.named_parameters() if p.requires_grad and 'scores' not in name]
        assert len(trained)==n and all(s.requires_grad for s in rb.scores(net))

def test_loud_logits_are_said_and_a_last_norm_is_named():
    net = import_torchvision().models.resnet18(num_classes=3)
    with pytest.warns(UserWarning, match='add_lbn'):
        rb.sparsify(net, .1)
    with warnings.catch_warnings(action='error'):
        rb.sparsify(rb.add_lbn(import_torchvision().models.resnet18(num_classes=3)), .1)

def test_pruning_of_trained_weights_keeps_them():
    net = small()
    before = {name: q.weight.detach().clone() for name,q in rb.matrices.prunable(net).items()}
    rb.sparsify(net, .5, keep_pretrained=True)
    for name,q in mapped(net).items():
        stays = q.weight != 0
        assert torch.equal(q.weight[stays], before[name][stays])
        assert before[name][stays].abs().min() >= before[name][~stays].abs().max() if (~stays).any() else True
    assert {r['values'] for r in rb.mask_table(net)[:-1]} == {'pretrained'}
