"A table is one table, however it was run: whole, in parts beside each other, or killed and started again."
import csv, subprocess, sys, time
from pathlib import Path
import pytest

RUN = [str(Path(sys.executable).parent/'robin_reproduce'), 'tickets', '--data', 'stripes', '--only', 'ticket_finetune']

def start(out, *more): return subprocess.Popen([*RUN, '--out', str(out), *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

def finish(p):
    said,_ = p.communicate(timeout=300)
    assert p.returncode == 0, said
    return said

def rows(out):
    with open(out/'cells.csv', newline='') as f: return [{k: v for k,v in r.items() if k != 'seconds'} for r in csv.DictReader(f)]

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp('whole')
    finish(start(out))
    assert len(rows(out)) == 2 and (out/'tickets.md').exists()
    return out

def test_parts_beside_each_other(whole, tmp_path):
    for p in [start(tmp_path, '--shard', f'{i}/2') for i in (1,2)]: finish(p)
    assert rows(tmp_path) == rows(whole)

@pytest.mark.parametrize('mark', ['phase1/checkpoint.pt', 'phase1.pt'])
def test_killed_and_started_again(whole, tmp_path, mark):
    p = start(tmp_path)
    while not list(tmp_path.glob(f'*/{mark}')) and p.poll() is None: time.sleep(.01)
    p.kill(); p.communicate()
    assert not list(tmp_path.glob('*/report.json')), 'it was killed too late to say anything'
    finish(start(tmp_path))
    assert rows(tmp_path) == rows(whole)

def test_done_is_not_done_again(whole):
    before = {f: f.stat().st_mtime_ns for f in whole.rglob('report.json')}
    assert '2/2' in finish(start(whole))
    assert {f: f.stat().st_mtime_ns for f in whole.rglob('report.json')} == before

def test_other_settings_are_refused(whole):
    before = {f: f.stat().st_mtime_ns for f in whole.rglob('*')}
    p = start(whole, '--scale', 'small'); said,_ = p.communicate(timeout=60)
    assert p.returncode == 2 and said.count('\n') == 1 and 'choose another folder' in said
    assert {f: f.stat().st_mtime_ns for f in whole.rglob('*')} == before
