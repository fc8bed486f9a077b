"""How long does one step of adversarial training take, in ratios:  python benchmarks/bench.py [--quick]

Every variant of a case lives in one process and they take turns, round after round; the numbers are
medians over rounds, with minimum and maximum. Two yardsticks: the *dense floor*, a plain dense network
of the same shape, attacked without waste; and the *naive twin*, which does what the authors' code does:
it sorts all scores in every pass, attacks in training mode, and computes all gradients in every step
of the attack.
"""
import argparse, copy, importlib.util, json, os, platform, tempfile, time, warnings
from contextlib import ExitStack, nullcontext
from pathlib import Path
os.environ.setdefault('GOMP_SPINCOUNT', '5000')    # numba's threads and PyTorch's share the cores: none spins long
import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils import parametrize
from robin_nb.additions import additions
from robin_nb.surgery import drop_dead, fold_norms
from robin_nb.core import held, set_seed
from robin_nb.engine import Engine
from robin_nb.matrices import prunable
from robin_nb.maps import bake, score_maps, scores, sparsify
from robin_nb.masks import topk_mask
from robin_nb.minimax import Linf
from robin_nb.models import resnet
from robin_nb.objectives import fgsm_carry
from robin_nb.pgd import attacks_inside, fgsm, pgd

BALL,STEPS = Linf(8/255),10
CASES = [(34, 32, 'PGD-10'), (34, 8, 'PGD-10'), (18, 32, 'PGD-10'), (18, 8, 'PGD-10'),
         (34, 32, 'carried FGSM'), (18, 32, 'carried FGSM'), (18, 256, 'carried FGSM')]

# ---- time ----------------------------------------------------------------------------------------------
def time_of(f, *args):
    "Seconds that f takes, and what it gives"
    start = time.perf_counter()
    out = f(*args)
    return time.perf_counter()-start, out

