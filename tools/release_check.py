"""Is the last commit fit to be released? It is built, installed and run as strangers will.

    make release-check                # up to an hour; 12 GB, which are free again afterwards
    make release-check TORCH="torch==2.13.0 torchvision==0.28.0"     # where the newest is too big
    make release-check DIST=dist      # keeps the two files that were checked
    python tools/release_check.py --python 3.12                      # one row of the table
    python tools/release_check.py --tag v0.1.0                       # only: does this tag fit?

From a clone of HEAD come an sdist and a wheel; the wheel made from the sdist is that of the tree.
The wheel goes into a new venv of each Python at hand, beside what pip takes today, under no
constraints; and once beside the lowest versions that settings.ini allows. There all commands run,
and five pages. The first thing that fails ends it, with a line that says what; where nothing does,
the table is written to nbs/demo/release.json, which the README shows."""
import argparse, json, os, shutil, subprocess, sys, tempfile, time, zipfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ['3.11', '3.12', '3.13']
TOOLS = ['build', 'twine', 'check-wheel-contents', 'trove-classifiers']
GB = 12                                                              # a torch with its CUDA
FIRST = 'robin_prune --data stripes --widths 4,8,16 --keep .3 --epochs 2 --out x'.split()
COMMANDS = [line.split() for line in '''
robin_evaluate x/model.safetensors --n 200 --steps 5
robin_evaluate --verify x/evaluation.json
robin_info x/model.safetensors
robin_pack x/model.safetensors x.robin
robin_info x.robin
robin_unpack x.robin plain.safetensors
robin_export x.robin x.pt2
robin_export x.robin x.onnx
robin_reproduce table --dry-run
robin_pages book
'''.strip().splitlines()]
EXTRAS = ['nbs', 'pack', 'export']                                   # what they and the pages need
PAGES = ['10_minimax', '16_masks', 'tutorials/first_ticket', '50_packed']
OWN = 'tutorials/your_model'                                         # which is timed, and counted
LIBRARY = """
import sys, torch
import robin_nb as rb
assert rb.__file__.startswith(sys.prefix), rb.__file__
net = rb.load('fashion-cnn-01')
assert net(torch.rand(2, 1, 28, 28)).shape==(2, 10)
print(sys.version.split()[0], torch.__version__, rb.__version__)
"""

OURS = ('PYTHON', 'PIP_CONSTRAINT', 'VIRTUAL_ENV')                   # a stranger has none of these
ENV = {k: v for k,v in os.environ.items() if not k.startswith(OURS)}

def stop(what):
    sys.exit(f'release-check: {what}')

def call(*command, cwd):
    "What a command says on stdout; where it fails, the end of what it said, and no more"
    words = [str(c) for c in command]
    r = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=ENV)
    if r.returncode:
        print((r.stdout + r.stderr)[-3000:], file=sys.stderr)
        stop(f"failed: {' '.join(words)[:300]}")
    return r.stdout

def settings(folder):
    config = ConfigParser(delimiters=['='])
    config.read(folder/'settings.ini', encoding='utf-8')
    return config['DEFAULT']

def floors(requirements):
    "The lowest that `torch>=2.6 fastcore>=1.8 execnb<0.2` allows: torch==2.6 fastcore==1.8"
    return [r.replace('>=', '==') for r in requirements.split() if '>=' in r]

def misfit(tag, version, changelog):
    "Why this version cannot be released as `tag`, or an empty text"
    if tag != f'v{version}':
        return f'the tag is {tag}, but settings.ini says version = {version}'
    heads = [l for l in changelog.splitlines() if l.startswith(f'## {version}, ')]
    if len(heads) != 1 or 'not released' in heads[0]:
        return f'CHANGELOG.md needs one line: ## {version}, and the day of the release'
    return ''

def contents(wheel):
    "The files in a wheel, by name; their dates are not looked at"
    with zipfile.ZipFile(wheel) as z:
        return {name: z.read(name) for name in z.namelist()}

def interpreter(version):
    "A Python of this version that can make a venv, on PATH or pyenv's; '' if there is none"
    candidates = [shutil.which(f'python{version}'),
                  *Path.home().glob(f'.pyenv/versions/{version}.*/bin/python')]
    for python in filter(None, candidates):
        test = [python, '-c', 'import ensurepip, venv']
        if subprocess.run(test, capture_output=True).returncode==0:
            return str(python)
    return ''

def venv(python, folder):
    "The programs of a new venv"
    call(python, '-m', 'venv', folder, cwd=folder.parent)
    return folder/'bin'

def build(home, dist):
    "The wheel of HEAD, after all that can be checked before it is installed"
    if call('git', 'status', '--porcelain', cwd=ROOT):
        stop('commit first: what is checked is the last commit')
    source = home/'source'
    call('git', 'clone', '-q', ROOT, source, cwd=home)
    bin = venv(sys.executable, home/'tools')
    call(bin/'pip', 'install', '-q', *TOOLS, cwd=home)
    call(bin/'python', '-m', 'build', '-o', home/'dist', source, cwd=home)    # by way of the sdist
    call(bin/'python', '-m', 'build', '-o', home/'tree', '--wheel', source, cwd=home)
    wheel, = (home/'dist').glob('*.whl')
    ours,theirs = contents(home/'tree'/wheel.name), contents(wheel)
    differ = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    if differ:
        stop(f"the wheel from the sdist differs from the tree's in {', '.join(differ[:9])}")
    call(bin/'twine', 'check', '--strict', *(home/'dist').iterdir(), cwd=home)
    call(bin/'check-wheel-contents', wheel, cwd=home)
    listed = settings(source)['classifiers'].split('\n')[1:]
    code = 'import sys, trove_classifiers as t; assert not {*sys.argv[1:]}-t.classifiers, sys.argv'
    call(bin/'python', '-c', code, *listed, cwd=home)
    if dist:
        shutil.copytree(home/'dist', ROOT/dist, dirs_exist_ok=True)
    print(f'{wheel.name}: {len(ours)} files, {wheel.stat().st_size:,} bytes', flush=True)
    return wheel

