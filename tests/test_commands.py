"The commands' own argument parser: both spellings of a flag, names in help, and what you say wins."
import json, os, subprocess, sys, time
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

GROUP = "import sys; sys.argv[0] = 'bin/robin'; from robin_nb.cli import main; main()"

def robin(*words):
    "What comes of `robin` and these words"
    return subprocess.run([sys.executable, '-c', GROUP, *words], capture_output=True, text=True)

def test_the_group_lists_the_commands():
    "One line each, at once; and the script is installed"
    assert 'robin=robin_nb.cli:main' in (ROOT/'settings.ini').read_text().split()
    start = time.perf_counter()
    r = robin('--help')
    seconds = time.perf_counter()-start
    lines = r.stdout.splitlines()
    assert r.returncode==0 and seconds < 1, (seconds, r.stderr)
    for name in COMMANDS:
        line, = [line.split() for line in lines if line.startswith(f"  {name.removeprefix('robin_')} ")]
        assert command(name).__doc__.split()[:3]==line[1:4]
    assert max(map(len, lines)) <= 80 and robin().stdout==r.stdout

def test_the_group_is_light():
    code = f"""
import contextlib, sys
from robin_nb.cli import main
for words in ['--help'], ['prune', '--help'], ['--version'], ['prnue']:
    sys.argv = ['robin', *words]
    with contextlib.suppress(SystemExit): main()
heavy = {{'torch','torchvision','numpy','matplotlib','safetensors','tqdm'}} & set(sys.modules)
assert not heavy, heavy
"""
    r = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert r.returncode==0, r.stderr

def test_a_command_of_the_group():
    assert robin('prune', '--help').stdout==subprocess.run(
        [str(Path(sys.executable).parent/'robin_prune'), '--help'], capture_output=True, text=True).stdout
    r = robin('prnue')
    assert r.returncode==2 and len(r.stderr.splitlines())==1 and 'did you mean prune?' in r.stderr, r.stderr
    assert robin('prune', '--keep', '2').returncode==2
    import robin_nb
    assert robin('--version').stdout.split()==['robin_nb', robin_nb.__version__]

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

DRY = dict(data='stripes', widths='4,8,16', keep=.3, bs=100, steps=3, epochs=2)

def files(folder): return {f: f.read_bytes() for f in folder.rglob('*') if f.is_file()}

def test_a_dry_run_tells_and_writes_nothing(tmp_path, monkeypatch, capsys):
    "Layers, passes, steps, minutes and bytes; not even a folder, and a run that is there stays as it is"
    monkeypatch.chdir(tmp_path)
    prune = command('robin_prune')
    plan = prune(**DRY, objective='trades', dry_run=True)
    said = capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert (plan['forwards'], plan['backwards'], plan['batches'], plan['steps'])==(7, 5, 20, 40)
    for words in ('conv2', 'budget power, keep 0.3', '2 epochs of 20 batches', '7 forwards and 5 backwards', f"{plan['bytes']:,} bytes",
                  'minutes on this machine', 'estimate', 'nothing was written'):
        assert words in said, said
    found = prune(**DRY, quiet=True, no_figures=True)
    assert (plan['layers'], plan['bytes'])==(found['layers'], found['bytes'])
    assert plan['settings']==found['settings'] | dict(objective='trades')
    before = files(tmp_path)
    prune(**DRY | dict(keep=.2), dry_run=True)
    assert files(tmp_path)==before

@pytest.mark.parametrize('said', [dict(dense=True), dict(objective='clean'), dict(objective='free'), dict(rules='clip'),
                                  dict(bs=2000), dict(bf16=True, channels_last=True)], ids=str)
def test_a_dry_run_of_anything(said, capsys):
    plan = command('robin_prune')(**DRY | said, dry_run=True)
    assert plan['minutes'] >= 0 and plan['steps'] >= 2 and plan['bytes'] > 0
    assert ('conv2' in capsys.readouterr().out) != said.get('dense', False)

def test_a_dry_run_is_about_right(tmp_path):
    "The default run, in few epochs; machines are busy, so it may be off by a factor of 3"
    prune, said = command('robin_prune'), dict(epochs=2, quiet=True, no_figures=True, out=str(tmp_path/'x'))
    plan = prune(**said, dry_run=True)
    start = time.perf_counter()
    prune(**said)
    assert 1/3 < 60*plan['minutes']/(time.perf_counter()-start) < 3

def test_what_is_no_setting(tmp_path):
    "Where a run is written, how long it may take and what it prints do not make another run of it"
    from robin_nb.cli import settings_of
    elsewhere = dict(preset='', out='x', minutes=1., restart=True, no_figures=True, quiet=True, dry_run=True)
    assert settings_of(elsewhere)==settings_of({})
    assert set(signature(command('robin_prune')).parameters)==set(settings_of({})) | set(elsewhere)
    assert settings_of(dict(preset='rn34-cifar10', keep=.1))['bs']==256
