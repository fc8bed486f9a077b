"What users do: commands in a process of their own, interrupted and on a full disk. (The wheel outside the checkout: test_install.py.)"
import json, os, re, resource, shlex, signal, subprocess, sys, time
from pathlib import Path
import pytest
from pages import ROOT

BIN = Path(sys.executable).parent
QUICK = ['--data','stripes','--widths','4,8,16','--keep','.3','--bs','100','--eps','0.05','--steps','2','--quiet']

def run(*args, **kw):
    return subprocess.run([str(BIN/args[0]), *map(str, args[1:])], capture_output=True, text=True, timeout=300, **kw)

def test_help_is_the_documentation():
    said = run('robin_prune', '--help').stdout
    for words in '--keep', 'Share of all weights that stays', '--eps', '8/255': assert words in said
    for command in 'robin_evaluate','robin_info','robin_pack','robin_unpack','robin_export','robin_pages': assert run(command, '--help').returncode==0

def test_a_run_from_end_to_end(tmp_path):
    r = run('robin_prune', *QUICK, '--epochs', 2, '--out', tmp_path/'x')
    assert r.returncode==0 and not r.stdout, r.stderr
    report = json.loads((tmp_path/'x'/'report.json').read_text())
    assert report['versions']['torch'] and len(report['history'])==2 and report['test']['robust']['protocol'].startswith('PGD-20, 1 restart, Linf eps 0.05')
    assert run('robin_info', tmp_path/'x'/'model.safetensors').returncode==0
    assert run('robin_pack', tmp_path/'x'/'model.safetensors', tmp_path/'x.robin').returncode==0 and 'positions' in run('robin_info', tmp_path/'x.robin').stdout
    r = run('robin_export', tmp_path/'x.robin', tmp_path/'x.onnx'); assert r.returncode==0 and (tmp_path/'x.onnx').stat().st_size, r.stderr
    r = run('robin_evaluate', tmp_path/'x'/'model.safetensors', '--n', 100)
    assert r.returncode==0 and 'of 100 images' in r.stdout
    report = tmp_path/'x'/'evaluation.json'; r = run('robin_evaluate', '--verify', report)
    assert r.returncode==0 and r.stdout.count('0 differ')==2, r.stderr
    report.write_text(report.read_text().replace('"right": "1', '"right": "0')); r = run('robin_evaluate', '--verify', report)
    assert r.returncode==2 and r.stderr.strip()==f'robin_evaluate: {report} does not hold'

@pytest.mark.parametrize('change,words', [(['--keep','2'], 'keep is the share'), (['--eps','8'], 'write 8/255'), (['--data','nowhere'], 'no data set'), (['--widths','a,b,c'], 'whole numbers'),
                                          (['--data','blobs'], 'these models take images'), (['--minutes','-1'], 'minutes must be positive')], ids=lambda v: str(v[0]) if isinstance(v, list) else '')
def test_bad_input_gets_one_line(change, words, tmp_path):
    r = run('robin_prune', *QUICK, *change, '--out', tmp_path/'x')
    assert r.returncode==2 and words in r.stderr and len(r.stderr.strip().splitlines())==1, r.stderr
    assert 'Traceback' not in r.stderr and not (tmp_path/'x'/'model.safetensors').exists()

def test_corrupt_data_file(tmp_path):
    (tmp_path/'d.npz').write_bytes(b'PK but not really')
    r = run('robin_prune', *QUICK, '--data', tmp_path/'d.npz', '--out', tmp_path/'x')
    assert r.returncode==2 and 'not a readable .npz' in r.stderr and len(r.stderr.strip().splitlines())==1, r.stderr

def test_ctrl_c_keeps_the_checkpoint_and_resumes(tmp_path):
    args = [str(BIN/'robin_prune'), *QUICK, '--bs', '10', '--epochs', '12', '--every', '12', '--out', str(tmp_path/'x'), '--no_figures']
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)      # a job in the background inherits deafness
    p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen)
    for _ in range(1200):
        if (tmp_path/'x'/'checkpoint.pt').exists() or p.poll() is not None: break
        time.sleep(.05)
    p.send_signal(signal.SIGINT)
    _,err = p.communicate(timeout=120)
    assert p.returncode==130 and 'goes on from there' in err and 'Traceback' not in err, err
    assert sorted(f.name for f in (tmp_path/'x').iterdir())==['checkpoint.pt']
    r = subprocess.run(args, capture_output=True, text=True, timeout=300)
    assert r.returncode==0, r.stderr
    subprocess.run([*args[:-3], '--out', str(tmp_path/'whole'), '--no_figures'], check=True, timeout=300)
    def history(run): return [{k: v for k,v in r.items() if k!='seconds'} for r in json.loads((tmp_path/run/'report.json').read_text())['history']]
    assert len(history('x'))==12 and history('x')==history('whole')

