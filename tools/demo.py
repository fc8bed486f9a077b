"""Our network beside its control and its rivals, all trained here: what `make demo` runs.

    python tools/demo.py                      the quick edition, into runs/demo
    python tools/demo.py --rows all           the README's table, into runs/demo-all
    python tools/demo.py --rows all --curve   robust accuracy against bytes, at several sizes
    python tools/demo.py --rows all --tune --out runs/tune
                                              the six validation trials behind each row's learning
                                              rate and batch size (without --rows all: the three)

Everything is resumed: a row whose report is there, of the same settings, is not trained again.
"""
import argparse, itertools, json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from matplotlib import pyplot as plt
from torch.optim.optimizer import register_optimizer_step_post_hook
from tqdm.auto import tqdm
from robin_nb.cli import bytes_of, config_of, robin_prune, settings_of
from robin_nb.core import Table, one_line_errors, replacing, set_seed, write_json
from robin_nb.data import load_data
from robin_nb.evaluate import judge
from robin_nb.maps import mask_table, scores
from robin_nb.minimax import Linf
from robin_nb.files import build_model, load_model, save_model
from robin_nb.pgd import pgd
from robin_nb.more_objectives import OBJECTIVES
from robin_nb.checkpoint import Checkpoint
from robin_nb.faster import ChannelsLast
from robin_nb.loop import History, Schedule, cosine
from robin_nb.train import Progress, Validate, fit, sgd
from robin_nb.viz import ATTACKED, CLEAN, GREY, STYLE, line, show_history

# The rows: what `robin_prune` is asked for, by the name in the table
EPS = .1
COMMON = dict(eps=str(EPS), every=2, quiet=True, widths='32,64,128', epochs=20, bs=32)
OURS = dict(COMMON, keep=.1, p=.5, train_norm=True, lr=.5)
DENSE = dict(COMMON, dense=True, lr=.3, norm_lr=.3)
OUR_NAME, RANDOM = 'ours: ±1, one weight in ten', 'a random mask of the same counts'
ALL = {
    OUR_NAME:                      OURS,
    RANDOM:                        OURS,
    'the same shape, dense':       DENSE,
    'the same, trained on clean':  dict(DENSE, objective='clean', epochs=6, lr=.1, norm_lr=.1),
    'dense twin, as many weights': dict(DENSE, widths='10,20,40', lr=.9, norm_lr=.9),
    'dense twin, as many bytes':   dict(DENSE, widths='4,8,14', lr=.1, norm_lr=.1),
}
# The same in short, without the row that says least; the layout saves some time. A shorter
# run wants other learning rates: each row has the best of its three trials, see `tune`
RATES = {
    OUR_NAME:                      dict(lr=1.5),
    RANDOM:                        dict(lr=1.5),
    'the same shape, dense':       dict(lr=.9, norm_lr=.9),
    'the same, trained on clean':  dict(lr=.1, norm_lr=.1),
    'dense twin, as many bytes':   dict(lr=.9, norm_lr=.9),
}
SHORT = dict(epochs=8, channels_last=True)
QUICK = {name: ALL[name] | SHORT | rates for name,rates in RATES.items()}
PLANS = dict(quick=QUICK, all=ALL)

# What is there already
def slug(name):
    return ''.join(c if c.isalnum() else '-' for c in name.lower().replace('±', '')).strip('-')

def stored(folder, recipe):
    "The report in `folder`, if it is one of these settings"
    file = folder/'report.json'
    report = json.loads(file.read_text()) if file.exists() else {}
    return report if report.get('settings')==settings_of(recipe) else None

# Training under one bar
def seconds_an_epoch(recipe):
    "On two quiet cores, roughly; only the bar needs it, to tell a wide network from a narrow one"
    wide = 1 + int(recipe['widths'].split(',')[0])/12
    return wide/2 if recipe.get('objective')=='clean' else wide

def seconds(recipe): return (recipe['epochs']+3)*seconds_an_epoch(recipe)      # 3: it is judged too

