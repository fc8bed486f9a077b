import os, sys, tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]/'tools')]
os.environ.setdefault('MPLBACKEND', 'agg')
os.environ.setdefault('OMP_NUM_THREADS', '1')        # two threads on two busy cores can be a hundred times slower than one
os.environ['IPYTHONDIR'] = tempfile.mkdtemp()        # no history shared with a session that is open elsewhere
os.environ['IN_TEST'] = '1'

if by := int(os.environ.get('ROBIN_SEED', 0)):
    from seeds import shift_seeds
    shift_seeds(by)
