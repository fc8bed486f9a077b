"What `test_ranks.py` runs, alone and on two processes:  ranks_job.py FOLDER"
import sys, time
from pathlib import Path
import torch, torch.nn as nn
from accelerate import PartialState
from robin_nb.core import gather, gather_rows, ranks, set_seed
from robin_nb.data import load_data
from robin_nb.maps import masks, scores, sparsify
from robin_nb.minimax import Linf
from robin_nb.models import small_cnn
from robin_nb.objectives import at, clean, fgsm_carry
from robin_nb.pgd import pgd
from robin_nb.loop import Callback, StopFit
from robin_nb.train import fit, sgd
from robin_nb.checkpoint import Checkpoint
from robin_nb.train import Progress

out = Path(sys.argv[1])
PartialState(cpu=True)
rank,world = ranks()

class Watch(Callback):
    "The first gradient, and whether all processes have the same masks after every step"
    def begin(self, run): self.first,self.same,self.steps = None,True,0
    def after_step(self, run):
        model = run.model
        if self.first is None: self.first = [s.grad.clone() for s in scores(model)]
        bits = gather([m for m in masks(model).values()])
        self.same &= all(torch.equal(a, b) for other in bits for a,b in zip(other, bits[0])); self.steps += 1

class StopAt(Callback):
    def __init__(self, epoch): self.epoch = epoch
    def after_epoch(self, run):
        if run.record['epoch']==self.epoch and rank==0: raise StopFit('as one process says')

save = Checkpoint.epoch_done
def slowly(*args): time.sleep(.5); save(*args)                         # others must not read the file before it is there
Checkpoint.epoch_done = slowly

def plain(): set_seed(0); return sparsify(nn.Sequential(nn.Conv2d(1,8,3,2), nn.ReLU(), nn.Flatten(), nn.Linear(8*169,10)), .2)
dls,ball = load_data('fashion_mini', bs=101),Linf(.1)
found = dict(rows=gather_rows(torch.arange(21.).view(7,3)[rank::world]))
starts = []
def spy(model, x, y, generator): d = ball.project(x, ball.sample(x, generator)); starts.append(d); return d
for name,objective in dict(clean=clean, start=at(spy), pgd=at(pgd(ball, 2)), carry=fgsm_carry(ball, len(dls.train.dataset), dls.shape, dls.pad)).items():
    watch,net = Watch(),plain()
    fit(net, dls, 1, objective, opt=sgd(0.01), attack=pgd(ball, 2), callbacks=[watch, Progress(False)])
    found[name] = dict(first=watch.first, same=watch.same, steps=watch.steps)
    if name=='carry': found['canvas'] = objective.canvas
whole = gather(starts[0]); noise = torch.zeros(sum(map(len, whole)), *whole[0].shape[1:])
for r,part in enumerate(whole): noise[r::world] = part
set_seed(0); net = sparsify(small_cnn(widths=(4,8,8)), .3)
h = fit(net, dls, 3, clean, opt=sgd(0.1), callbacks=[StopAt(2), Checkpoint(out / 'run'), Progress(False)]); stopped = len(h)
again = sparsify(small_cnn(widths=(4,8,8)), .3); h = fit(again, dls, 3, clean, opt=sgd(0.1), callbacks=[StopAt(9), Checkpoint(out / 'run'), Progress(False)])
everywhere = gather([v for v in again.state_dict().values()])
found |= dict(noise=noise, stopped=stopped, epochs=len(h), accuracy=h[-1]['clean'], agree=all(torch.equal(a, b) for other in everywhere for a,b in zip(other, everywhere[0])))
try: fit(plain(), load_data('fashion_mini', bs=3), 1, clean, callbacks=[Progress(False)]); found['refused'] = ''
except ValueError as e: found['refused'] = str(e)
if rank==0: torch.save(found, out/'found.pt')
PartialState().destroy_process_group()
