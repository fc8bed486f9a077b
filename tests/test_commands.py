"The commands' own argument parser: both spellings of a flag, names in help, and what you say wins."
import json, os, subprocess, sys
from inspect import Parameter, signature
from pathlib import Path
from typing import get_args
import pytest
from pages import ROOT
from release_check import floors, settings

COMMANDS = ['robin_evaluate', 'robin_export', 'robin_info', 'robin_pack', 'robin_pages',
            'robin_prune', 'robin_reproduce', 'robin_unpack']
SAID = {str: 'words', int: '3', float: '0.5'}
VALUES = {str: 'words', int: 3, float: .5, bool: True}
BARE = {'robin_evaluate': 'file', 'robin_reproduce': 'what'}         # have no flag

def command(name):
    from robin_nb import cli
    return getattr(cli, name)

@pytest.mark.parametrize('spell', [str, lambda flag: flag.replace('_', '-')], ids=['_', '-'])
@pytest.mark.parametrize('name', COMMANDS)
def test_every_flag_in_both_spellings(name, spell):
    "Each flag says what it says, nothing else is said, and help names it"
    from robin_nb.command import parser
    made = parser(command(name))
    parameters = signature(command(name)).parameters.values()
    needed = ['words' for p in parameters if p.default is Parameter.empty]
    for p in parameters:
        if p.default is Parameter.empty or BARE.get(name)==p.name: continue
        line = [*needed, spell(f'--{p.name}')]
        kind = next((k for k in get_args(p.annotation) if k is not type(None)), p.annotation)
        if kind is not bool: line.append(SAID[kind])
        said = vars(made.parse_args(line))
        assert said.pop(p.name)==VALUES[kind] and len(said)==len(needed)
        assert f'--{p.name}' in made.format_help()

def test_a_switch_can_be_taken_back():
    "A preset may switch something on; the same flag with no_ says that you do not want it"
    from robin_nb.command import parser
    made = parser(command('robin_prune'))
    for line in '--no_augment', '--no-augment':
        assert vars(made.parse_args([line]))==dict(augment=False)
    assert vars(made.parse_args(['--no-train-norm']))==dict(train_norm=False)

def test_left_out(capsys):
    from robin_nb.command import parser
    assert not vars(parser(command('robin_evaluate')).parse_args([]))
    assert vars(parser(command('robin_reproduce')).parse_args(['tickets']))=={'what': 'tickets'}
    with pytest.raises(SystemExit): parser(command('robin_pack')).parse_args(['one'])
    assert 'required: out' in capsys.readouterr().err

def test_help_says_comment_default_and_names():
    from robin_nb.command import parser
    names = json.loads((ROOT/'robin_nb'/'assets'/'names.json').read_text())
    said = ' '.join(parser(command('robin_prune')).format_help().split())
    for words in 'Share of all weights that stays, in (0,1] [0.1]', '8/255', '[fashion_mini]':
        assert words in said
    for name in 'preset','data','model','norm','objective','init':
        for known in names[name]: assert known in said, known
    said = ' '.join(parser(command('robin_reproduce')).format_help().split())
    for known in [*names['what'], *names['scale'], *names['only']]: assert known in said, known

def test_names_are_true():
    from make_names import truth
    written = json.loads((ROOT/'robin_nb'/'assets'/'names.json').read_text())
    assert written==truth(), 'run python tools/make_names.py'
    taken = {p for name in COMMANDS for p in signature(command(name)).parameters}
    assert set(written) <= taken

def test_help_does_without_torch():
    code = f"""
import sys
from robin_nb.cli import main
for name in {COMMANDS}:
    sys.argv = [name, '--help']
    try: main()
    except SystemExit as e: assert e.code==0
heavy = {{'torch','torchvision','numpy','matplotlib','safetensors','tqdm'}} & set(sys.modules)
assert not heavy, heavy
"""
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr

