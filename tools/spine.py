"""The closing table of the story: the found ticket and its rivals, three seeds, two strong attacks.

    make spine                          about two hours on two cores, into nbs/demo
    python tools/spine.py --tune        the validation trials behind each row's learning rate

Everything is resumed: what runs/spine holds of the same settings is not trained or judged again.
"""
import argparse, json, statistics
from pathlib import Path
import numpy as np, torch
from matplotlib import pyplot as plt
from safetensors.torch import save_file
from demo import RANDOM, slug, trained, tune
from robin_nb.core import Table, one_line_errors, replacing, write_json
from robin_nb.data import load_data
from robin_nb.evaluate import autoattack, judge
from robin_nb.files import load_model
from robin_nb.maps import masks
from robin_nb.matrices import prunable
from robin_nb.minimax import Linf
from robin_nb.pgd import pgd
from robin_nb.viz import STYLE, show_images, show_mask

EPS, SEEDS = .1, (0, 1, 2)
COMMON = dict(eps=str(EPS), every=2, quiet=True, widths='16,32,64', epochs=20, bs=32)
OURS = dict(COMMON, keep=.2, p=.5, train_norm=True)
DENSE = dict(COMMON, dense=True)
TICKET = 'the ticket: ±1, one weight in five'
INT8 = 'dense, as many bytes in int8'
ROWS = {
    TICKET:                         dict(OURS, lr=.5),
    RANDOM:                         dict(OURS, lr=.5),
    'a ticket found on clean':      dict(OURS, lr=.5, objective='clean'),
    'the same shape, dense':        dict(DENSE, lr=.3, norm_lr=.3),
    'dense, as many weights':       dict(DENSE, lr=.3, norm_lr=.3, widths='7,14,28'),
    'dense, as many bytes in fp32': dict(DENSE, lr=.3, norm_lr=.3, widths='2,4,11'),
    INT8:                           dict(DENSE, lr=.3, norm_lr=.3, widths='5,10,18'),
}

@torch.no_grad()
def int8_(net):
    "Round each matrix of `net` to 255 evenly spaced values in each output channel, in place"
    for q in prunable(net).values():
        w = q.weight.flatten(1)
        step = w.abs().amax(1, keepdim=True).clamp_min(1e-12)/127
        q.weight.copy_(((w/step).round()*step).view_as(q.weight))
    return net

def bytes_in(report, per):
    "Of a dense network: `per` byte a weight, four for each channel of a norm"
    widths = [int(w) for w in report['settings']['widths'].split(',')]
    norms = 4*(sum(widths)+10)
    return (report['bytes']-norms)*per//4 + norms

def judged(name, report, folder):
    "Results without and under attack of the network in `folder`, which are kept there"
    file, ball = folder/'judged.json', Linf(EPS)
    if file.exists() and file.stat().st_mtime > (folder/'report.json').stat().st_mtime:
        return json.loads(file.read_text())
    net,config = load_model(folder/'model.safetensors')
    if name==INT8:
        int8_(net)
    test = load_data(config['source']).test
    state = folder/'autoattack.pt'
    state.unlink(missing_ok=True)
    results = dict(clean=judge(net, test), pgd=judge(net, test, pgd(ball, 20, restarts=5)),
                   autoattack=autoattack(net, test, ball, 500, resume=state))
    found = {which: r.as_dict() | dict(right=''.join('01'[v] for v in r.right.tolist()))
             for which,r in results.items()}
    write_json(found, file)
    return found

def write_letter(net, file):
    "What the seed does not say of a ticket: its masks, a bit each, and the numbers of its norms"
    bits = torch.cat([m.flatten() for m in masks(net).values()]).numpy()
    tensors = {'masks': torch.from_numpy(np.packbits(bits))}
    mapped = ('scores', 'original', '.k')
    tensors |= {k: t for k,t in net.state_dict().items() if not k.endswith(mapped)}
    save_file({k: t.contiguous() for k,t in tensors.items()}, file)

def row(name, report, found):
    "What the page shows and can check: settings, bytes, verdicts"
    if report['layers']:
        weights, bytes = report['layers'][-1]['k'], report['bytes']
    else:
        bytes = bytes_in(report, 1 if name==INT8 else 4)
        channels = sum(int(w) for w in report['settings']['widths'].split(','))+10
        weights = (bytes-4*channels)//(1 if name==INT8 else 4)
    kept = {which: {k: r[k] for k in ('protocol', 'right')} for which,r in found.items()}
    asked = ('widths', 'keep', 'p', 'train_norm', 'lr', 'norm_lr', 'bs', 'epochs', 'objective')
    return dict(network=name, seed=report['settings']['seed'], weights=weights, bytes=bytes,
                settings={k: report['settings'][k] for k in asked},
                best_epoch=report.get('best_epoch'), results=kept)