def spread(ts):
    ts = sorted(ts)
    found = dict(median=ts[len(ts)//2], min=ts[0], max=ts[-1])
    return {name: float(f'{t:.4g}') for name,t in found.items()}

# ---- the naive twin ------------------------------------------------------------------------------------
class Sorted(torch.autograd.Function):
    "A mask by sorting everything, and a gradient that passes straight through"
    @staticmethod
    def forward(ctx, s, k):
        m = s.clone()
        order = s.flatten().sort().indices
        flat = m.flatten()
        flat[order[:-k]] = 0
        flat[order[-k:]] = 1
        return flat.view_as(s)

    @staticmethod
    def backward(ctx, g):
        return g, None

class NaiveMask(nn.Module):
    def __init__(self, s, k):
        super().__init__()
        self.scores, self.k = nn.Parameter(s.detach().clone()), k

    def forward(self, w):
        return w*Sorted.apply(self.scores.abs(), self.k)

def naive(model):
    "The same weights and scores behind maps that sort in every pass"
    twin = bake(model).requires_grad_(False)
    for name,plain in prunable(twin).items():
        stored = prunable(model)[name].maps
        plain.weight.data.copy_(stored.original)
        parametrize.register_parametrization(plain.module, 'weight', NaiveMask(stored[0].scores, int(stored[0].k)))
    return twin

def naive_pgd(model, x, y, steps=STEPS, alpha=BALL.eps/4):
    "PGD in training mode with all gradients in every step; the point after the last step is not judged"
    d = BALL.project(x, BALL.sample(x, torch.Generator().manual_seed(0)))
    worst,top = torch.zeros_like(x),torch.full((len(x),), -torch.inf)
    for _ in range(steps):
        d.requires_grad_()
        l = F.cross_entropy(model(x+d), y, reduction='none')
        model.zero_grad()
        l.sum().backward()
        g,l,d = d.grad,l.detach(),d.detach()
        better = l > top
        worst = torch.where(better.view(-1,1,1,1), d, worst)
        top = torch.where(better, l, top)
        d = BALL.project(x, d + BALL.step(g, alpha))
    return worst

# ---- variants: each is a function (x, y) -> perturbations that makes one whole step ---------------------
def optimizer(params):
    return torch.optim.SGD(params, lr=.1, momentum=.9, weight_decay=5e-4)

def naive_step(model, attack):
    twin = naive(model).train()
    opt = optimizer([p for p in twin.parameters() if p.requires_grad])
    def step(x, y):
        d = attack(twin, x, y)
        opt.zero_grad()
        F.cross_entropy(twin(x+d), y).backward()
        opt.step()
        return d
    return step

def lean_step(model, attack, amp=False, layout=torch.preserve_format, inside=None):
    net = copy.deepcopy(model).to(memory_format=layout).train()
    return plain_step(net, optimizer(scores(net)), attack, amp, layout, held(net, grad=True), inside)

def floor_step(model, attack, amp=False, layout=torch.preserve_format):
    net = bake(model).to(memory_format=layout).train()
    weights = [p for p in net.parameters() if p.ndim>1]
    return plain_step(net, optimizer(weights), attack, amp, layout)

def plain_step(net, opt, attack, amp, layout, weights=None, inside=None):
    def step(x, y):
        x = x.to(memory_format=layout)
        with weights or nullcontext(), torch.autocast('cpu', torch.bfloat16, enabled=amp):
            with attacks_inside(net, inside):
                d = attack(net, x, y)
            loss = F.cross_entropy(net(x+d).float(), y)
        opt.zero_grad()
        loss.backward()
        if weights:
            weights.push()
        opt.step()
        return d
    return step

def pgd_attacks():
    "PGD of the naive twin, of its moves, and the same moves in eval mode"
    facts = dict(steps=STEPS, alpha=BALL.eps/4, last=False)
    return naive_pgd, pgd(BALL, bn='official', **facts), pgd(BALL, **facts)

def carried_attacks(bs):
    "A step from carried perturbations, of the naive twin and, twice, of ours"
    carry = fgsm_carry(BALL, bs, (3,32,32))
    def one(net, x, y):
        return fgsm(BALL, BALL.eps/2)(net, x, y, start=BALL.project(x, carry.canvas[:len(x)]))
    def one_naive(net, x, y):
        d = BALL.project(x, carry.canvas[:len(x)]).requires_grad_()
        g, = torch.autograd.grad(F.cross_entropy(net(x+d), y), d)
        return BALL.project(x, d.detach() + BALL.step(g, BALL.eps/2))
    return one_naive, one, one

def variants(model, attack, bs):
    last = torch.channels_last
    first,official,ours = pgd_attacks() if attack=='PGD-10' else carried_attacks(bs)
    return {
        'naive twin': naive_step(model, first),
        'lean, NCHW': lean_step(model, official),
        'lean, channels_last': lean_step(model, ours, layout=last),
        'lean, channels_last, bf16': lean_step(model, ours, amp=True, layout=last),
        'lean, additions in the attack': lean_step(model, ours, inside=additions),
        'dense floor, NCHW': floor_step(model, official),
        'dense floor, channels_last': floor_step(model, ours, layout=last),
        'dense floor, channels_last, bf16': floor_step(model, ours, amp=True, layout=last),
    }

def case(depth, bs, attack, rounds):
    "Seconds of a step by variant, the ratio of each to both yardsticks"
    set_seed(0)
    model = sparsify(resnet(depth), .01)
    x,y = torch.rand(bs,3,32,32),torch.randint(10, (bs,))
    steps = variants(model, attack, bs)
    made = {name: step(x, y) for name,step in steps.items()}           # once to warm up
    same = torch.equal(made['naive twin'], made['lean, NCHW']) if attack=='PGD-10' else None
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name,step in steps.items():
            times[name].append(time_of(step, x, y)[0])
    rows = {name: spread(ts) for name,ts in times.items()}
    twin,floor = rows['naive twin']['median'],rows['dense floor, channels_last']['median']
    for row in rows.values():
        row |= dict(vs_twin=round(twin/row['median'], 2), vs_floor=round(floor/row['median'], 2))
    return dict(network=f'ResNet-{depth}', batch=bs, attack=attack, rounds=rounds,
                examples_equal_to_the_twin=same, variants=rows)

def share_of_sort(depth, bs):
    "Which share of the naive twin's step its sorting takes"
    set_seed(0)
    step = naive_step(sparsify(resnet(depth), .01), naive_pgd)
    x,y = torch.rand(bs,3,32,32),torch.randint(10, (bs,))
    step(x, y)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as prof:
        step(x, y)
    rows = {r.key: r.self_cpu_time_total for r in prof.key_averages()}
    return round(sum(t for name,t in rows.items() if 'sort' in name)/sum(rows.values()), 3)

# ---- masks ---------------------------------------------------------------------------------------------
def masks_of(pairs, rounds):
    "Seconds of the masks of `pairs` (scores, k), by sorting and by partition"
    def by_sort():
        return [Sorted.forward(None, s.abs(), k) for s,k in pairs]
    def by_partition():
        return [topk_mask(s, k, torch.bool) for s,k in pairs]
    times = [[time_of(f)[0] for f in (by_sort, by_partition)] for _ in range(rounds+1)][1:]
    a,b = [spread(ts) for ts in zip(*times)]
    return dict(sort=a, partition=b, ratio=round(a['median']/b['median'], 1))

def masks(rounds):
    rows = []
    for n in 10**4, 10**5, 10**6, 10**7:
        s = torch.empty(n).uniform_(-.01, .01)
        rows.append(dict(n=n) | masks_of([(s, n//100)], rounds))
    found = score_maps(sparsify(resnet(34), .01)).values()
    pairs = [(q.scores.detach(), int(q.k)) for q in found]
    return rows + [dict(n='all of ResNet-34') | masks_of(pairs, rounds)]

# ---- inference -----------------------------------------------------------------------------------------
ALIVE = (.4, .3, .25, .2)                                              # share of channels that live, by stage

def some(n, share):
    return torch.randperm(n)[:round(share*n)]

def fill(m, outs, ins):
    "Move the kept weights of layer `m` between the channels `outs` and `ins`, as many as fit"
    w = m.weight.data
    k,c = int((w!=0).sum()),w.abs().max()
    part = torch.zeros(len(outs), len(ins), *w.shape[2:])
    k = min(k, part.numel())
    part.view(-1)[torch.randperm(part.numel())[:k]] = c*(torch.randint(0, 2, (k,))*2.-1)
    w.zero_()
    w[outs[:,None], ins[None]] = part

def structured(net):
    """Move the kept weights of the baked ResNet `net` into few channels: the same of every stage along the
    residual stream, random ones inside the blocks"""
    old = some(net.conv1.out_channels, ALIVE[0])
    fill(net.conv1, old, torch.arange(net.conv1.in_channels))
    for share,stage in zip(ALIVE, (net.layer1, net.layer2, net.layer3, net.layer4)):
        new = old if share==ALIVE[0] else some(stage[0].body[-2].out_channels, share)
        for block in stage:
            inner = some(block.body[0].out_channels, share)
            fill(block.body[0], inner, old)
            fill(block.body[3], new, inner)
            if isinstance(block.shortcut, nn.Sequential):
                fill(block.shortcut[0], new, old)
            old = new
    fill(net.fc, torch.arange(net.fc.out_features), old)
    return net

def as_trained(net, shape=(3,32,32)):
    "Give the norms of `net` statistics of pictures"
    net.train()
    with torch.no_grad():
        for _ in range(30):
            net(torch.rand(16, *shape))
    return net.eval()

def onnx_session(net, n):
    "A function of x that runs `net` in ONNX Runtime, or None"
    if not (importlib.util.find_spec('onnxruntime') and importlib.util.find_spec('onnx')):
        return None
    import onnxruntime as ort
    file = Path(tempfile.mkdtemp())/'net.onnx'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(net, (torch.rand(n,3,32,32),), file, dynamo=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')    # the others take turns with it
    session = ort.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(session.run(None, {name: x.numpy()})[0])

def inference_ways(net, engine, n, inside):
    "Functions without arguments that run `net` on the same `n` pictures, by name, while `inside` is open"
    x = torch.rand(n,3,32,32)
    last = torch.channels_last
    xl,netl = x.to(memory_format=last),bake(net).eval().to(memory_format=last)
    narrow = fold_norms(drop_dead(net))
    small = copy.deepcopy(narrow).to(memory_format=last)
    added = copy.deepcopy(net)
    inside.enter_context(additions(added))                             # lists last as long as the block
    ways = {'dense, NCHW': lambda: net(x), 'dense, channels_last': lambda: netl(xl),
            'additions': lambda: added(x), 'Engine': lambda: engine(x),
            'dead channels out, PyTorch': lambda: small(xl)}
    for way,model in ('dense, ONNX Runtime',net),('dead channels out, ONNX Runtime',narrow):
        if session := onnx_session(model, n):
            ways[way] = lambda session=session: session(x)
    return ways

@torch.inference_mode()
def take_turns(ways, rounds, calls):
    "Of each of `ways` the seconds and logits of its first call, and the seconds of later ones"
    first = {way: time_of(f) for way,f in ways.items()}
    for f in ways.values():
        f()
    times = {way: [] for way in ways}
    for _ in range(rounds):
        for way,f in ways.items():
            f()                                                        # once to wake up, then the mean of a few
            took,_ = time_of(lambda: [f() for _ in range(calls)])
            times[way].append(took/calls)
    return first, times

def inference(rounds=9, depth=34):
    """Milliseconds per picture of a pruned ResNet in eval mode, by way, and how far its logits are from the
    dense network's"""
    rows = []
    for masks in 'p=.1','structured':
        set_seed(0)
        net = bake(sparsify(resnet(depth), .01))
        net = as_trained(structured(net) if masks=='structured' else net)
        kept = sum(int((m.weight!=0).sum()) for m in prunable(net).values())
        built,engine = time_of(lambda: Engine(net, (3,32,32)))
        for n in 1, 64:
            with ExitStack() as inside:
                ways = inference_ways(net, engine, n, inside)
                first,times = take_turns(ways, rounds, 8 if n==1 else 1)
            dense,z = spread(times['dense, NCHW'])['median'],first['dense, NCHW'][1]
            for way in ways:
                taken,error = spread(times[way]),(first[way][1]-z).abs().max()
                ms = {name: float(f'{1e3*s/n:.4g}') for name,s in taken.items()}
                row = dict(network=f'ResNet-{depth}', masks=masks, kept=kept, batch=n, way=way, ms=ms,
                           times_as_fast=round(dense/taken['median'], 2), error=float(f'{error:.1e}'))
                if way=='Engine':
                    row |= dict(built_s=round(built, 2), first_s=round(first[way][0], 2))
                rows.append(row)
    return rows

# ---- all of it -----------------------------------------------------------------------------------------
def cpu():
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(l.split(':')[1].strip() for l in lines if l.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor()

def say_case(c):
    print(f"\n{c['network']}, batch {c['batch']}, {c['attack']}; examples equal to the twin's: "
          f"{c['examples_equal_to_the_twin']}")
    for name,row in c['variants'].items():
        print(f"  {name:34} {row['median']:7.2f} s   {row['vs_twin']:6.2f} x the twin   "
              f"{row['vs_floor']:5.2f} x the floor", flush=True)

def say_inference(r):
    print(f"{r['network']}, {r['masks']:10}, batch {r['batch']:2}, {r['way']:32} {r['ms']['median']:7.3f} ms "
          f"a picture   {r['times_as_fast']:6.2f} x dense   logits off by {r['error']:.0e}", flush=True)

def training(cases, rounds):
    "What is measured of masks and steps"
    found = dict(cpu=cpu(), threads=torch.get_num_threads(), torch=torch.__version__,
                 python=platform.python_version(), masks=masks(rounds), cases=[])
    for row in found['masks']:
        print(f"masks of {row['n']}: {row['ratio']} x sorting", flush=True)
    for depth,bs,attack in cases:
        found['cases'].append(case(depth, bs, attack, rounds))
        say_case(found['cases'][-1])
    return found

def main():
    here = Path(__file__).parent
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--quick', action='store_true', help='ResNet-18 at batch 8 only')
    ap.add_argument('--rounds', type=int, default=3)
    ap.add_argument('--inference', action='store_true',
                    help='time inference only, and put it into the results that are there')
    ap.add_argument('--out', type=Path, default=here/'results.json')
    a = ap.parse_args()
    torch.set_num_threads(os.cpu_count())
    if a.inference:
        result = json.loads(a.out.read_text())
    else:
        result = training([(18, 8, 'PGD-10')] if a.quick else CASES, a.rounds)
    if not a.quick:
        if not a.inference:
            shares = {f'ResNet-34, batch {bs}': share_of_sort(34, bs) for bs in (8, 32)}
            result['share_of_sort'] = shares
        result['inference'] = inference()
        for row in result['inference']:
            say_inference(row)
    a.out.write_text(json.dumps(result, indent=1) + '\n')
    if not a.quick:                                                    # what the page on speed reads
        (here.parent/'nbs'/'demo'/'speed.json').write_text(a.out.read_text())

if __name__=='__main__':
    main()
