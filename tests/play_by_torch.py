"What PyTorch says of the networks, pictures and steps of the page Play, for node and for a browser to agree with."
import ast, json
import torch, torch.nn.functional as F
from robin_nb.minimax import Linf
from robin_nb.pgd import pgd, trace
from pages import NBS, code_cells, read, source, targets

JS = NBS/'demo'/'play.js'
PLAY = json.loads((NBS/'demo'/'play.json').read_text(encoding='utf-8'))
NETWORKS = range(len(PLAY['networks']))
STEPS = 10

# In their language, a function of `PLAY` and of `questions`. A clock is that of this process where there is one,
# so that it counts one core's work and nobody else's
ANSWERS = """(page, questions) => questions.map(q => {
  const clock = () => globalThis.process ? process.cpuUsage().user/1000 : performance.now()
  const net = robinPlay.read(page.networks[q.net], page), x = Float32Array.from(q.x), points = []
  const z = robinPlay.logits(net, x), g = robinPlay.gradient(net, x, q.y), from = clock()
  let d = Float32Array.from(q.d)
  for (let s = 0; s < q.steps; s++) points.push(d = robinPlay.step(net, x, q.y, d, q.eps, q.eps/8))
  const ms = clock() - from
  return {z: Array.from(z), g: Array.from(g), points: points.map(d => Array.from(d)), ms}
})"""

def page_names():
    "What the page itself defines, and of its cells nothing else: how a file becomes a network, and its pictures"
    page = ast.parse('\n'.join(source(c) for c in code_cells(read(NBS/'explanations'/'play.ipynb'))))
    wanted, kinds = {'folder','play','pixels','x','y'}, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    page.body = [n for n in page.body if isinstance(n, kinds) or isinstance(n, ast.Assign) and wanted & set(targets(n))]
    found = dict(__name__='play')
    exec(compile(page, 'play.ipynb', 'exec'), found)
    return found

PAGE = page_names()
X, Y = PAGE['x'], PAGE['y']

def library(j): return PAGE['library'](PLAY['networks'][j])

def gradient(net, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(net(x), Y, reduction='sum'), x)[0]

def climb(net):
    "Eleven points (11,n,1,28,28) of the library's PGD-20, the random start first"
    return trace(pgd(Linf(PLAY['eps']), 20), net, X, Y)[0][:STEPS+1]

def questions(j, start, steps=STEPS):
    "To network `j`, about each picture"
    flat = X.flatten(1).tolist(), start.flatten(1).tolist(), Y.tolist()
    return [dict(net=j, x=x, d=d, y=y, eps=PLAY['eps'], steps=steps) for x,d,y in zip(*flat)]

def check(j, ask):
    """`ask(questions)` gives PyTorch's logits, gradients and ten steps, on each picture, for network `j`:
    points are equal, so signs are, but where the gradient is so small that rounding decides"""
    net = library(j)
    ds = climb(net)
    said = ask(questions(j, ds[0]))
    z, g, points = (torch.tensor([a[key] for a in said]) for key in ('z', 'g', 'points'))
    with torch.no_grad(): assert (z-net(X)).abs().max() < 1e-4
    assert (g.view_as(X)-gradient(net, X)).abs().max() < 1e-4
    points = points.view(len(X), STEPS, 1, 28, 28)
    sure = torch.ones_like(X, dtype=torch.bool)                       # where rounding has no say in a sign
    for t in range(STEPS):
        at = gradient(net, X+ds[t]).abs()
        sure &= (at==0) | (at > 1e-6*at.amax((1,2,3), keepdim=True))
        assert (points[:,t]-ds[t+1])[sure].abs().max() < 1e-6, f'step {t+1}'
    share = ((points.transpose(0, 1)-ds[1:]).abs() < 1e-6).float().mean()
    assert share > .999, f'of all points, tiny gradients or not, {share:.2%} are the same'