@contextmanager
def moving(bar, name, recipe):
    "`bar` moves with each step of an optimizer, and at the end stands where this row ends"
    end = bar.n+seconds(recipe)
    batches = len(load_data(settings_of(recipe)['data'], bs=recipe['bs']).train)
    def step(*_): bar.update(seconds_an_epoch(recipe)/batches)
    hook = register_optimizer_step_post_hook(step)
    bar.set_description_str(name)
    try: yield
    finally: hook.remove()
    bar.update(end-bar.n)

def trained(rows, out, no_figures=False):
    "(name, report) of each row as it is done, under a bar with the time left for all of them"
    todo = [r for name,r in rows.items() if not stored(out/slug(name), r)]
    shape = '{desc} |{bar}| {elapsed} so far, about {remaining} left'
    if todo: print(f'{len(todo)} networks to train')
    with tqdm(total=sum(map(seconds, todo)), disable=not todo, bar_format=shape, smoothing=0, delay=8,
              mininterval=1, dynamic_ncols=True) as bar:
        for name,recipe in rows.items():
            folder = out/slug(name)
            if not stored(folder, recipe):
                restart = (folder/'report.json').exists()            # of other settings
                with moving(bar, name, recipe):
                    if name.startswith(RANDOM): random_mask(recipe, folder, restart)
                    else: robin_prune(**recipe, out=str(folder), restart=restart,
                                      no_figures=no_figures)
            yield name,stored(folder, recipe)

def random_mask(recipe, folder, restart):
    "The control: what `robin_prune` does with `recipe`, but the scores stay as they were drawn"
    s,ball = SimpleNamespace(**settings_of(recipe)),Linf(float(recipe['eps']))
    set_seed(s.seed)
    dls = load_data(s.data, bs=s.bs, seed=s.seed, augment=s.augment)
    config = config_of(s, dls, ball)
    net = build_model(config)
    for t in scores(net): t.requires_grad_(False)
    objective = OBJECTIVES.make(s.objective, ball=ball, steps=s.steps, seed=s.seed, **dls.facts)
    valid = Validate(pgd(ball, s.steps), s.every)
    callbacks = [Schedule(cosine(s.warmup)), valid, Checkpoint(folder, not restart),
                 Progress(False)] + [ChannelsLast()]*s.channels_last
    opt = sgd(s.lr, s.momentum, s.weight_decay, s.norm_lr)
    history = fit(net, dls, s.epochs, objective, opt=opt, callbacks=callbacks, seed=s.seed)
    test = dict(clean=judge(net, dls.test).as_dict(),
                robust=judge(net, dls.test, pgd(ball, 20)).as_dict())
    save_model(net, folder/'model.safetensors', config)
    write_json(dict(settings=settings_of(recipe), config=config, bytes=bytes_of(net),
                    layers=list(mask_table(net)), test=test, history=list(history),
                    seconds=round(sum(r['seconds'] for r in history), 1)), folder/'report.json')

# The table
def show(result):
    low,high = result['interval']
    return f"{result['accuracy']:.1%} ({low:.1%} to {high:.1%})"

def row(name, report):
    if report['layers']: weights = report['layers'][-1]['k']
    else: weights = sum(p.numel() for p in build_model(report['config']).parameters() if p.ndim>1)
    test = report['test']
    return {'network': name, 'clean': show(test['clean']), 'PGD-20': show(test['robust']),
            'weights': weights, 'bytes': report['bytes'], 'seconds': round(report['seconds'])}

def say(name, report, folder):
    "One line a row; with the first what was measured how, and where its pictures are"
    clean,robust = report['test']['clean'],report['test']['robust']
    tqdm.write(f"{name}: {show(robust)} right under attack, {show(clean)} without")
    if name != OUR_NAME: return
    tqdm.write(f"  on {robust['images']:,} test images with 95 % intervals; {robust['protocol']}")
    tqdm.write(f"  after {report['best_epoch']} of {report['settings']['epochs']} epochs, "
               "chosen under attack on other images, the validation part")
    tqdm.write(f"  {folder/'attacks.png'}: test images before and after the attack")
    tqdm.write(f"  {folder/'masks.png'}: which of the ±1 weights stay")

