"What is faster must be the same: against the naive twin of the benchmark, and in another number type."
import shutil, sys
import pytest, torch
from pages import ROOT
from robin_nb.budgets import power
from robin_nb.core import set_seed
from robin_nb.data import load_data
from robin_nb.evaluate import judge
from robin_nb.maps import scores, sparsify
from robin_nb.minimax import Linf
from robin_nb.models import resnet, small_cnn
from robin_nb.objectives import clean, fgsm_carry
from robin_nb.pgd import pgd
from robin_nb.loop import cosine
from robin_nb.faster import Compile, Precision
from robin_nb.train import fit, sgd
from robin_nb.train import Progress, Validate
from robin_nb.loop import Schedule

sys.path.insert(0, str(ROOT/'benchmarks'))
import bench

def test_lean_step_equals_the_naive_twin():
    "Two steps: the same attacked pictures both times, so the same gradients, the same scores and the same running statistics between them"
    set_seed(0)
    model = sparsify(resnet(18, width=8), .05)
    for s in scores(model): s.data = torch.linspace(-.01, .01, s.numel())[torch.randperm(s.numel())].view_as(s) + 1e-7          # no ties
    x,y = torch.rand(4,3,32,32),torch.randint(10, (4,))
    official = pgd(bench.BALL, bench.STEPS, bench.BALL.eps/4, last=False, bn='official')
    naive,lean = bench.naive_step(model, bench.naive_pgd),bench.lean_step(model, official)
    for _ in range(2): assert torch.equal(naive(x, y), lean(x, y))

def test_bf16_trains_as_well():
    "A network that was searched in bfloat16 is as robust, judged in float32, as one that was searched in float32"
    dls,ball = load_data('fashion_mini', bs=64, augment=False),Linf(.1)
    def found(*more):
        set_seed(0); net = sparsify(small_cnn(widths=(8,16,32), normalize=(dls.mean, dls.std)), .2, power(.5))
        fit(net, dls, 3, fgsm_carry(ball, len(dls.train.dataset), dls.shape), opt=sgd(0.5), callbacks=[Schedule(cosine(0.1)), Validate(every=3), Progress(False), *more])
        return judge(net, dls.valid, pgd(ball, 10), 500).accuracy
    plain,half = found(),found(Precision(torch.bfloat16))
    assert plain > .2 and half > plain-.08

def test_compiled_is_the_same():
    "One epoch through `torch.compile` gives nearly the scores of one without, and leaves a network that is not compiled"
    if not shutil.which('g++'): pytest.skip('torch.compile needs a C++ compiler')
    dls = load_data('stripes', bs=500)
    def found(*more):
        set_seed(0); net = sparsify(small_cnn(n_out=2, widths=(4,8,8)), .3, power(.5))
        fit(net, dls, 1, clean, opt=sgd(0.05), attack=pgd(Linf(0.05), 2), callbacks=[Progress(False), *more])          # no attack in training: signs amplify the last bit
        return net
    plain,compiled = found(),found(Compile('default'))
    for a,b in zip(scores(plain), scores(compiled)): torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    assert compiled._compiled_call_impl is None and (scores(plain)[0]-scores(sparsify(small_cnn(n_out=2, widths=(4,8,8)), .3))[0]).abs().max() > 1e-3