def table(rows):
    "Means over the seeds, and their standard deviations, in percent"
    shown = Table()
    for name in dict.fromkeys(r['network'] for r in rows):
        own = [r for r in rows if r['network']==name]
        line = dict(network=name)
        for which in 'clean', 'pgd', 'autoattack':
            right = [r['results'][which]['right'] for r in own]
            v = [100*text.count('1')/len(text) for text in right]
            line[which] = f'{statistics.mean(v):.1f} ± {statistics.stdev(v):.1f}'
        shown.append(line | dict(bytes=own[0]['bytes']))
    return shown

def draw_hero(tickets, accuracy, file):
    "A test picture, attacked along the gradient of each of two `tickets`, and the mask of the first"
    test = load_data('fashion_mini', bs=200).test
    x,y,_ = next(iter(test))
    moved = [x+pgd(Linf(EPS), 20, restarts=5)(net, x, y) for net in tickets]
    says = [net(t).argmax(1) for net,t in zip(tickets, moved)]
    sure = tickets[0](moved[0]).softmax(1).amax(1)
    fooled = (says[0]==y) & (tickets[1](x).argmax(1)==y) & (says[1]!=y)
    j = (sure*fooled).argmax().item()                       # where the first is surest
    names = load_data('fashion_mini').classes
    with plt.rc_context(STYLE):
        fig,axes = plt.subplots(1, 4, figsize=(7.4,2.5), width_ratios=[1,1,1,1.1])
        three = torch.stack([x[j], moved[1][j], moved[0][j]])
        titles = [names[y[j]], names[says[1][j]], names[says[0][j]]]
        show_images(three, titles, [True,False,True], axes[:3])
        words = ['it is', f'the ticket found on clean\npictures says so: of 100 it\ngets '
                 f'{100*accuracy[1]:.0f} right under attack',
                 f'the ticket found under\nattack says so: of 100 it\ngets '
                 f'{100*accuracy[0]:.0f} right under attack']
        show_mask(masks(tickets[0])['conv2'], axes[3], ' ')
        axes[3].set(xlabel='', ylabel='')
        words.append('what was learned: which ±1\nweights stay (black), in one\nof four layers')
        for ax,text in zip(axes, words):
            ax.set_xlabel(text, fontsize=7.5)
        fig.suptitle('The same coins, and only the choice differs', fontsize=10)
        with replacing(file) as part:
            fig.savefig(part)
        plt.close(fig)

def main(out, nbs):
    asked = {f'{name}, seed {seed}': dict(recipe, seed=seed)
             for seed in SEEDS for name,recipe in ROWS.items()}
    rows = []
    for title,report in trained(asked, out, no_figures=True):
        name, folder = title.rpartition(', seed ')[0], out/slug(title)
        found = judged(name, report, folder)
        rows.append(row(name, report, found))
        print(title, *(f"{which} {r['accuracy']:.1%}" for which,r in found.items()), flush=True)
        if name==TICKET and not report['settings']['seed']:
            config = report['config']
            write_letter(load_model(folder/'model.safetensors')[0], nbs/'ticket.safetensors')
    first = [slug(f'{name}, seed 0') for name in (TICKET, 'a ticket found on clean')]
    tickets = [load_model(out/name/'model.safetensors')[0] for name in first]
    broken = [json.loads((out/name/'judged.json').read_text())['autoattack'] for name in first]
    draw_hero(tickets, [r['accuracy'] for r in broken], nbs/'hero.png')
    said = dict(command='make spine', eps=EPS, data='fashion_mini', ticket=config, rows=rows)
    write_json(said, nbs/'spine.json')
    print(table(rows))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--tune', action='store_true')
    ap.add_argument('--out', type=Path, default=Path('runs/spine'))
    said = ap.parse_args()
    with one_line_errors('spine'):
        if said.tune:
            tune({name: r for name,r in ROWS.items() if name != RANDOM}, (32,), said.out/'tune')
        else:
            main(said.out, Path('nbs/demo'))
