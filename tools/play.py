"""Three small networks and a dozen pictures for the page that attacks them in a browser.

    make play                           about five minutes on two cores, into nbs/demo/play.json

What is written is all that a browser needs: each matrix, and the norm behind it as a scale and a
shift for each channel. Runs are resumed: what runs/play holds of these settings is not trained again.
"""
import base64, json
from pathlib import Path
import numpy as np, torch
from demo import slug, trained
from spine import DENSE, EPS, OURS
from robin_nb.core import one_line_errors, replacing
from robin_nb.data import load_data
from robin_nb.evaluate import judge
from robin_nb.files import load_model
from robin_nb.maps import bake
from robin_nb.minimax import Linf
from robin_nb.pgd import pgd

SHORT = dict(epochs=12)
ROWS = {
    'trained on clean pictures':         dict(DENSE | SHORT, objective='clean', lr=.1, norm_lr=.1),
    'ours: ±1, one weight in five':      dict(OURS | SHORT, lr=.5),
    'the dense twin, as many bytes':     dict(DENSE | SHORT, lr=.3, norm_lr=.3, widths='2,4,11'),
}
N_PICTURES = 12                                                       # of every class, and more

def packed(v):
    "An array as text"
    return base64.b64encode(np.ascontiguousarray(v)).decode()

def matrix(w):
    "Of weights 0 and ±1: which are kept, a bit each, and the sign of each of those; else float32"
    kept = w[w != 0]
    if len(np.unique(abs(kept))) > 1:
        return dict(weights=packed(w))
    if abs(kept[0]) != 1:
        raise ValueError(f"a matrix has weights of one size, {abs(kept[0])}; train with init binary_")
    bits = dict(places=w.ravel() != 0, plus=kept > 0)
    return {name: packed(np.packbits(v, bitorder='little')) for name,v in bits.items()}

@torch.no_grad()
def layer(m, norm):
    "Of layer `m` and the `norm` behind it: the matrix, and a scale and a shift for each channel"
    scale = (norm.running_var+norm.eps).rsqrt()
    shift = -norm.running_mean*scale
    if norm.affine:
        scale,shift = scale*norm.weight, shift*norm.weight+norm.bias
    return dict(shape=list(m.weight.shape), stride=getattr(m, 'stride', [1])[0],
                **matrix(m.weight.numpy()), scale=packed(scale.numpy()), shift=packed(shift.numpy()))

def network(name, report, folder, dls):
    "All that the page has of a network: its layers, and how it was judged"
    model,config = load_model(folder/'model.safetensors')
    plain = bake(model).eval()
    pairs = [(plain.conv1, plain.bn1), (plain.conv2, plain.bn2), (plain.conv3, plain.bn3),
             (plain.fc, plain.lbn)]
    attacks = dict(clean=None, pgd=pgd(Linf(EPS), 20))
    judged = {name: judge(model, dls.test, attack) for name,attack in attacks.items()}
    results = {name: dict(protocol=r.protocol, right=''.join('01'[v] for v in r.right.tolist()))
               for name,r in judged.items()}
    weights = sum(int((m.weight != 0).sum()) for m,_ in pairs)
    return dict(name=name, widths=config['args']['widths'], weights=weights, bytes=report['bytes'],
                settings={k: v for k,v in ROWS[name].items() if k!='quiet'}, results=results,
                layers=[layer(m, norm) for m,norm in pairs])

def pictures(ds):
    "The first of each class in `ds`, then others in order, `N_PICTURES` in all"
    x,y,_ = ds[range(200)]
    first = [(y==c).nonzero()[0].item() for c in range(10)]
    chosen = first + [j for j in range(200) if j not in first][:N_PICTURES-10]
    pixels = [packed((255*x[j]).round().to(torch.uint8).numpy()) for j in chosen]
    return dict(pictures=pixels, labels=y[chosen].tolist())

def main(out, file):
    dls = load_data('fashion_mini', augment=False)
    nets = []
    for name,report in trained(ROWS, out, no_figures=True):
        nets.append(network(name, report, out/slug(name), dls))
        shares = [f"{r['right'].count('1')/10:.1f}%" for r in nets[-1]['results'].values()]
        print(name, nets[-1]['bytes'], *shares, flush=True)
    page = dict(command='make play', data='fashion_mini', eps=EPS, classes=list(dls.classes),
                mean=dls.mean[0], std=dls.std[0], size=dls.shape[-1], networks=nets,
                **pictures(dls.test.dataset))
    with replacing(file) as part:
        part.write_text(json.dumps(page, ensure_ascii=False) + '\n', encoding='utf-8')

if __name__=='__main__':
    with one_line_errors('play'):
        main(Path('runs/play'), Path('nbs/demo/play.json'))
