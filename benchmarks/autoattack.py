"""What does `autoattack` cost beyond the library it calls, and how long do 1,000 pictures take:  python benchmarks/autoattack.py

A small_cnn of default widths is trained for two epochs on the pictures that come with the package. Then the library by hand, all its attacks in one call, and `autoattack`
take turns on the same 100 test pictures; their verdicts must be equal, picture by picture. A clock inside says how much of `autoattack`'s time is not the library's. Last, all 1,000. Needs the extra `eval`. Written to benchmarks/autoattack.json.
"""
import json, os, statistics, time
from pathlib import Path
import torch
from bench import cpu
from robin_nb.core import derived_seed, set_seed
from robin_nb.data import load_data
from robin_nb.budgets import power
from robin_nb.evaluate import _library, autoattack
from robin_nb.maps import bake, sparsify
from robin_nb.minimax import Linf
from robin_nb.models import small_cnn
from robin_nb.objectives import fgsm_carry
from robin_nb.loop import cosine
from robin_nb.train import fit, sgd
from robin_nb.train import Progress
from robin_nb.loop import Schedule

N,BALL,ROUNDS = 100,Linf(.1),4

if __name__=='__main__':
    torch.set_num_threads(os.cpu_count()); set_seed(0)
    dls = load_data('fashion_mini', bs=32, augment=False)
    net = sparsify(small_cnn(normalize=(dls.mean, dls.std)), .3, power(.5), train_norm=True)
    fit(net, dls, 2, fgsm_carry(BALL, len(dls.train.dataset), dls.shape, dls.pad), opt=sgd(0.3, norm_lr=0.2), callbacks=[Schedule(cosine(0.1)), Progress(False)])
    net = bake(net).eval().requires_grad_(False)
    x,y = [torch.cat(t) for t in list(zip(*dls.test))[:2]]; few = [(x[:N], y[:N], None)]
    library,package,word = _library()
    def by_hand():
        found = library(net, norm='Linf', eps=BALL.eps, version='standard', seed=derived_seed(0, 0) % 2**31, device='cpu').run_standard_evaluation(*few[0][:2], **{word: N})
        adv = found[0] if isinstance(found, tuple) else found
        with torch.no_grad(): return net(adv).argmax(1)==y[:N]
    inside,run = [],library.run_standard_evaluation
    def timed(*args, **kw):
        start = time.perf_counter(); found = run(*args, **kw); inside.append(time.perf_counter()-start); return found
    def ours():
        library.run_standard_evaluation = timed
        try: return autoattack(net, few, BALL).right
        finally: library.run_standard_evaluation = run
    seconds,right = {'by hand': [], 'autoattack': []},{}
    for r in range(ROUNDS):
        for way,f in [('by hand', by_hand), ('autoattack', ours)][::(-1)**r]:
            start = time.perf_counter(); right[way] = f(); seconds[way].append(time.perf_counter()-start)
            print(f'{way:12} {seconds[way][-1]:6.1f} s, {right[way].float().mean():.1%} left', flush=True)
    outside = sum(seconds['autoattack'])/sum(inside)-1; ratio = statistics.median(a/b for a,b in zip(seconds['autoattack'], seconds['by hand']))-1
    start = time.perf_counter(); whole = autoattack(net, [(x, y, None)], BALL, 1000, progress=False); minutes = (time.perf_counter()-start)/60
    result = dict(cpu=cpu(), threads=torch.get_num_threads(), torch=torch.__version__, library=package, seconds=seconds, outside_the_library=outside, against_by_hand=ratio,
                  verdicts_that_differ=int((right['by hand'] != right['autoattack']).sum()), thousand=whole.as_dict(), minutes=minutes)
    (Path(__file__).parent/'autoattack.json').write_text(json.dumps(result, indent=1) + '\n')
    print(f"{outside:+.1%} outside the library, {ratio:+.1%} against the library by hand (median of {ROUNDS} rounds, {N} pictures), {result['verdicts_that_differ']} verdicts differ; 1,000 pictures in {minutes:.1f} minutes: {whole}")
