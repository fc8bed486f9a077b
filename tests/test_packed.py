"""Spoiled packed files: each is refused with a ValueError, or it is the file of another network, which written again gives the same bytes.

ROBIN_FUZZ=100000 python -m pytest tests/test_packed.py      the whole of it (a minute for each 20,000 or so)
"""
import json, os, random, struct, sys
from pathlib import Path
import numpy as np, pytest, torch
from robin_nb.core import set_seed
from robin_nb.maps import bake, prunable, sparsify
from robin_nb.models import build_model
from robin_nb import codec, packed
pytest.importorskip('constriction', reason="packed files are an extra: pip install 'robin_nb[pack]'")

def said(description):
    "A description as a file has it"
    return json.dumps(description, separators=(',',':')).encode()

MUTANTS = int(os.environ.get('ROBIN_FUZZ', 3000))

def example(folder, **sparse):
    "A small network whose file has every part: listed channels, stored signs, trained norms"
    config = dict(arch='small_cnn', args=dict(widths=[8,12,12], n_out=4, lbn=True, normalize=[[.3],[.4]]), sparse=dict(keep=.3, p=.5, seed=1, train_norm=True) | sparse)
    set_seed(0); net = build_model(config)
    for _ in range(3): net(torch.rand(16,1,12,12))
    net = bake(net)
    with torch.no_grad():
        net.bn1.bias.uniform_(-.5, .5); net.conv2.weight[1::2] = 0; net.conv3.weight[:,1::2] = 0
        if sparse.get('seed')==2: net.fc.weight.neg_()
    file = folder/f"{sparse.get('seed', 1)}.robin"; packed.save_packed(net, file, config, 'fp32' if sparse.get('seed')==3 else 'fp16')
    return file

def mutant(data, rng):
    "A spoiled copy of `data`, nine times of ten with a hash that fits again"
    parts = packed.split_parts(data); how = rng.randrange(8)
    if rng.random() < .1:                                             # the file as such
        b = bytearray(data); where = rng.randrange(len(b))
        if how < 4: b[where] ^= 1 << rng.randrange(8)
        elif how < 6: del b[where:]
        else: b[where:where] = rng.randbytes(rng.randrange(1, 40))
        return bytes(b)
    name = rng.choice(packed.PARTS); b = bytearray(parts[name]); where = rng.randrange(len(b)) if b else 0
    if name=='layers' and how < 4:                                    # numbers that are well written and wrong
        numbers = codec.read_numbers(bytes(b)); numbers[rng.randrange(len(numbers))] = rng.choice([0, 1, 2, 7, 127, 128, 2**16, 2**31, 2**32-1, 2**40, rng.randrange(200)]); b = bytearray(codec.write_numbers(numbers))
    elif name=='description' and how < 4:
        d = json.loads(bytes(b)); where,key = rng.choice([(d, k) for k in d] + [(d['config'], k) for k in d['config']] + [(d['config'][g], k) for g in ('args','sparse') for k in d['config'][g]])
        where[key] = rng.choice([None, True, 0, -1, 3, 10**6, 10**30, 1.5, float('nan'), 'fp32', 'stored', 'drawn', [], [8,8,8], [8]*5, {}, {'seed': 3}, 'x'*200]); b = bytearray(said(d))
    elif name=='norms' and b and how < 4: b[where & ~1:(where & ~1)+2] = np.array([rng.choice([np.inf, np.nan, -65504, 65504, 0, -17, rng.gauss(0, 10)])], '<f2').tobytes()
    elif how < 5 and b: b[where] ^= 1 << rng.randrange(8)
    elif how < 6 and b: b[where] = rng.randrange(256)
    elif how < 7: b[where:where] = rng.randbytes(rng.randrange(1, 9))
    else: del b[where:where+rng.randrange(1, 9)]
    return packed.join_parts(parts | {name: bytes(b)})

def outcome(data, file, again):
    "'refused' or 'another network'; anything else fails"
    file.write_bytes(data)
    try: net,config = packed.load_packed(file, max_weights=10**6)
    except ValueError: return 'refused'
    packed.save_packed(net, again, config, json.loads(packed.split_parts(data)['description'])['statistics'])
    assert again.read_bytes()==data, 'written again, it is another file'
    return 'another network'

def test_spoiled_files(tmp_path):
    files = [example(tmp_path), example(tmp_path, seed=2), example(tmp_path, init='scaled', seed=3)]
    for f in files: assert f.stat().st_size < 20_000; assert outcome(f.read_bytes(), tmp_path/'x.robin', tmp_path/'y.robin')=='another network'
    rng,seen = random.Random(0),{}
    for j in range(MUTANTS):
        data = mutant(files[j%3].read_bytes(), rng)
        try: o = outcome(data, tmp_path/'x.robin', tmp_path/'y.robin')
        except BaseException: (tmp_path/'culprit.robin').write_bytes(data); raise
        seen[o] = seen.get(o, 0)+1
    print(seen)
    assert seen['refused'] > MUTANTS/3

def test_hostile_sizes(tmp_path):
    "Counts that would need more memory than there is are refused before anything is allocated"
    f = example(tmp_path); parts = packed.split_parts(f.read_bytes()); d = json.loads(parts['description'])
    for args in dict(widths=[60_000]*3, n_out=4), dict(widths=[10**9]*3), dict(widths=[8,12,12]*10**5), dict(c_in=65_536, widths=[2000,8,8]):
        d['config']['args'] = args; f.write_bytes(packed.join_parts(parts | dict(description=said(d))))
        with pytest.raises(ValueError, match='description'): packed.load_packed(f)
    f.write_bytes(b'ROBIN\x01' + struct.pack('<I', 2**32-1) + b'x'*100)
    with pytest.raises(ValueError, match='hash'): packed.load_packed(f)
    for deep in b'['*60_000, b'{"config":'*6_000, b'1'*60_000:
        f.write_bytes(packed.join_parts(parts | dict(description=deep)))
        with pytest.raises(ValueError, match='description'): packed.load_packed(f)

def test_big_network(tmp_path):
    "A whole ResNet-34, to 225 kB and back; and half of its channels empty, below the limit of a random mask"
    config = dict(arch='resnet', args=dict(depth=34), sparse=dict(keep=.01, p=.1, seed=5)); f = tmp_path/'big.robin'
    set_seed(0); net = build_model(config).eval(); packed.save_packed(net, f, config); back,config_there = packed.load_packed(f)
    assert f.stat().st_size <= 225_000 and config_there==config
    for a,b in zip(prunable(net).values(), prunable(back).values()): assert torch.equal(a.weight, b.weight)
    with torch.no_grad(): x = torch.rand(2,3,32,32); torch.testing.assert_close(net(x), back(x), rtol=0, atol=.05*net(x).std().item())
