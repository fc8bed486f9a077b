import os, sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault('MPLBACKEND', 'agg')
os.environ['IN_TEST'] = '1'
