"Whatever is wrong on a command line: one line, exit code 2, and what to write instead."
import json, sys
from itertools import count
import pytest
from robin_nb.cli import main, robin_evaluate, robin_pack, robin_prune

QUICK = '--data stripes --widths 4,8,16 --keep .3 --bs 100 --eps 0.05 --steps 2 --epochs 1 --quiet --no_figures'.split()
MODEL, number = 'x/model.safetensors', count()

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with a model, packed too, its report, and files that are something else"
    home = tmp_path_factory.mktemp('wrong')
    robin_prune(data='stripes', widths='4,8,16', keep=.3, bs=100, eps='0.05', steps=2, epochs=1, quiet=True, no_figures=True,
                out=str(home/'x'))
    robin_evaluate(str(home/MODEL), n=20)
    robin_pack(str(home/MODEL), str(home/'x.robin'))
    (home/'folder').mkdir()
    (home/'text.txt').write_text('hello')
    (home/'list.json').write_text('[1, 2]')
    (home/'foreign').mkdir()
    (home/'foreign'/'checkpoint.pt').write_bytes(b'x'*100)
    return home

def prune(line, *words): return (f'prune {line}', *words)

WRONG = [
    # ---- robin
    ('prnue', 'did you mean prune?'), ('42', 'say evaluate, export'), ('--versoin', 'say evaluate, export'),
    # ---- names
    prune('--data nothing', 'known are stripes, blobs', '.npz file'), prune('--data nothing.npz', 'no file nothing.npz'),
    prune('--data folder', 'make a folder for each class'), prune('--data text.txt', 'known are stripes'),
    prune('--data blobs', 'images (c,h,w), such as those of stripes'),
    prune('--model vgg', 'must be one of small_cnn, resnet18'), prune('--budget even', 'must be one of power'),
    prune('--budget pwoer', 'did you mean power?'), prune('--objective fast', 'must be one of clean, pgd'),
    prune('--map mask', 'must be one of scores, gain_sign'), prune('--map sign', 'must be one of scores, gain_sign'),
    prune('--init zeros', 'must be one of binary'), prune('--rules prune', 'must be one of clip'),
    prune('--norm l0', 'must be one of linf, l2, l1'), prune('--preset rn35', 'must be one of rn34-cifar10'),
    prune('--compile fast', 'must be one of default'), prune('--epoch 3', 'did you mean --epochs?'), prune('extra', '--help'),
    # ---- numbers
    prune('--widths 4,8', 'three widths'), prune('--widths a', 'such as 16,32,64'), prune('--widths 0,1,2', 'at least 1'),
    prune('--epochs -1', 'at least 1'), prune('--epochs 0', 'at least 1'), prune('--epochs 1.5', 'a whole number such as 10'),
    prune('--keep 0', 'in (0,1]'), prune('--keep 2', 'in (0,1]'), prune('--keep nan', 'in (0,1]'),
    prune('--keep 10%', 'a number such as 0.1'), prune('--keep', '--keep'),
    prune('--eps 8', 'write 8/255'), prune('--eps -1', 'at least 0'), prune('--eps nan', 'at least 0'),
    prune('--eps x', 'such as 0.1 or 8/255'), prune('--eps 8/0', 'such as 0.1 or 8/255'),
    prune('--bs 1', 'at least 2'), prune('--bs -3', 'at least 2'),
    prune('--lr -1', 'lr must be at least 0'), prune('--lr nan', 'lr must be at least 0'), prune('--norm_lr -1', 'norm_lr must be at least 0'),
    prune('--momentum 2', 'momentum must be in [0,1)'), prune('--momentum -1', 'momentum must be in [0,1)'),
    prune('--weight_decay -1', 'weight_decay must be at least 0'), prune('--warmup 1', 'in [0,1)'), prune('--every 0', 'at least 1'),
    prune('--steps 0', 'at least 1'), prune('--p 2', 'in [0,1]'), prune('--a 0', 'must be positive'),
    prune('--minutes -1', 'positive, or 0 for no limit'), prune('--minutes nan', 'positive, or 0 for no limit'),
    prune('--seed -1', 'seed must be in [0,2^64)'), prune('--seed x', 'a whole number such as 10'),
    prune('--dense --rules threshold', 'threshold', 'leave out --dense'), prune('--dense --rules threshold_each', 'leave out --dense'),
    # ---- places
    prune('--out text.txt', 'text.txt is a file', 'folder'), prune('--out text.txt/y', 'text.txt is a file', 'folder'),
    prune('--out foreign', 'not a readable checkpoint', 'choose another folder'),
    prune('--out x --keep .2', 'keep=0.3, not 0.2', 'choose another folder'),
    # ---- evaluate
    ('evaluate', 'name a model file'), ('evaluate none', 'no model file none', 'name a model file that robin_prune'),
    ('evaluate folder', 'folder is a folder', 'folder/model.safetensors'), ('evaluate text.txt', 'name a model file that robin_prune'),
    (f'evaluate {MODEL} --attack guess', 'must be one of fgsm, pgd'), (f'evaluate {MODEL} --attack pdg', 'did you mean pgd?'),
    (f'evaluate {MODEL} --eps 8', 'write 8/255'), (f'evaluate {MODEL} --steps 0', 'at least 1'),
    (f'evaluate {MODEL} --restarts 0', 'at least 1'), (f'evaluate {MODEL} --n -1', 'positive, or 0 for all'),
    (f'evaluate {MODEL} --seed -1', 'a seed must be at least 0'), (f'evaluate {MODEL} --data nothing', 'known are stripes'),
    (f'evaluate {MODEL} --data blobs', 'images (n,1,h,w)'), (f'evaluate {MODEL} --data fashion_mini', 'the model has 2 outputs'),
    (f'evaluate {MODEL} --n 20 --out folder', 'folder is a folder', 'name a file'),
    (f'evaluate {MODEL} --n 20 --out text.txt/y.json', 'text.txt is a file', 'folder'),
    ('evaluate --verify text.txt', 'not a report of robin_evaluate', 'evaluation.json'), ('evaluate --verify none.json', 'evaluation.json'),
    ('evaluate --verify folder', 'evaluation.json'), ('evaluate --verify list.json', 'evaluation.json'),
    ('evaluate --verify x/report.json', 'not a report of robin_evaluate', 'evaluation.json'),
    (f'evaluate --verify {MODEL}', 'evaluation.json'),
    (f'evaluate {MODEL} --attack autoattack --resume text.txt', 'not the state of an AutoAttack run', 'choose another file'),
    (f'evaluate {MODEL} --resume text.txt', '--attack autoattack'),
    # ---- info, pack, unpack, export
    ('info', 'required: file'), ('info none.robin', 'no model file none.robin', 'name a model file'), ('info folder', 'is a folder'),
    ('info text.txt', 'name a model file that robin_prune or robin_pack wrote'),
    (f'pack {MODEL}', 'required: out'), ('pack none y.robin', 'name a model file that robin_prune wrote'),
    (f'pack {MODEL} folder', 'must end with .robin'), (f'pack {MODEL} y.robin --statistics fp8', 'must be fp16 or fp32'),
    ('pack x.robin y.robin', 'name a model file that robin_prune wrote'), (f'pack {MODEL} y.zip', 'must end with .robin'),
    (f'unpack {MODEL} z.safetensors', 'name a model file that robin_pack wrote'), ('unpack x.robin z.robin', 'must end with .safetensors'),
    ('unpack x.robin folder', 'must end with .safetensors'), ('unpack none z.safetensors', 'name a model file that robin_pack wrote'),
    (f'export {MODEL} x.tflite', 'must end with .onnx or .pt2'), (f'export {MODEL} x.pt2 --size a,b', 'such as 28,28'),
    (f'export {MODEL} x.pt2 --size 8', 'such as 28,28'), (f'export {MODEL} x.pt2 --size 0,0', 'such as 28,28'),
    (f'export {MODEL} x.pt2 --size=-8,8', 'such as 28,28'), (f'export {MODEL} x.pt2 --size 8,8,8', 'such as 28,28'),
    ('export none x.pt2', 'name a model file'), (f'export {MODEL} text.txt/x.pt2', 'text.txt is a file', 'folder'),
    # ---- reproduce, pages
    ('reproduce nothing', 'must be one of table, ablation, tickets'), ('reproduce table --scale big', 'must be one of mini'),
    ('reproduce table --only nobody', 'must be one of at,'), ('reproduce table --shard 3/2', 'such as 2/8'),
    ('reproduce table --seeds -1 --dry_run', 'seeds must be positive, or 0'), ('reproduce tickets --minutes -1', 'minutes must be positive, or 0'),
    ('reproduce tickets --data nothing', 'known are stripes'), ('reproduce tickets --out text.txt', 'text.txt is a file', 'folder'),
    ('pages', 'required: folder'), ('pages text.txt', 'text.txt is a file', 'folder'), ('pages text.txt/y', 'text.txt is a file', 'folder'),
]

