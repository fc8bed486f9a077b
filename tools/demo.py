"""The README's table and figures: our network beside its control and its dense twins, all trained here.

    python tools/demo.py --out runs/demo            the table (about seven minutes on two cores)
    python tools/demo.py --out runs/demo --curve    robust accuracy against bytes, ours at several keeps, dense at several widths
    python tools/demo.py --out runs/tune --tune     the six validation trials behind each row's learning rate and batch size

Everything is resumed: a row whose report is there already is not trained again.
"""
import argparse, itertools, json
from pathlib import Path
from matplotlib import pyplot as plt
from robin_nb.cli import bytes_of, robin_prune
from robin_nb.core import Table, replacing, set_seed, write_json
from robin_nb.data import load_data
from robin_nb.evaluate import accuracy, robust_accuracy
from robin_nb.maps import scores
from robin_nb.minimax import Linf
from robin_nb.models import build_model, load_model
from robin_nb.objectives import fgsm_carry
from robin_nb.pgd import pgd
from robin_nb.train import History, cosine, fit, sgd
from robin_nb.viz import ATTACKED, CLEAN, GREY, STYLE, line, show_history

EPS = .1
COMMON = dict(eps=str(EPS), every=2, quiet=True)
OURS  = dict(COMMON, widths='32,64,128', keep=.1, p=.5, train_norm=True, epochs=20, bs=32, lr=.5)
DENSE = dict(COMMON, dense=True, widths='32,64,128', epochs=20, bs=32, lr=.3, norm_lr=.3)
ROWS = {
    'ours: ±1, one weight in ten':   OURS,
    'the same shape, dense':         DENSE,
    'the same, trained on clean':    dict(DENSE, objective='clean', epochs=6, lr=.1, norm_lr=.1),
    'dense twin, as many weights':   dict(DENSE, widths='10,20,40', lr=.9, norm_lr=.9),
    'dense twin, as many bytes':     dict(DENSE, widths='4,8,14', lr=.1, norm_lr=.1),
}

def slug(name): return ''.join(c if c.isalnum() else '-' for c in name.lower().replace('±', '')).strip('-')

def train(name, recipe, out, **kw):
    "The report of one row, trained unless it is there"
    file = out/slug(name)/'report.json'
    report = json.loads(file.read_text()) if file.exists() else None
    if report is None or any(report['settings'][k] != v for k,v in recipe.items() if k in report['settings']):
        print(f'{name} ...', flush=True)
        robin_prune(**recipe, out=str(file.parent), restart=report is not None, **kw)
        report = json.loads(file.read_text())
    return report

def row(name, report, weights):
    clean,robust = report['test']['clean'],report['test']['robust']
    show = lambda r: f"{r['accuracy']:.1%} ({r['interval'][0]:.1%} to {r['interval'][1]:.1%})"
    return {'network': name, 'clean': show(clean), 'PGD-20': show(robust), 'weights': weights, 'bytes': report['bytes'], 'seconds': round(report['seconds'])}

def random_mask(out):
    "The control: the counts of ours with a random mask; its norms are trained as ours are, with the settings of ours"
    file = out/'random-mask'/'report.json'
    if not file.exists():
        print('a random mask of the same counts ...', flush=True)
        ours = json.loads((out/slug(next(iter(ROWS)))/'report.json').read_text())
        config,s = ours['config'],ours['settings']
        set_seed(s['seed']); dls = load_data(s['data'], bs=s['bs'], augment=s['augment'])
        net,ball = build_model(config),Linf(EPS)
        for t in scores(net): t.requires_grad_(False)
        history = fit(net, dls, s['epochs'], fgsm_carry(ball, len(dls.train.dataset), dls.shape, dls.pad), sgd(s['lr'], norm_lr=s['norm_lr']), cosine(s['warmup']),
                      attack=lambda m,x,y: pgd(m, x, y, ball, steps=5), every=s['epochs'], progress=False)
        write_json(dict(test=dict(clean=accuracy(net, dls.test).as_dict(), robust=robust_accuracy(net, dls.test, ball).as_dict()), bytes=bytes_of(net),
                        seconds=sum(r['seconds'] for r in history), history=list(history)), file)
    return json.loads(file.read_text())

def weights(report):
    if report['layers']: return report['layers'][-1]['k']
    return sum(p.numel() for p in build_model(report['config']).parameters() if p.ndim>1)

def on_training(folder):
    "PGD-20 accuracy on 1,000 training images: does the network at least fit what it saw?"
    net,config = load_model(folder/'model.safetensors')
    return round(robust_accuracy(net, load_data(config['source']).train, Linf(EPS), n=1000).accuracy, 4)

def table(out):
    reports = {name: train(name, recipe, out) for name,recipe in ROWS.items()}
    ours = next(iter(ROWS))
    rows = [row(name, r, weights(r)) for name,r in reports.items()]
    rows.insert(1, row('a random mask of the same counts', random_mask(out), weights(reports[ours])))
    t = Table(rows)
    protocol = reports[ours]['test']['robust']['protocol']
    fit = {name: on_training(out/slug(name)) for name in ROWS if 'clean' not in name}
    with plt.rc_context(STYLE):
        fig,axes = plt.subplots(1, 2, figsize=(7,2.8), sharey=True)
        for ax,name,title in zip(axes, (ours,'the same shape, dense'), ('Ours: weights only stay or go','Dense: every weight is trained')):
            show_history([r for r in reports[name]['history'] if r['clean'] is not None], ax).set_title(title)
        with replacing(out/'curves.png') as part: fig.savefig(part)
        plt.close(fig)
    write_json(dict(protocol=protocol, rows=rows, fit=fit), out/'table.json'); draw_result(rows, out/'result.png')
    print(f"\n{t}\n\n{protocol}, 1,000 test images, 95 % intervals; each row keeps its best epoch by PGD-5 (the clean one by clean accuracy) on 1,000 validation images.\nOpen {out/'curves.png'}, and the pictures in {out/slug(ours)}.")

