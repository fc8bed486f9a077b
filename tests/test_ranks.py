"Two processes on one machine find what one finds."
import json, os, socket, subprocess, sys
import pytest, torch
from pages import ROOT

@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    "What the job found alone and on two processes"
    pytest.importorskip('accelerate', reason="several processes are an extra: pip install 'robin_nb[train]'")
    job,found = str(ROOT/'tests'/'ranks_job.py'),[]
    for world in 1,2:
        out = tmp_path_factory.mktemp(f'ranks{world}')
        command = [sys.executable, job, str(out)] if world==1 else [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', job, str(out)]
        r = subprocess.run(command, env={**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'}, capture_output=True, text=True)
        assert r.returncode==0, r.stderr[-3000:]
        found.append(torch.load(out/'found.pt'))
    return found

def test_one_gradient(runs):
    "Without batch norm and attack the first gradient is that of one process"
    one,two = runs
    for a,b in zip(one['clean']['first'], two['clean']['first']): torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-5)

def test_masks_are_the_same_on_all_processes(runs):
    for name in 'clean','start','pgd','carry': assert runs[1][name]['same'] and runs[1][name]['steps']==runs[0][name]['steps'] > 40

def test_start_noise_does_not_depend_on_the_number_of_processes(runs): assert torch.equal(runs[0]['noise'], runs[1]['noise'])

def test_rows_of_unequal_parts(runs):
    one,two = runs[0]['rows'],runs[1]['rows']
    assert torch.equal(one[[0,2,4,6,1,3,5]], two) and torch.equal(one, torch.arange(21.).view(7,3))

def test_what_is_carried_is_known_to_all(runs):
    "Every image's perturbation has been moved, whichever process saw it"
    one,two = runs[0]['canvas'],runs[1]['canvas']
    assert one.shape==two.shape and ((one-two).abs() < 1e-5).float().mean() > .9

def test_stop_and_go_on(runs):
    one,two = runs
    for r in runs: assert (r['stopped'],r['epochs'])==(2,3) and r['agree']
    assert abs(one['accuracy']-two['accuracy']) < .1

def test_the_command(tmp_path):
    "`torchrun -m robin_nb.cli prune ...`: one report; and a word to whoever forgets the command"
    pytest.importorskip('accelerate')
    out = tmp_path/'run'
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m', 'robin_nb.cli', 'prune', '--data', 'stripes', '--widths', '4,8,16',
               '--keep', '.3', '--epochs', '1', '--bs', '100', '--eps', '0.05', '--quiet', '--no_figures', '--out', str(out)]
    r = subprocess.run(command, env={**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'}, capture_output=True, text=True)
    assert r.returncode==0 and (out/'report.json').exists() and (out/'model.safetensors').exists(), r.stderr[-3000:]
    r = subprocess.run([sys.executable, '-m', 'robin_nb.cli', 'prone'], capture_output=True, text=True)
    assert r.returncode and r.stderr.startswith('robin_nb.cli: say evaluate, ') and "prune, reproduce, unpack, then what that takes; got 'prone'" in r.stderr

def free_port():
    with socket.socket() as s:
        s.bind(('localhost', 0))
        return s.getsockname()[1]

def test_two_launchers_meet(tmp_path):
    "A torchrun on each of two nodes, here on one machine: the numbers of one with two processes"
    pytest.importorskip('accelerate')
    meeting = ['--rdzv-id', '7', '--rdzv-backend', 'c10d',
               '--rdzv-endpoint', f'localhost:{free_port()}']
    def start(out, *how):
        asked = ('-m robin_nb.cli prune --data stripes --widths 4,8,16 --keep .3 --epochs 1 '
                 '--bs 100 --eps 0.05 --quiet --no_figures --out').split()
        command = [sys.executable, '-m', 'torch.distributed.run', *how, *asked, str(tmp_path/out)]
        env = {**os.environ, 'OMP_NUM_THREADS': '1', 'ACCELERATE_USE_CPU': 'true'}
        return subprocess.Popen(command, env=env)
    two = [start('nodes', '--nnodes', '2', '--nproc-per-node', '1', *meeting) for _ in range(2)]
    assert [p.wait(300) for p in two]==[0, 0]
    assert start('one', '--standalone', '--nproc-per-node', '2').wait(300)==0
    nodes,one = [json.loads((tmp_path/out/'report.json').read_text()) for out in ('nodes','one')]
    assert nodes['test']==one['test'] and nodes['history'][0]['loss']==one['history'][0]['loss']

def test_too_many_processes(runs): assert 'use fewer processes' in runs[1]['refused'] and runs[0]['refused']==''