def refused(pip, wheel, cfg, home):
    "The extras that pip does not find in wheels, or not beside the others"
    def fails(extras):
        words = [*pip, '--dry-run', '--only-binary', ':all:', f"{wheel}[{','.join(extras)}]"]
        return subprocess.run(words, capture_output=True, cwd=home, env=ENV).returncode
    extras = [k.removesuffix('_requirements') for k in cfg if k.endswith('_requirements')]
    return [e for e in extras if fails([e])] if fails(extras) else []

def counted(page):
    "How many cells of `page` a reader writes for a model and data of their own, and their lines"
    cells = [''.join(c['source']) for c in json.loads(page.read_text())['cells']
             if c['cell_type']=='code']
    shown = [c for c in cells if '#| code-fold' not in c]
    return dict(cells=len(shown), lines=sum(bool(l.strip()) for c in shown for l in c.splitlines()))

def stranger(python, beside, pins, wheel, home):
    "A row of the table: the wheel in a new venv, with `pins` or what pip takes; then all that runs"
    if shutil.disk_usage(home).free < GB*1e9:
        stop(f'less than {GB} GB free in {home}; a smaller torch may do: TORCH="torch==..."')
    cfg = settings(home/'source')
    room = home/'room'
    room.mkdir()
    bin = venv(python, room/'venv')
    pip = [bin/'pip', 'install', '-q']
    if pins:
        (room/'pins.txt').write_text('\n'.join(pins))
        pip += ['--constraint', room/'pins.txt']
    start = time.perf_counter()
    call(*pip, wheel, cwd=room)
    call(bin/FIRST[0], *FIRST[1:], cwd=room)
    first = time.perf_counter()-start
    call(*pip, f"{wheel}[{','.join(EXTRAS)}]", cwd=room)
    for name,*words in COMMANDS:
        call(bin/name, *words, cwd=room)
    number,torch,version = call(bin/'python', '-c', LIBRARY, cwd=room).split()
    if version != cfg['version']:
        stop(f"robin_nb.__version__ is {version}, settings.ini's {cfg['version']}: nbdev_export")
    for page in PAGES:
        call(bin/'jupyter', 'execute', f'book/{page}.ipynb', cwd=room)
    own = time.perf_counter()
    call(bin/'jupyter', 'execute', f'book/{OWN}.ipynb', cwd=room)
    own = time.perf_counter()-own
    no = refused(pip, wheel, cfg, room)
    shutil.rmtree(room)
    return {'python': number, 'torch': torch, 'beside': beside,
            'install and first network': f'{first:.0f} s',
            'own model and data': f'{own:.0f} s',
            'ran': f'{len(COMMANDS)+1} commands, import, {len(PAGES)+1} pages',
            'extras that pip refuses': ' '.join(no) or 'none',
            'in all': f'{time.perf_counter()-start:.0f} s'}

def show(rows):
    lines = [*rows[:1], *[r.values() for r in rows]]                  # names of columns
    wide = [max(map(len, column)) for column in zip(*lines)]
    for words in lines:
        print('  '.join(w.ljust(n) for w,n in zip(words, wide)).rstrip(), flush=True)

def main(torch, dist, only):
    asked = [only] if only else PYTHONS
    pythons = [python for v in asked if (python := interpreter(v))]
    missing = [v for v in asked if not interpreter(v)]
    if not pythons:
        stop(f"none of Python {', '.join(asked)} is at hand")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        wheel = build(home, dist)
        cfg = settings(home/'source')
        lowest = floors(' '.join(cfg[f'{name}requirements'] for name in ('', 'pack_', 'export_')))
        newest = torch or 'the newest'
        runs = [(p, newest, torch.split()) for p in pythons]
        if not only:
            runs.insert(0, (pythons[0], 'the lowest', lowest))
        rows = []
        try:
            for run in runs:
                print(f'{run[0]}, beside {run[1]}', flush=True)
                rows.append(stranger(*run, wheel, home))
        finally:                                                      # also what went well before
            show(rows)
    found = dict(counted(ROOT/'nbs'/f'{OWN}.ipynb'), page=OWN, rows=rows)
    (ROOT/'nbs/demo/release.json').write_text(json.dumps(found, indent=1)+'\n')
    print(f"not at hand, so not tried: Python {', '.join(missing)}" if missing else 'all is well')

if __name__=='__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--torch', default='', help='versions to take in place of the newest')
    parser.add_argument('--dist', help='a folder for the sdist and the wheel that were checked')
    parser.add_argument('--python', help='only this one, such as 3.12, and not the lowest versions')
    parser.add_argument('--tag', help='only look whether this tag fits version and changelog')
    said = parser.parse_args()
    if said.tag:
        log = (ROOT/'CHANGELOG.md').read_text(encoding='utf-8')
        if why := misfit(said.tag, settings(ROOT)['version'], log):
            stop(why)
    else:
        main(said.torch, said.dist, said.python)