def draw_result(rows, file):
    "The table as one picture: what each network gets right, clean and under attack"
    number = lambda r, what: float(r[what].split('%')[0])
    with plt.rc_context(STYLE):
        fig,ax = plt.subplots(figsize=(7.2,3.3))
        for j,r in enumerate(rows):
            for dy,what,color in ((-.19,'clean',CLEAN),(.19,'PGD-20',ATTACKED)):
                ax.barh(j+dy, number(r, what), .34, color=color); ax.text(number(r, what)+.8, j+dy, f'{number(r, what):.0f}', va='center', fontsize=8, color=color)
            ax.text(104, j, f"{r['bytes']/1000:,.0f} kB", va='center', fontsize=8, color='black' if j==0 else GREY)
        ax.set_yticks(range(len(rows)), [r['network'] for r in rows]); ax.get_yticklabels()[0].set_fontweight('bold'); ax.invert_yaxis()
        ax.text(0, -.55, 'clean', color=CLEAN, fontsize=8); ax.text(10, -.55, f'under attack (PGD-20, eps {EPS})', color=ATTACKED, fontsize=8)
        ax.set(xlim=(0,100), xlabel='right, of 100 test pictures')
        ax.set_title(f'±1 weights, never trained: {number(rows[0], "PGD-20"):.0f} of 100 right under attack; {number(rows[1], "PGD-20"):.0f} with a random mask', pad=14)
        with replacing(file) as part: fig.savefig(part)
        plt.close(fig)

CURVE = {name: ROWS[name] for name in ROWS if 'clean' not in name} | \
        {f'ours {w} keep {k}': dict(OURS, widths=w, keep=k) for w,k in (('16,32,64',.1), ('16,32,64',.4), ('32,64,128',.05), ('32,64,128',.3))} | \
        {f'dense {w}': dict(DENSE, widths=w) for w in ('2,4,8','3,6,12','6,12,24','16,32,64')}

def curve(out):
    points = []
    for name,recipe in CURVE.items():
        r = train(name, recipe, out)
        points.append(dict(kind='dense' if recipe.get('dense') else 'ours', widths=recipe['widths'], keep=None if recipe.get('dense') else recipe['keep'], bytes=r['bytes'],
                           clean=r['test']['clean']['accuracy'], robust=r['test']['robust']['accuracy'], interval=r['test']['robust']['interval'], seconds=r['seconds']))
    write_json(dict(protocol=r['test']['robust']['protocol'], points=points), out/'curve.json')
    draw_curve(points, out/'bytes.png')
    print(Table(points))

def draw_curve(points, file):
    with plt.rc_context(STYLE):
        fig,ax = plt.subplots(figsize=(5,3.1))
        for kind,color in ('dense',GREY),('ours',ATTACKED):
            own = sorted((p for p in points if p['kind']==kind), key=lambda p: p['bytes'])
            b = [p['bytes'] for p in own]
            ax.errorbar(b, [p['robust'] for p in own], [[p['robust']-p['interval'][0] for p in own],[p['interval'][1]-p['robust'] for p in own]], fmt='o', ms=4, color=color, elinewidth=1)
            best = [max(q['robust'] for q in own[:j+1]) for j in range(len(own))]
            line(ax, b, best, 'dense, 4 bytes\na weight' if kind=='dense' else 'ours: a mask\nover ±1', color, lw=1)
        smaller = lambda p: max((q['robust'] for q in points if q['kind']=='dense' and q['bytes'] <= p['bytes']), default=0)
        behind = [p for p in points if p['kind']=='ours' and smaller(p) > p['robust']]
        ahead = [p for p in points if p['kind']=='ours' and smaller(p) < p['robust']]
        ax.set(xscale='log', ylim=(0,.8), xlabel='bytes', ylabel='robust accuracy (PGD-20)', title=f'A smaller dense twin beats ours at {len(behind)} of {len(behind)+len(ahead)} sizes')
        with replacing(file) as part: fig.savefig(part)
        plt.close(fig)

def tune(out):
    "Six trials a row, the same grid for each kind of row: three learning rates by two batch sizes"
    trials = []
    for name,recipe in ROWS.items():
        middle = .5 if not recipe.get('dense') else .1 if 'clean' in name else .3
        for factor,bs in itertools.product((1/3,1,3), (32,64)):
            lr = middle*factor
            r = train(f'{name} lr {factor:.2f} bs {bs}', dict(recipe, lr=lr, bs=bs) | (dict(norm_lr=lr) if recipe.get('dense') else {}), out, no_figures=True)
            best = History(r['history']).best
            trials.append(dict(row=name, lr=round(lr, 4), bs=bs, clean=best['clean'], robust=best['robust']))
    write_json(trials, out/'trials.json'); print(Table(trials))

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--out', type=Path, default=Path('runs/demo'))
    ap.add_argument('--curve', action='store_true'); ap.add_argument('--tune', action='store_true')
    a = ap.parse_args()
    (curve if a.curve else tune if a.tune else table)(a.out)