def on_training(folder, n=1000):
    "PGD-20 accuracy on `n` training images: does the network at least fit what it saw?"
    net,config = load_model(folder/'model.safetensors')
    images = load_data(config['source']).train
    return round(judge(net, images, pgd(Linf(EPS), 20), n).accuracy, 4)

def table(rows, out, fitted=False):
    "Train all rows, say each, and write table.json, result.png and curves.png to `out`"
    reports = {}
    for name,report in trained(rows, out):
        reports[name] = report
        say(name, report, out/slug(name))
    lines = Table(row(name, r) for name,r in reports.items())
    ours,test = reports[OUR_NAME]['settings'],reports[OUR_NAME]['test']['robust']
    found = dict(protocol=test['protocol'], rows=list(lines))
    if fitted:
        print('how each fits its own training images ...', flush=True)
        found['fit'] = {name: on_training(out/slug(name)) for name in rows
                        if name != RANDOM and 'clean' not in name}
    write_json(found, out/'table.json')
    draw_result(lines, out/'result.png')
    draw_history(reports, out/'curves.png')
    print(f"\n{lines}\n\n{test['protocol']}; {test['images']:,} test images, 95 % intervals.\n"
          f"Each row keeps the epoch (ours: of {ours['epochs']}) of best PGD-{ours['steps']} "
          "accuracy on the validation part,\n"
          "the one trained on clean images that of best clean accuracy; "
          "learning rates were chosen there too.\n"
          f"Open {out/'result.png'}, {out/'curves.png'}, and the pictures in {out/slug(OUR_NAME)}.")

def draw_history(reports, file):
    "Learning curves of ours and of the first dense network"
    dense = next(r for r in reports.values() if r['settings']['dense'])
    titles = 'Ours: weights only stay or go','Dense: every weight is trained'
    with plt.rc_context(STYLE):
        fig,axes = plt.subplots(1, 2, figsize=(7,2.8), sharey=True)
        for ax,report,title in zip(axes, (reports[OUR_NAME], dense), titles):
            judged = [r for r in report['history'] if r['clean'] is not None]
            show_history(judged, ax).set_title(title)
        with replacing(file) as part: fig.savefig(part)
        plt.close(fig)

def draw_result(rows, file):
    "The table as one picture: what each network gets right, clean and under attack"
    def number(r, what): return float(r[what].split('%')[0])
    ours,control = number(rows[0], 'PGD-20'),number(rows[1], 'PGD-20')
    with plt.rc_context(STYLE):
        fig,ax = plt.subplots(figsize=(7.2,3.3))
        for j,r in enumerate(rows):
            for dy,what,color in (-.19,'clean',CLEAN),(.19,'PGD-20',ATTACKED):
                v = number(r, what)
                ax.barh(j+dy, v, .34, color=color)
                ax.text(v+.8, j+dy, f'{v:.0f}', va='center', fontsize=8, color=color)
            ax.text(104, j, f"{r['bytes']/1000:,.0f} kB", va='center', fontsize=8,
                    color=GREY if j else 'black')
        ax.set_yticks(range(len(rows)), [r['network'] for r in rows])
        ax.get_yticklabels()[0].set_fontweight('bold')
        ax.invert_yaxis()
        ax.text(0, -.55, 'clean', color=CLEAN, fontsize=8)
        ax.text(10, -.55, f'under attack (PGD-20, eps {EPS})', color=ATTACKED, fontsize=8)
        ax.set(xlim=(0,100), xlabel='right, of 100 test pictures')
        ax.set_title(f'±1 weights, never trained: {ours:.0f} of 100 right under attack; '
                     f'{control:.0f} with a random mask', pad=14)
        with replacing(file) as part: fig.savefig(part)
        plt.close(fig)

# Robust accuracy against bytes
CURVE = {name: recipe for name,recipe in ALL.items() if name != RANDOM and 'clean' not in name}
for w,k in ('16,32,64',.1), ('16,32,64',.4), ('32,64,128',.05), ('32,64,128',.3):
    CURVE[f'ours {w} keep {k}'] = dict(OURS, widths=w, keep=k)