def test_full_disk_writes_nothing_half(tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    r = run('robin_prune', *QUICK, '--epochs', 1, '--out', tmp_path/'x', preexec_fn=limit)
    assert r.returncode==2 and 'Traceback' not in r.stderr and len(r.stderr.strip().splitlines())==1, r.stderr
    assert not any((tmp_path/'x').iterdir())

README = (ROOT/'README.md').read_text(encoding='utf-8')

def section(title): return README.split(f'\n## {title}\n')[1].split('\n## ')[0]

def test_the_few_lines_are_five():
    "From the import to a robust accuracy with its protocol, as the README prints it"
    code,said = re.findall(r'```python\n(.*?)```\n\n```\n(.*?)```', section('A few lines'), re.S)[0]
    *lines,last = code.strip().splitlines()
    assert [*lines, last][0]=='import robin_nb as rb' and len(lines)==4 and max(map(len, lines)) < 100
    names = {}
    exec('\n'.join(lines), names)
    result = eval(last, names)
    assert result.accuracy > .6
    _,protocol = str(result).split(' images, ')
    assert said.strip().endswith(f'of 500 images, {protocol}') and 'PGD-20' in said and len(said.splitlines())==1

def asked_lines():
    "{what somebody wants: the line that does it}"
    rows = [row.strip('|').split(' | ') for row in section('How do I ...').splitlines() if row.startswith('| ')]
    return {row[0].strip(): re.fullmatch('`(.*)`', row[1].strip())[1] for row in rows[1:]}

def stand_ins():
    "What the lines take for granted: your data, model and attack, and a network found before"
    import torch, torch.nn as nn
    import robin_nb as rb
    x,y = torch.rand(48, 3, 32, 32), torch.arange(48)%10
    def my_attack(model, x, y): return .1*torch.ones_like(x)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8*15*15, 10))
    return dict(rb=rb, train=(x,y), valid=(x[:8],y[:8]), data=(x,y), model=model, my_attack=my_attack,
                net=rb.sparsify(rb.small_cnn(c_in=3), keep=.1))

WANTED = ['train on my data', 'start from my own model', 'judge my model', 'use my own attack', 'make it smaller',
          'store it in a few kilobytes', 'export it', 'use several GPUs']

@pytest.mark.parametrize('what', WANTED)
def test_how_do_i(what, tmp_path, monkeypatch):
    "Each line of the README's table does what it says"
    lines = asked_lines()
    assert list(lines)==WANTED
    line,names = lines[what],stand_ins()
    monkeypatch.chdir(tmp_path)
    if what=='export it': pytest.importorskip('onnxscript', reason="ONNX is an extra: pip install 'robin_nb[export]'")
    if what=='use several GPUs':
        pytest.importorskip('accelerate', reason="several processes are an extra: pip install 'robin_nb[train]'")
        program,*rest = shlex.split(line)
        small = ['--data','stripes','--widths','4','--epochs','1','--no_figures']      # the last word counts
        r = subprocess.run([str(BIN/program), '--standalone', *rest, *small], capture_output=True, text=True,
                           env={**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'})
        assert r.returncode==0 and list(tmp_path.rglob('report.json')), r.stderr[-2000:]
        return
    before = {n: id(v) for n,v in names.items()}
    got = eval(line, names) if '=' not in line.split('(')[0] else exec(line, names)
    made = [names[n] for n in names if n != '__builtins__' and id(names[n]) != before.get(n)]
    rb = names['rb']
    if what=='train on my data': assert len(got)==10 and got.best['clean'] is not None
    elif 'model' in what and 'start' in what: assert rb.mask_table(names['net'])[-1]['keep']=='10.00%'
    elif 'judge' in what or 'attack' in what: assert got.n==48
    elif what=='make it smaller': assert sum(p.numel() for p in made[0].parameters()) < sum(p.numel() for p in names['net'].parameters())
    else:
        file, = tmp_path.iterdir()
        assert file.stat().st_size > 1000
