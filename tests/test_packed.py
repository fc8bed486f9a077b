"""Spoiled packed files: each is refused with a ValueError, or it is the file of another network,
which written again gives the same bytes.

The whole of it (a minute for each 10,000 or so):

    ROBIN_FUZZ=100000 python -m pytest tests/test_packed.py
"""
import collections, json, os, random, struct
from importlib.resources import files
import numpy as np, pytest, torch, torch.nn as nn
from robin_nb.codec import read_numbers, write_numbers
from robin_nb.core import set_seed
from robin_nb.matrices import prunable
from robin_nb.maps import bake
from robin_nb.models import ARCHS
from robin_nb.files import build_model
from robin_nb.packed import PARTS, join_parts, load_packed, packed_table, save_packed, split_parts
WHY = "packed files are an extra: pip install 'robin_nb[pack]'"
pytest.importorskip('constriction', reason=WHY)

MUTANTS = int(os.environ.get('ROBIN_FUZZ', 3000))

def said(description):
    "A description as a file has it"
    return json.dumps(description, separators=(',',':')).encode()

def example(folder, **sparse):
    "A small network whose file has every part: listed channels, stored signs, trained norms"
    args = dict(widths=[8,12,12], n_out=4, lbn=True, normalize=[[.3],[.4]])
    sparse = dict(keep=.3, p=.5, seed=1, train_norm=True) | sparse
    config = dict(arch='small_cnn', args=args, sparse=sparse)
    set_seed(0)
    net = build_model(config)
    for _ in range(3):
        net(torch.rand(16,1,12,12))
    net = bake(net)
    seed = sparse['seed']
    with torch.no_grad():
        net.bn1.bias.uniform_(-.5, .5)
        net.conv2.weight[1::2] = 0
        net.conv3.weight[:,1::2] = 0
        if seed==2:
            net.fc.weight.neg_()
    file = folder/f'{seed}.robin'
    save_packed(net, file, config, 'fp32' if seed==3 else 'fp16')
    return file

# ---- mutants -----------------------------------------------------------------------------------
COUNTS = [0, 1, 2, 7, 127, 128, 2**16, 2**31, 2**32-1, 2**40]
VALUES = [None, True, 0, -1, 3, 10**6, 10**30, 1.5, float('nan'), 'fp32', 'stored', 'drawn', [],
          [8,8,8], [8]*5, {}, {'seed': 3}, 'x'*200]

def spoil_bytes(b, how, rng):
    "Change, put in or take away bytes of `b`"
    where = rng.randrange(len(b)) if b else 0
    if how < 5 and b:
        b[where] ^= 1 << rng.randrange(8)
    elif how < 6 and b:
        b[where] = rng.randrange(256)
    elif how < 7:
        b[where:where] = rng.randbytes(rng.randrange(1, 9))
    else:
        del b[where:where+rng.randrange(1, 9)]
    return b

def spoil_file(data, how, rng):
    "The file as such, so that its hash is wrong"
    b,where = bytearray(data), rng.randrange(len(data))
    if how < 4:
        b[where] ^= 1 << rng.randrange(8)
    elif how < 6:
        del b[where:]
    else:
        b[where:where] = rng.randbytes(rng.randrange(1, 40))
    return bytes(b)

def spoil_numbers(b, rng):
    "Numbers that are well written and wrong"
    numbers = read_numbers(bytes(b))
    numbers[rng.randrange(len(numbers))] = rng.choice([*COUNTS, rng.randrange(200)])
    return write_numbers(numbers)

def spoil_description(b, rng):
    d = json.loads(bytes(b))
    inside = [d, d['config'], d['config']['args'], d['config']['sparse']]
    where,key = rng.choice([(part, key) for part in inside for key in part])
    where[key] = rng.choice(VALUES)
    return said(d)

def spoil_norms(b, rng):
    where = rng.randrange(len(b)) & ~1
    v = rng.choice([np.inf, np.nan, -65504, 65504, 0, -17, rng.gauss(0, 10)])
    b[where:where+2] = np.array([v], '<f2').tobytes()
    return b

def mutant(data, rng):
    "A spoiled copy of `data`, nine times of ten with a hash that fits again"
    parts,how = split_parts(data), rng.randrange(8)
    if rng.random() < .1:
        return spoil_file(data, how, rng)
    name = rng.choice(PARTS)
    b = bytearray(parts[name])
    known = dict(layers=spoil_numbers, description=spoil_description, norms=spoil_norms)
    if name in known and b and how < 4:
        b = known[name](b, rng)
    else:
        b = spoil_bytes(b, how, rng)
    return join_parts(parts | {name: bytes(b)})

def outcome(data, file, again):
    "'refused' or 'another network'; anything else fails"
    file.write_bytes(data)
    try:
        net,config = load_packed(file, max_weights=10**6)
    except ValueError:
        return 'refused'
    save_packed(net, again, config, json.loads(split_parts(data)['description'])['statistics'])
    assert again.read_bytes()==data, 'written again, it is another file'
    return 'another network'