for w in '2,4,8','3,6,12','6,12,24','16,32,64':
    CURVE[f'dense {w}'] = dict(DENSE, widths=w)

def curve(out):
    points = []
    for name,r in trained(CURVE, out):
        recipe,test = CURVE[name],r['test']
        dense = recipe.get('dense')
        points.append(dict(kind='dense' if dense else 'ours', widths=recipe['widths'],
                           keep=None if dense else recipe['keep'], bytes=r['bytes'],
                           clean=test['clean']['accuracy'], robust=test['robust']['accuracy'],
                           interval=test['robust']['interval'], seconds=r['seconds']))
    write_json(dict(protocol=test['robust']['protocol'], points=points), out/'curve.json')
    draw_curve(points, out/'bytes.png')
    print(Table(points))

def draw_curve(points, file):
    labels = dict(dense='dense, 4 bytes\na weight', ours='ours: a mask\nover ±1')
    def smaller(p):
        return max((q['robust'] for q in points if q['kind']=='dense' and q['bytes'] <= p['bytes']),
                   default=0)
    with plt.rc_context(STYLE):
        fig,ax = plt.subplots(figsize=(5,3.1))
        for kind,color in dict(dense=GREY, ours=ATTACKED).items():
            own = sorted((p for p in points if p['kind']==kind), key=lambda p: p['bytes'])
            b,robust = [p['bytes'] for p in own],[p['robust'] for p in own]
            errors = [[p['robust']-p['interval'][0] for p in own],
                      [p['interval'][1]-p['robust'] for p in own]]
            ax.errorbar(b, robust, errors, fmt='o', ms=4, color=color, elinewidth=1)
            line(ax, b, list(itertools.accumulate(robust, max)), labels[kind], color, lw=1)
        ours = [p for p in points if p['kind']=='ours']
        behind = sum(smaller(p) > p['robust'] for p in ours)
        decided = sum(smaller(p) != p['robust'] for p in ours)
        ax.set(xscale='log', ylim=(0,.8), xlabel='bytes', ylabel='robust accuracy (PGD-20)',
               title=f'A smaller dense twin beats ours at {behind} of {decided} sizes')
        with replacing(file) as part: fig.savefig(part)
        plt.close(fig)

def tune(rows, sizes, out):
    "Trials of each row, the same grid for each kind of row: three learning rates by batch `sizes`"
    trials,asked = {},{}
    for name,recipe in rows.items():
        if name==RANDOM: continue
        middle = .5 if not recipe.get('dense') else .1 if 'clean' in name else .3
        for factor,bs in itertools.product((1/3,1,3), sizes):
            lr,trial = middle*factor,f'{name} lr {factor:.2f} bs {bs}'
            asked[trial] = dict(recipe, lr=lr, bs=bs)
            if recipe.get('dense'): asked[trial]['norm_lr'] = lr
            trials[trial] = dict(row=name, lr=round(lr, 4), bs=bs)
    for trial,report in trained(asked, out, no_figures=True):
        best = History(report['history']).best
        trials[trial].update(clean=best['clean'], robust=best['robust'])
    write_json(list(trials.values()), out/'trials.json')
    print(Table(trials.values()))

def parse(args=None):
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--rows', choices=PLANS, default='quick')
    ap.add_argument('--out', type=Path, help='default: runs/demo, or runs/demo-all with --rows all')
    ap.add_argument('--curve', action='store_true')
    ap.add_argument('--tune', action='store_true')
    asked = ap.parse_args(args)
    asked.out = asked.out or Path('runs')/('demo-all' if asked.rows=='all' else 'demo')
    return asked

if __name__=='__main__':
    asked = parse()
    with one_line_errors('demo'):
        if asked.curve: curve(asked.out)
        elif asked.tune: tune(PLANS[asked.rows], (32,64) if asked.rows=='all' else (32,), asked.out)
        else: table(PLANS[asked.rows], asked.out, fitted=asked.rows=='all')
