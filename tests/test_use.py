"What users do: commands in a process of their own, interrupted and on a full disk. (The wheel outside the checkout: test_install.py.)"
import json, resource, signal, subprocess, sys, time
from pathlib import Path
import pytest

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
