"""Make the zoo from finished runs:

    python tools/make_zoo.py NAME=RUN [NAME=RUN ...] [--autoattack 200] [--root data]

RUN is a folder that `robin_prune` wrote. The network is packed to robin_nb/zoo/NAME.robin, opened
again, and it is that network, with its rounded norms, which is judged: on all test images, clean
and by PGD-20, and by AutoAttack on the first so many. The card beside it says all of it. A card
that is there keeps the AutoAttack result of the same file.
"""
import argparse, hashlib, inspect, json
from pathlib import Path
from robin_nb.additions import additions
from robin_nb.cli import robin_prune
from robin_nb.data import load_data
from robin_nb.evaluate import autoattack, judge
from robin_nb.reports import evaluation
from robin_nb.matrices import prunable
from robin_nb.minimax import Linf
from robin_nb.files import load_model
from robin_nb.packed import load_packed, save_packed
from robin_nb.pgd import attacks_inside, pgd

ZOO = Path(__file__).parents[1]/'robin_nb'/'zoo'
NOT_SAID = ('root', 'minutes', 'out', 'quiet', 'no_figures', 'restart')
LICENCE = 'Apache-2.0 (the network); Fashion-MNIST is under the MIT licence'

def command(settings):
    "The command that trained it: what differs from the defaults"
    parameters,words = inspect.signature(robin_prune).parameters, ['robin_prune']
    for name,v in settings.items():
        if name in parameters and name not in NOT_SAID and v != parameters[name].default:
            words.append(f'--{name}' if v is True else f'--{name} {v}')
    return ' '.join(words)

def origin(config, report, net, held_out):
    "What a card says of a network before it is judged"
    settings,args = report['settings'], config['args']
    weights = [m.weight for m in prunable(net).values()]
    return dict(
        data=config['source'],
        network=f"{config['arch']} {args.get('widths', args.get('width'))}",
        weights=sum(int((w != 0).sum()) for w in weights),
        of=sum(w.numel() for w in weights),
        eps=config['eps'],
        command=command(settings),
        seed=settings['seed'],
        **{'chosen by': f"highest accuracy under PGD-{settings['steps']} on {held_out:,} images "
                        "held out of the training set"},
        epoch=report['best_epoch'],
        training=f"{report['seconds']/60:.0f} minutes (wall clock, one thread, other work beside "
                 f"it); torch {report['versions']['torch']}")

def make(name, run, n, root):
    "Pack the network of folder `run`, judge what was packed, and write its card"
    file,card_file = ZOO/f'{name}.robin', ZOO/f'{name}.json'
    report = json.loads((run/'report.json').read_text())
    model,config = load_model(run/'model.safetensors')
    save_packed(model, file, config)
    net,_ = load_packed(file)
    dls,ball = load_data(config['source'], root, bs=250), Linf(config['eps'])
    card = origin(config, report, net, len(dls.valid.dataset))
    with attacks_inside(net, additions):                              # in float32
        card['clean'] = judge(net, dls.test).as_dict()
        card['pgd'] = judge(net, dls.test, pgd(ball, 20)).as_dict()
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    card |= dict(bytes=file.stat().st_size, sha256=sha, licence=LICENCE, config=config)
    old = json.loads(card_file.read_text()) if card_file.exists() else {}
    if old.get('sha256')==sha and 'autoattack' in old:
        card['autoattack'] = old['autoattack']
    elif n:
        with attacks_inside(net, additions):
            attacked = autoattack(net, dls.test, ball, n, resume=run/'autoattack.pt')
        card['autoattack'] = evaluation(net, dls.test, [attacked])['results'][0]
    card_file.write_text(json.dumps(card, indent=1) + '\n')
    judged = [key for key in ('clean', 'pgd', 'autoattack') if key in card]
    accuracies = [f"{key} {card[key]['accuracy']:.4f}" for key in judged]
    print(name, card['bytes'], *accuracies, flush=True)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('runs', nargs='+', metavar='NAME=RUN')
    ap.add_argument('--autoattack', type=int, default=0)
    ap.add_argument('--root')
    a = ap.parse_args()
    for named in a.runs:
        name,run = named.split('=', 1)
        make(name, Path(run), a.autoattack, a.root)
