import sys; sys.argv=['x','none']
exec(open('/tmp/wa/gold.py').read().split("if mode=='make'")[0])
from robin_nb.engine import Engine
import cProfile,pstats,time
states,_=torch.load(FILE)
for name,net,shape in nets(states):
    if name in ('big',):
        Engine(net,shape)
        for E in Engine,old.Engine:
            p=cProfile.Profile(); p.enable(); E(net,shape); p.disable()
            pstats.Stats(p).sort_stats('tottime').print_stats(12)
