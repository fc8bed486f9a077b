"""Make the zoo from finished runs:  python tools/make_zoo.py NAME=RUN [NAME=RUN ...] [--autoattack 200] [--root data]

RUN is a folder that `robin_prune` wrote. The network is packed to robin_nb/zoo/NAME.robin, opened again, and it is that network, with its rounded norms, which is judged:
on all test images, clean and by PGD-20, and by AutoAttack on the first so many. The card beside it says all of it. A card that is there keeps the AutoAttack result of the same file.
"""
import argparse, hashlib, inspect, json
from pathlib import Path
from robin_nb.additions import additions
from robin_nb.cli import robin_prune
from robin_nb.packed import load_packed, save_packed
from robin_nb.data import load_data
from robin_nb.evaluate import autoattack, evaluation, judge
from robin_nb.maps import prunable
from robin_nb.minimax import Linf
from robin_nb.models import load_model
from robin_nb.pgd import attacks_inside, pgd

ZOO = Path(__file__).parents[1]/'robin_nb'/'zoo'

def command(settings):
    "The command that trained it: what differs from the defaults"
    defaults = {k: p.default for k,p in inspect.signature(robin_prune).parameters.items()}
    said = {k: v for k,v in settings.items() if k in defaults and v != defaults[k] and k not in ('root','minutes','out','quiet','no_figures','restart')}
    return ' '.join(['robin_prune', *[f'--{k}' if v is True else f'--{k} {v}' for k,v in said.items()]])

def make(name, run, n, root):
    run,file = Path(run),ZOO/f'{name}.robin'; report = json.loads((run/'report.json').read_text())
    model,config = load_model(run/'model.safetensors')
    ZOO.mkdir(exist_ok=True); save_packed(model, file, config)
    net,_ = load_packed(file); settings = report['settings']
    dls,ball = load_data(config['source'], root, bs=250),Linf(config['eps'])
    sha = hashlib.sha256(file.read_bytes()).hexdigest(); old = json.loads(file.with_suffix('.json').read_text()) if file.with_suffix('.json').exists() else {}
    with attacks_inside(net, additions):                              # attacks by addition, in float32
        judged = dict(clean=judge(net, dls.test).as_dict(), pgd=judge(net, dls.test, pgd(ball, 20)).as_dict())
    card = dict(data=config['source'], network=f"{config['arch']} {config['args'].get('widths', config['args'].get('width'))}", weights=sum(int((m.weight != 0).sum()) for m in prunable(net).values()), of=sum(m.weight.numel() for m in prunable(net).values()),
                eps=ball.eps, command=command(settings), seed=settings['seed'], **{'chosen by': f"highest accuracy under PGD-{settings['steps']} on {len(dls.valid.dataset):,} images held out of the training set"}, epoch=report['best_epoch'],
                training=f"{report['seconds']/60:.0f} minutes (wall clock, one thread, other work beside it); torch {report['versions']['torch']}", **judged,
                bytes=file.stat().st_size, sha256=sha, licence='Apache-2.0 (the network); Fashion-MNIST is under the MIT licence', config=config)
    if old.get('sha256')==sha and 'autoattack' in old: card['autoattack'] = old['autoattack']
    elif n:
        with attacks_inside(net, additions):
            attacked = autoattack(net, dls.test, ball, n, resume=run/'autoattack.pt')
        card['autoattack'] = evaluation(net, dls.test, [attacked])['results'][0]
    file.with_suffix('.json').write_text(json.dumps(card, indent=1) + '\n')
    print(name, card['bytes'], *[f"{k} {card[k]['accuracy']:.4f}" for k in ('clean','pgd','autoattack') if k in card], flush=True)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('runs', nargs='+', metavar='NAME=RUN'); ap.add_argument('--autoattack', type=int, default=0); ap.add_argument('--root')
    a = ap.parse_args()
    for r in a.runs: make(*r.split('=', 1), a.autoattack, a.root)