def test_spoiled_files(tmp_path):
    x,y,sane = tmp_path/'x.robin', tmp_path/'y.robin', []
    for f in example(tmp_path), example(tmp_path, seed=2), example(tmp_path, init='scaled', seed=3):
        sane.append(f.read_bytes())
        assert len(sane[-1]) < 20_000
        assert outcome(sane[-1], x, y)=='another network'
    rng,seen = random.Random(0), collections.Counter()
    for j in range(MUTANTS):
        data = mutant(sane[j%3], rng)
        try:
            seen[outcome(data, x, y)] += 1
        except BaseException:
            (tmp_path/'culprit.robin').write_bytes(data)
            raise
    print(dict(seen))
    assert seen['refused'] > MUTANTS/3

# ---- what is refused before anything is made ---------------------------------------------------
def test_hostile_sizes(tmp_path):
    "Counts that would need more memory than there is are refused before anything is allocated"
    f = example(tmp_path)
    parts = split_parts(f.read_bytes())
    d = json.loads(parts['description'])
    for args in (dict(widths=[60_000]*3, n_out=4), dict(widths=[10**9]*3),
                 dict(widths=[8,12,12]*10**5), dict(c_in=65_536, widths=[2000,8,8])):
        d['config']['args'] = args
        f.write_bytes(join_parts(parts | dict(description=said(d))))
        with pytest.raises(ValueError, match='description'):
            load_packed(f)
    f.write_bytes(b'ROBIN\x01' + struct.pack('<I', 2**32-1) + b'x'*100)
    with pytest.raises(ValueError, match='hash'):
        load_packed(f)
    for deep in b'['*60_000, b'{"config":'*6_000, b'1'*60_000:
        f.write_bytes(join_parts(parts | dict(description=deep)))
        with pytest.raises(ValueError, match='description'):
            load_packed(f)

# ---- what is written ---------------------------------------------------------------------------
def test_big_network(tmp_path):
    "A whole ResNet-34, to 225 kB and back"
    config = dict(arch='resnet', args=dict(depth=34), sparse=dict(keep=.01, p=.1, seed=5))
    f = tmp_path/'big.robin'
    set_seed(0)
    net = build_model(config).eval()
    save_packed(net, f, config)
    back,config_there = load_packed(f)
    assert f.stat().st_size <= 225_000 and config_there==config
    for a,b in zip(prunable(net).values(), prunable(back).values()):
        assert torch.equal(a.weight, b.weight)
    x = torch.rand(2,3,32,32)
    with torch.no_grad():
        torch.testing.assert_close(net(x), back(x), rtol=0, atol=.05*net(x).std().item())

ZOO = sorted(f for f in (files('robin_nb')/'zoo').iterdir() if f.name.endswith('.robin'))

@pytest.mark.parametrize('file', ZOO, ids=lambda f: f.name)
def test_the_zoo_is_written_as_it_was(file, tmp_path):
    "The format has not changed: a network of the zoo, written again, is the same file"
    net,config = load_packed(file)
    save_packed(net, tmp_path/'x.robin', config)
    assert (tmp_path/'x.robin').read_bytes()==file.read_bytes()

def test_any_memory_format(tmp_path):
    "A network that was trained with channels last has the file of the same network"
    f = example(tmp_path)
    net,config = load_packed(f)
    save_packed(net.to(memory_format=torch.channels_last), tmp_path/'x.robin', config)
    assert (tmp_path/'x.robin').read_bytes()==f.read_bytes()

def test_a_network_that_keeps_everything(tmp_path):
    config = dict(arch='small_cnn', args={}, sparse=dict(keep=1., seed=0))
    save_packed(build_model(config), tmp_path/'x.robin', config)
    assert packed_table(tmp_path/'x.robin')[-1]['bytes']==0

def toy(n_out=3, width=6, slope=.1, bias=True):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, bias=bias), nn.LeakyReLU(slope), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, n_out, bias=bias))

@pytest.mark.parametrize('args', [{}, dict(width=9, slope=2), dict(bias=False)])
def test_a_registered_architecture(tmp_path, args):
    "Without norms, with biases, with arguments of every kind"
    config = dict(arch='toy', args=args, sparse=dict(keep=.5, seed=1))
    f,x = tmp_path/'toy.robin', torch.rand(4,1,9,9)
    with ARCHS.having('toy', toy):
        net = build_model(config).eval()
        save_packed(net, f, config)
        back,_ = load_packed(f)
    torch.testing.assert_close(back(x), net(x))
    with pytest.raises(ValueError, match='which ARCHS does not know'):
        load_packed(f)

@pytest.mark.parametrize('args', [
    dict(width=0), dict(width=10**6), dict(width=True), dict(bias=1), dict(slope='x'),
    dict(n_out=[3.5]), dict(depth=3), dict(width=[4,'4'])])
def test_arguments_of_another_kind(tmp_path, args):
    with ARCHS.having('toy', toy):
        net = toy()
        with pytest.raises(ValueError, match=f'{next(iter(args))} must be|no argument'):
            save_packed(net, tmp_path/'x.robin', dict(arch='toy', args=args))