def test_the_oldest_fastcore(tmp_path):
    "The oldest fastcore that settings.ini allows"
    oldest, = [f for f in floors(settings(ROOT)['requirements']) if f.startswith('fastcore==')]
    pip = [sys.executable, '-m', 'pip', '-q', 'install', '--no-deps']
    subprocess.run([*pip, '--target', str(tmp_path), oldest], check=True)
    env = dict(os.environ, PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}')
    code = "import fastcore, sys; from robin_nb.cli import main; print(fastcore.__version__); main()"
    for name in COMMANDS:
        run = [sys.executable, '-c', code, name.removeprefix('robin_'), '--help']
        r = subprocess.run(run, env=env, capture_output=True, text=True)
        assert r.returncode==0 and r.stdout.startswith(f'{oldest[10:]}\nusage: {name}'), r.stderr

def test_a_wrong_flag_gets_one_line():
    script = Path(sys.executable).parent/'robin_prune'
    r = subprocess.run([str(script), '--epoch', '3'], capture_output=True, text=True)
    assert r.returncode==2 and len(r.stderr.strip().splitlines())==1, r.stderr
    assert 'robin_prune' in r.stderr and '--epoch' in r.stderr and '--help' in r.stderr

QUICK = dict(data='stripes', model='resnet18', widths='4', steps=1, minutes=1e-6)
EQUAL = dict(epochs=20, keep=.1, bs=32)                              # the defaults, said

@pytest.mark.parametrize('how', ['from Python', 'from a terminal'])
def test_what_you_say_wins_over_a_preset(how, tmp_path):
    "Also where it is the default; what you do not say is the preset's"
    said = dict(QUICK, **EQUAL, preset='rn34-cifar10', out=str(tmp_path/'x'))
    if how=='from Python':
        command('robin_prune')(**said, no_figures=True, quiet=True)
    else:
        flags = [t for k,v in said.items() for t in (f'--{k}', str(v))]
        script = Path(sys.executable).parent/'robin_prune'
        subprocess.run([str(script), *flags, '--no-figures', '--quiet'], check=True)
    settings = json.loads((tmp_path/'x'/'report.json').read_text())['settings']
    assert {k: settings[k] for k in EQUAL}==EQUAL
    assert (settings['lr'], settings['objective'], settings['augment'])==(.1, 'pgd', True)

def test_nobody_waits_for_what_was_not_asked_for(tmp_path):
    "A plain run imports neither additions nor the callbacks that make it faster"
    code = f"""
import sys
from robin_nb.cli import robin_prune
robin_prune(**{QUICK}, epochs=1, out={str(tmp_path/'x')!r}, no_figures=True, quiet=True)
asked = {{'robin_nb.additions', 'robin_nb.faster', 'matplotlib'}} & set(sys.modules)
assert not asked, asked
"""
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr

def test_one_bar_over_the_whole_run(monkeypatch, tmp_path):
    "All steps of a run are one bar, which a resumed run begins where it was; none in a log file"
    import torch
    from robin_nb import train
    from robin_nb.checkpoint import Checkpoint, TimeLimit
    from robin_nb.data import load_data
    from robin_nb.objectives import clean
    real,made = train.tqdm,[]
    def kept(*args, **kw):
        made.append(real(*args, **kw))
        return made[-1]
    kept.write = real.write
    monkeypatch.setattr(train, 'tqdm', kept)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    dls = load_data('stripes', bs=100)
    def run(minutes):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
        train.fit(net, dls, 3, clean, callbacks=[TimeLimit(minutes), Checkpoint(tmp_path)])
        return made[-1]
    n = len(dls.train)
    bar = run(0)
    assert (bar.initial, bar.n, bar.total)==(0, n, 3*n)
    bar = run(9)
    assert (bar.initial, bar.n, bar.total)==(n, 3*n, 3*n)
    assert len(made)==2 and not bar.leave
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False)
    assert run(9).disable