@pytest.mark.parametrize('line,words', [(line, words) for line,*words in WRONG], ids=[line for line,*_ in WRONG])
def test_a_wrong_word(line, words, home, monkeypatch, capsys):
    name,*rest = line.split()
    if name=='prune':
        rest = [*QUICK, *rest]
        if '--out' not in rest: rest += ['--out', f'new{next(number)}']
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, 'argv', ['robin', name, *rest])
    before = {f for f in home.rglob('*')}
    with pytest.raises(SystemExit) as e: main()
    said = capsys.readouterr().err
    assert e.value.code==2 and len(said.splitlines())==1, said
    for word in words: assert word in said, said
    for f in set(home.rglob('*'))-before: assert f.name.startswith('new') or f.name=='checkpoint.pt', f'{f} was written'
    assert 'Errno' not in said

def test_a_map_that_help_lists(home, monkeypatch):
    "`--map gain_sign` trains from a terminal, and the file is opened again"
    monkeypatch.chdir(home)
    for line in (['prune', *QUICK, '--map', 'gain_sign', '--out', 'gain'], ['info', 'gain/model.safetensors']):
        monkeypatch.setattr(sys, 'argv', ['robin', *line])
        main()
    assert json.loads((home/'gain'/'report.json').read_text())['config']['sparse']['map']=='gain_sign'
