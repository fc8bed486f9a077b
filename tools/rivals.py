"""Let the attacks of other libraries loose on the zoo, and on the same images ours:  python tools/rivals.py [NETWORK ...] [--n 200] [--root data]

In a virtual environment of its own, since one of them wants an old `requests`:  pip install -e '.[fast,pack,eval]' foolbox torchattacks adversarial-robustness-toolbox
Every library gets the loaded network as it is, a plain module from [0,1] to logits. Whatever it returns is judged by us: inside the ball, and really wrong?
Written to nbs/demo/rivals.json after each attack; what is there already, for the same file, is not done again.
"""
import argparse, hashlib, importlib.metadata, json
from pathlib import Path
import torch, torch.nn as nn
from robin_nb.additions import additions
from robin_nb.core import replacing, set_seed
from robin_nb.data import load_data
from robin_nb.evaluate import autoattack
from robin_nb.reports import evaluation
from robin_nb.minimax import Linf
from robin_nb.pgd import attacks_inside, verdicts
from robin_nb.zoo import card, list_models, load

OUT = Path(__file__).parents[1]/'nbs'/'demo'/'rivals.json'
ZOO = Path(__file__).parents[1]/'robin_nb'/'zoo'

class Counted(nn.Module):
    "`net`, and how many images went through it, in all and with a gradient to follow"
    def __init__(self, net): super().__init__(); self.net,self.seen,self.climbed = net,0,0
    def forward(self, x): self.seen += len(x); self.climbed += len(x)*x.requires_grad; return self.net(x)

def chain(*attacks):
    "One attack after the other, each on what still stands"
    def run(net, x, y, eps):
        adv = x.clone()
        for attack in attacks:
            with torch.no_grad(): i = (net(adv).argmax(1)==y).nonzero()[:,0]
            if len(i): adv[i] = attack(net, x[i], y[i], eps)
        return adv
    return run

def foolbox(kind, **kw):
    def run(net, x, y, eps):
        import foolbox as fb
        return getattr(fb.attacks, kind)(**kw)(fb.PyTorchModel(net, bounds=(0,1), device='cpu'), x, y, epsilons=eps)[1].detach()
    return run

def torchattacks(kind, **kw):
    def run(net, x, y, eps):
        import torchattacks as ta
        return getattr(ta, kind)(net, eps=eps, **kw)(x, y).detach()
    return run

def art(kind, **kw):
    def run(net, x, y, eps):
        from art.attacks import evasion
        from art.estimators.classification import PyTorchClassifier
        them = PyTorchClassifier(net, loss=nn.CrossEntropyLoss(), input_shape=tuple(x.shape[1:]), nb_classes=10, clip_values=(0,1), device_type='cpu')
        return torch.from_numpy(getattr(evasion, kind)(them, eps=eps, batch_size=100, verbose=False, **kw).generate(x.numpy(), y.numpy()))
    return run

RIVALS = {('foolbox','PGD-100, 5 restarts'): chain(*[foolbox('LinfPGD', rel_stepsize=.025, steps=100)]*5),
          ('foolbox','FMN, 300 steps'): foolbox('LInfFMNAttack', steps=300),
          ('torchattacks','AutoAttack, as it comes'): torchattacks('AutoAttack', norm='Linf', version='standard', n_classes=10, seed=0),
          ('torchattacks','APGD-CE and APGD-T, 100 steps'): chain(torchattacks('APGD', norm='Linf', steps=100, loss='ce'), torchattacks('APGDT', norm='Linf', steps=100, n_classes=10)),
          ('art','Auto-PGD (DLR), 100 steps, 5 restarts'): chain(*[art('AutoProjectedGradientDescent', loss_type='difference_logits_ratio', max_iter=100, nb_random_init=1)]*5)}
PACKAGE = dict(foolbox='foolbox', torchattacks='torchattacks', art='adversarial-robustness-toolbox')

def told(net, x, y): return ''.join('01'[v] for v in verdicts(net, [(x, y, None)]).tolist())

def judge(net, x, y, eps, attack):
    "Verdicts of the plain `net` on what `attack` returns; passes an image, passes with a gradient"
    set_seed(0); counted = Counted(net).eval().requires_grad_(False)
    with additions(net): adv = attack(counted, x, y, eps).float()      # the same network, its convolutions done by addition
    assert (adv-x).abs().max() <= eps+1e-5 and adv.min() >= -1e-6 and adv.max() <= 1+1e-6, 'left the ball'
    return dict(right=told(net, adv, y), passes=round(counted.seen/len(x)), gradients=round(counted.climbed/len(x)))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('networks', nargs='*'); ap.add_argument('--n', type=int, default=200); ap.add_argument('--root'); ap.add_argument('--out', type=Path, default=OUT); a = ap.parse_args()
    found = json.loads(a.out.read_text()) if a.out.exists() else {}
    def keep():
        with replacing(a.out) as part: part.write_text(json.dumps(found, indent=1)+'\n')
    for name in a.networks or [r['name'] for r in list_models()]:
        c,net = card(name),load(name); sha = hashlib.sha256((ZOO/f'{name}.robin').read_bytes()).hexdigest()
        dl,ball = load_data(c['data'], a.root, bs=a.n).test,Linf(c['eps']); x,y = [t[:a.n] for t in next(iter(dl))[:2]]
        if found.get(name, {}).get('sha256') != sha or found[name]['images'] != a.n: found[name] = dict(sha256=sha, images=a.n, eps=ball.eps, clean=told(net, x, y), attacks=[])
        done = {(r['library'],r['attack']) for r in found[name]['attacks']}
        def note(library, attack, r):
            found[name]['attacks'].append(dict(library=library, attack=attack, **r)); keep()
            print(name, library, attack, f"{r['right'].count('1')/a.n:.1%}", {k: v for k,v in r.items() if k != 'right'}, flush=True)
        if ('robin_nb','autoattack') not in done:
            r = c.get('autoattack', {})
            if r.get('images') != a.n:
                with attacks_inside(net, additions):
                    r = autoattack(net, [(x, y, None)], ball)
                r = evaluation(net, [(x, y, None)], [r])['results'][0]
            note('robin_nb', 'autoattack', dict(right=r['right'], version=importlib.metadata.version('pyautoattack'), protocol=r['protocol']))
        for (library,attack),f in RIVALS.items():
            if (library,attack) not in done: note(library, attack, judge(net, x, y, ball.eps, f) | dict(version=importlib.metadata.version(PACKAGE[library])))
