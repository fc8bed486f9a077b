"`--json`: stdout is one document with the facts that a command prints, and words go to stderr."
import json, os, subprocess, sys
import pytest
from robin_nb.command import COMMANDS, main
from robin_nb.cli import robin_info
from pages import ROOT

QUICK = ['--data', 'stripes', '--widths', '4,8,16', '--keep', '.3', '--bs', '100', '--eps', '0.05', '--steps', '2',
         '--epochs', '1']

def strict(text):
    "The document in `text`; NaN and Infinity are none of JSON"
    def refused(constant): raise ValueError(constant)
    return json.loads(text, parse_constant=refused)

@pytest.fixture(scope='module')
def found(tmp_path_factory):
    "(folder, what `prune --json` says), from a process of its own"
    out = tmp_path_factory.mktemp('json')
    r = subprocess.run([sys.executable, '-m', 'robin_nb.cli', 'prune', *QUICK, '--out', str(out/'x'), '--json'],
                       capture_output=True, text=True)
    assert r.returncode==0 and 'epoch' in r.stderr and 'bytes, in' in r.stderr, r.stderr
    return out, strict(r.stdout)

@pytest.fixture
def said(monkeypatch, capsys):
    "What a command line says: the document, and its words"
    def run(*line):
        monkeypatch.setattr(sys, 'argv', ['robin', *map(str, line), '--json'])
        main()
        out,err = capsys.readouterr()
        return strict(out), err
    return run

def test_prune(found):
    out,report = found
    assert report.pop('folder')==str(out/'x')
    assert report==json.loads((out/'x'/'report.json').read_text())

def test_evaluate(found, said):
    file = found[0]/'x'/'model.safetensors'
    report,words = said('evaluate', file, '--n', 100)
    assert report==json.loads((found[0]/'x'/'evaluation.json').read_text())
    assert len(report['results'][1]['right'])==100 and 'PGD-20' in words and 'standing' in words
    rows,words = said('evaluate', '--verify', found[0]/'x'/'evaluation.json')
    assert {r['verdict'] for r in rows}=={'good'} and 'verdict' in words

@pytest.mark.parametrize('attack,n', [('check', 5), ('curve', 8)])
def test_check_and_curve(found, said, attack, n):
    report,words = said('evaluate', found[0]/'x'/'model.safetensors', '--attack', attack, '--n', 50, '--steps', 2)
    assert len(report['attack'])==n and report['clean']['images']==50
    assert all(k in words for k in report['attack'][0])

def test_files(found, said):
    "info, pack, unpack, export"
    out = found[0]
    file, robin, plain, program = out/'x'/'model.safetensors', out/'x.robin', out/'plain.safetensors', out/'x.pt2'
    def size(f): return f.stat().st_size
    info,words = said('info', file)
    assert info['settings']['keep']==.3 and info['layers']==found[1]['layers'] and info['bytes']==found[1]['bytes']
    assert info['files']=={str(file): size(file)} and 'conv2' in words
    packed,_ = said('pack', file, robin)
    assert packed['files']=={str(file): size(file), str(robin): size(robin)}
    assert {p['part'] for p in packed['parts']} >= {'positions', 'all'}
    info,words = said('info', robin)
    assert info['parts']==packed['parts'] and info['files']=={str(robin): size(robin)} and 'positions' in words
    assert said('unpack', robin, plain)[0]==dict(files={str(robin): size(robin), str(plain): size(plain)})
    made,words = said('export', robin, program)
    assert made['files']=={str(robin): size(robin), str(program): size(program)} and made['shape']==[1,8,8]
    assert made['layers'][-1]['layer']=='all' and 'multiplications' in words

def test_reproduce(said):
    cells,words = said('reproduce', 'tickets', '--only', 'ours', '--dry_run')
    assert cells and all(c in words for c in cells)

def test_reproduce_rows(said, monkeypatch, tmp_path):
    import robin_nb as rb
    tiny = rb.reproduce.SCALES['mini'] | dict(data='stripes', epochs=1, keeps=[.3], n=50, images=200, args=dict(widths=[4,8,16]))
    monkeypatch.setitem(rb.reproduce.SCALES, 'mini', tiny)
    rows,words = said('reproduce', 'tickets', '--only', 'ours', '--out', tmp_path/'r')
    assert [r['recipe'] for r in rows]==['ours'] and rows[0]['images']==50 and '1/1' in words

def test_pages(said, tmp_path):
    made,_ = said('pages', tmp_path/'book')
    assert made['folder']==str(tmp_path/'book') and made['copied'] > 40 and made['kept']==0
    again,words = said('pages', tmp_path/'book')
    assert again==made | dict(copied=0, kept=made['copied']) and 'left alone' in words

@pytest.mark.parametrize('name', COMMANDS)
def test_wrong_words_are_a_line(name, monkeypatch, capsys):
    "An error is none of JSON: a line on stderr, and exit code 2"
    bare = dict(robin_prune=['--keep','2'], robin_pages=['/dev/null/x'], robin_reproduce=['nothing']).get(name, ['none','x.onnx'])
    if name in ('robin_info','robin_evaluate'): bare = ['none']
    monkeypatch.setattr(sys, 'argv', [name, *bare, '--json'])
    with pytest.raises(SystemExit) as e: main()
    out,err = capsys.readouterr()
    assert e.value.code==2 and not out and len(err.splitlines())==1, err

def test_numbers_that_are_none(monkeypatch, capsys):
    "NaN and infinity are null"
    from robin_nb.command import command
    def robin_odd(): return dict(a=float('nan'), b=[float('inf')], c=(1,2))
    command(robin_odd)
    try:
        monkeypatch.setattr(sys, 'argv', ['robin_odd', '--json'])
        main()
    finally: del COMMANDS['robin_odd']
    assert strict(capsys.readouterr().out)==dict(a=None, b=[None], c=[1,2])

def test_from_python(found, capsys):
    "A function prints its tables and returns the facts; with json=True it prints the document"
    file = str(found[0]/'x'/'model.safetensors')
    info = robin_info(file)
    assert 'conv2' in capsys.readouterr().out
    assert robin_info(file, json=True)==info
    assert strict(capsys.readouterr().out)['bytes']==info['bytes']

def test_two_processes(tmp_path):
    "One document from all of them"
    pytest.importorskip('accelerate', reason="several processes are an extra: pip install 'robin_nb[train]'")
    line = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m', 'robin_nb.cli', 'prune',
            *QUICK, '--no_figures', '--out', str(tmp_path/'x'), '--json']
    r = subprocess.run(line, env={**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'}, capture_output=True, text=True, cwd=ROOT)
    assert r.returncode==0 and strict(r.stdout)['finished'], r.stderr[-3000:]
