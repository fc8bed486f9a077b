"Your own data through the one door: arrays, data sets, dicts, folders; what is bad is said in one line."
import json
import subprocess
import sys
from collections import UserDict
from pathlib import Path
from types import SimpleNamespace
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
import robin_nb as rb
import robin_nb.cli
from robin_nb.data import Files, as_data, as_loader, import_torchvision, load_data, split
from robin_nb.evaluate import judge
from robin_nb.objectives import clean
from robin_nb.train import fit

BYTES = np.random.default_rng(0).integers(0, 256, (40, 12, 20, 3), dtype=np.uint8)
LABELS = np.arange(40)%2
FIRST = torch.from_numpy(BYTES.transpose(0, 3, 1, 2).copy())         # (n,c,h,w)

def batch(thing, bs=40):
    x,y,_ = next(iter(as_loader(thing, bs)))
    return x, y

def said(call, *args, **kw):
    "The one line in which `call` refuses"
    with pytest.raises(ValueError) as caught:
        call(*args, **kw)
    line = str(caught.value)
    assert len(line.splitlines())==1 and len(line) < 400, line
    return line

class Named:
    "As a Hugging Face data set: a length, items by their place, each a dict; no Dataset of torch"
    def __init__(self, n=40, **columns):
        self.n, self.columns = n, columns
    def __len__(self):
        return self.n
    def __getitem__(self, j):
        return {name: column[j] for name,column in self.columns.items()}

def pil(mode='RGB'):
    return [Image.fromarray(x).convert(mode) for x in BYTES]

# ---- any data ----

@pytest.mark.parametrize('kind', [np.asarray, torch.as_tensor])
@pytest.mark.parametrize('x,as_first', [
    (BYTES, FIRST), (FIRST.numpy(), FIRST), (BYTES[..., 0], FIRST[:, :1]),
    (BYTES[..., :1], FIRST[:, :1]), (BYTES[..., [0, 1, 2, 0]], FIRST[:, [0, 1, 2, 0]])],
    ids=['nhwc', 'nchw', 'nhw', 'nhw1', 'nhw4'])
@pytest.mark.parametrize('scaled', [False, True])
def test_arrays_of_any_form(kind, x, as_first, scaled):
    x = (x/255).astype(np.float32) if scaled else x
    for thing in (kind(x), LABELS), TensorDataset(torch.as_tensor(x), torch.as_tensor(LABELS)):
        got,y = batch(thing)
        assert got.dtype==torch.float32 and y.tolist()==LABELS.tolist()
        expected = as_first/255 if not scaled or x.ndim==4 else as_first[:, 0]/255   # or a sequence
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)

def test_what_could_be_read_in_two_ways_is_not_guessed():
    tiny = np.zeros((5, 3, 8, 3), dtype=np.uint8)
    assert 'torch.from_numpy' in said(batch, (tiny, LABELS[:5]))
    assert batch((torch.from_numpy(tiny), LABELS[:5]))[0].shape==(5, 3, 8, 3)   # torch's own form

@pytest.mark.parametrize('x', [FIRST.numpy().astype(np.uint16), FIRST.long()])
def test_other_whole_numbers_are_no_pixels(x):
    words = said(batch, (x, LABELS))
    assert 'uint8' in words and '[0,1]' in words and str(x.dtype).split('.')[-1] in words

@pytest.mark.parametrize('picture', ['image', 'img', 'pixel_values', 'x'])
@pytest.mark.parametrize('label', ['label', 'labels', 'y'])
@pytest.mark.parametrize('x', [pil(), BYTES, FIRST], ids=['pil', 'numpy', 'tensor'])
def test_items_that_are_dicts(picture, label, x):
    got,y = batch(Named(**{picture: x, label: LABELS.tolist(), 'id': LABELS}))
    assert torch.equal(got, FIRST/255) and y.tolist()==LABELS.tolist()

def test_batches_that_are_dicts():
    "As transformers' loaders and processors give them"
    dl = DataLoader(Named(pixel_values=FIRST/255, labels=LABELS), 8)
    found = [*as_loader(dl)]
    assert len(found)==5 and torch.equal(torch.cat([x for x,_,_ in found]), FIRST/255)
    assert torch.cat([i for _,_,i in found]).tolist()==[*range(40)]
    feature = UserDict(pixel_values=FIRST[:4], labels=torch.arange(4))
    assert batch([feature])[1].tolist()==[0, 1, 2, 3]

def test_dicts_with_other_keys_are_refused_by_name():
    line = said(batch, Named(photo=BYTES, label=LABELS))
    assert 'photo, label' in line and 'image, img, pixel_values or x' in line
    assert 'rename_column' in line
    line = said(batch, Named(img=BYTES, fine_label=LABELS, coarse_label=LABELS))
    assert 'fine_label, coarse_label' in line and 'label, labels or y' in line
    line = said(batch, Named(img=BYTES, x=BYTES, y=LABELS))
    assert 'img and x' in line
    assert 'img and x' in said(lambda: [*as_loader([dict(img=FIRST, x=FIRST, y=LABELS)])])

def test_a_dict_of_parts_is_not_a_data_set():
    parts = dict(train=Named(image=BYTES, label=LABELS), test=Named(image=BYTES, label=LABELS))
    for call in as_loader, as_data:
        assert 'train, test' in said(call, parts)

def test_training_and_judging_take_them():
    whole = Named(image=pil(), label=LABELS.tolist())
    net = rb.small_cnn(c_in=3, n_out=2, widths=(2, 2, 2))
    history = fit(net, whole, 1, clean)
    assert len(history)==1 and len(as_data(whole).valid.dataset)==8
    assert judge(net, whole, n=10).n==10
    four = torch.rand(20, 4, 9, 14), torch.arange(20)%2
    net = rb.small_cnn(c_in=4, n_out=2, widths=(2, 2, 2))
    assert len(fit(net, four, 1, clean, attack=rb.pgd(rb.Linf(.1), 1)))==1

class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(FIRST/255, LABELS))

@pytest.mark.parametrize('thing', [Stream(), DataLoader(Stream(), 4)])
def test_a_stream_has_no_length(thing):
    assert 'has no length' in said(as_loader, thing)

def save(folder, sizes=((12, 12),), n=6, kinds=('cat', 'dog'), mode='RGB', ext='jpg'):
    "`n` pictures in a folder for each kind, one half dark and the other light"
    for j,kind in enumerate(kinds):
        (folder/kind).mkdir(parents=True, exist_ok=True)
        for k in range(n):
            picture = Image.new('RGB', sizes[k%len(sizes)], (40+5*k, 60, 60) if j%2 else (200, 180, 160))
            picture.convert(mode).save(folder/kind/f'{k}.{ext}')
    return folder

def test_image_folder_without_a_transform(tmp_path):
    sets = import_torchvision().datasets
    ds = sets.ImageFolder(save(tmp_path/'one'))
    x,y = batch(ds)
    assert x.shape==(12, 3, 12, 12) and abs(x[0,0,0,0]*255-200) < 3
    ds = sets.ImageFolder(save(tmp_path/'two', sizes=((12, 12), (20, 16))))
    line = said(batch, ds)
    assert '3x12x12' in line and '3x16x20' in line and 'Resize' in line and 'load_data' in line

@pytest.mark.parametrize('workers', [0, 1])
def test_a_loader_that_cannot_put_its_pictures_together(workers):
    for pictures in pil(), [*FIRST[:20], *FIRST[20:, :, 1:]]:
        dl = DataLoader(Named(image=pictures, label=LABELS), 40, num_workers=workers)
        assert 'give the data set itself' in said(batch, dl)

def test_a_broken_picture_of_a_users_folder_is_named(tmp_path):
    sets = import_torchvision().datasets
    file = save(tmp_path)/'dog'/'3.jpg'
    file.write_bytes(file.read_bytes()[:300])
    assert str(file) in said(batch, sets.ImageFolder(tmp_path))

# ---- labels ----

@pytest.mark.parametrize('labels,words', [
    (['cat']*40, 'str'), ([0, 'cat']*20, 'int and str'), ([0, .5]*20, 'float'), ([None]*40, 'NoneType')])
def test_labels_are_whole_numbers(labels, words):
    class Pairs(Dataset):
        def __len__(self):
            return 40
        def __getitem__(self, j):
            return FIRST[j]/255, labels[j]
    for thing in Pairs(), Named(image=BYTES, label=labels), (FIRST, labels), (FIRST, np.array(labels)):
        line = said(batch, thing)
        assert 'labels must be' in line and 'whole numbers' in line
    assert words in said(batch, Pairs())

# ---- no test part ----

def no_test(tmp_path, how):
    if how=='npz':
        np.savez(tmp_path/'d.npz', train_images=BYTES, train_labels=LABELS)
        return tmp_path/'d.npz'
    save(tmp_path/'d'/'train' if how=='train' else tmp_path/'d')
    return tmp_path/'d'

@pytest.mark.parametrize('how', ['npz', 'train', 'folder'])
def test_without_a_test_part(how, tmp_path):
    dls = load_data(no_test(tmp_path, how), bs=4)
    assert dls.test is None and dls.n_classes==2 and len(dls.valid.dataset) > 1
    total = 40 if how=='npz' else 12
    assert len(dls.train.dataset)+len(dls.valid.dataset)==total       # nothing else was held out
    net = rb.small_cnn(c_in=3, n_out=2, widths=(2, 2, 2))
    for call in judge, rb.autoattack, rb.check_attack:
        line = said(call, net, dls.test, *[rb.Linf(.1)][:call is not judge])
        assert 'no test part' in line and 'dls.valid' in line and 'test_images' in line

def test_half_a_test_part_is_a_mistake(tmp_path):
    np.savez(tmp_path/'d.npz', train_images=BYTES, train_labels=LABELS, test_images=BYTES)
    assert 'lacks test_labels' in said(load_data, tmp_path/'d.npz')

def test_registered_data_without_a_test_part():
    with rb.data.DATA.having('own', lambda: rb.data.Parts((FIRST, LABELS))):
        assert load_data('own').test is None

def test_val_beside_test_is_the_validation_part(tmp_path):
    for part,n in ('train', 6), ('val', 3), ('test', 2):
        save(tmp_path/part, n=n)
    dls = load_data(tmp_path, bs=4)
    assert [len(dl.dataset) for dl in (dls.train, dls.valid, dls.test)]==[12, 6, 4]

# ---- small data ----

@pytest.mark.parametrize('counts', [(40, 40), (50, 20, 10), (5,)*10, (3, 80), (2, 60), (1, 30)])
def test_each_class_gives_its_share_of_few_pictures(counts):
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    train,valid = split(len(y), y=y)
    assert len(valid)==len(y)//5
    assert torch.equal(torch.cat((train, valid)).sort().values, torch.arange(len(y)))
    for c,n in enumerate(counts):
        k = (y[valid]==c).sum()
        assert (y[train]==c).any() and (k > 0)==(n > 1) and abs(k-n/5) <= 1
    x = torch.rand(len(y), 1, 4, 4)
    assert torch.equal(as_data((x, y)).valid.dataset.y, y[valid])

def test_many_pictures_are_parted_as_they_were():
    y = torch.arange(5000)%10
    assert torch.equal(split(5000, y=y)[1], split(5000)[1])

@pytest.mark.parametrize('sizes,size', [
    (((64, 64),), 64), (((48, 64),), 48), (((28, 28),), 28), (((500, 400), (900, 700)), 64)])
def test_pictures_of_a_folder_get_a_size_that_fits(sizes, size, tmp_path):
    save(tmp_path, sizes=sizes)
    assert load_data(tmp_path).shape==(3, size, size)
    assert load_data(tmp_path, size=16).shape==(3, 16, 16)

def test_pictures_that_fit_are_left_as_they_are(tmp_path):
    for j,x in enumerate(BYTES[:, :, :12]):
        (tmp_path/f'{j%2}').mkdir(exist_ok=True)
        Image.fromarray(x).save(tmp_path/f'{j%2}'/f'{j:02}.png')
    x = Files(tmp_path)[range(40)][0]
    assert torch.equal(x[:20], FIRST[::2, :, :, :12]/255)

def test_mean_and_deviation_are_those_of_the_pictures(tmp_path):
    dls = load_data(save(tmp_path))
    x = dls.train.dataset[range(len(dls.train.dataset))][0]
    for c in range(3):
        assert abs(dls.mean[c]-x[:, c].mean()) < 1e-3 and abs(dls.std[c]-x[:, c].std()) < 1e-3

# ---- pictures of every kind ----

RED = Image.new('RGB', (16, 16), (200, 30, 60))

def kept(picture, folder, name='a.png', **kw):
    for kind in 'one','two':
        (folder/kind).mkdir(exist_ok=True)
    picture.save(folder/'one'/name, **kw)
    RED.save(folder/'two'/'red.png')
    return Files(folder)[[0]][0][0]*255

def clear(mode):
    "Red, its left half transparent with green hidden under it"
    picture = RED.convert('RGBA')
    ImageDraw.Draw(picture).rectangle((0, 0, 7, 15), fill=(0, 255, 0, 0))
    if mode=='P':
        palette = Image.new('P', (16, 16), 1)
        palette.putpalette([0, 255, 0, 200, 30, 60])
        ImageDraw.Draw(palette).rectangle((0, 0, 7, 15), fill=0)
        return palette
    return picture

@pytest.mark.parametrize('picture,name,kw', [
    (RED.convert('P', palette=Image.Palette.ADAPTIVE), 'a.png', {}),
    (RED.convert('P', palette=Image.Palette.ADAPTIVE), 'a.gif', {}),
    (RED.convert('CMYK'), 'a.jpg', dict(quality=95)), (RED.convert('RGBA'), 'a.png', {})],
    ids=['palette', 'gif', 'CMYK', 'RGBA'])
def test_colours_stay(picture, name, kw, tmp_path):
    x = kept(picture, tmp_path, name, **kw)
    assert x.shape==(3, 16, 16)
    assert (x-torch.tensor([200., 30, 60])[:, None, None]).abs().max() < 4

@pytest.mark.parametrize('picture,kw', [(clear('P'), dict(transparency=0)), (clear('RGBA'), {})],
                         ids=['palette', 'RGBA'])
def test_transparent_is_white(picture, kw, tmp_path):
    x = kept(picture, tmp_path, **kw)
    assert (x[:, :, :8]==255).all() and x[:, 0, 12].tolist()==[200, 30, 60]

def test_grey_and_transparent(tmp_path):
    picture = Image.new('LA', (16, 16), (90, 255))
    picture.putpixel((0, 0), (90, 0))
    x = kept(picture, tmp_path)
    assert x.shape==(3, 16, 16) and x[:, 5, 5].tolist()==[90]*3 and x[:, 0, 0].tolist()==[255]*3

def test_16_bits_are_scaled(tmp_path):
    deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for name in 'a.png', 'a.tif':
        folder = tmp_path/name
        folder.mkdir()
        x = kept(Image.fromarray(deep), folder, name)
        assert (x[0]-torch.from_numpy(deep.astype(np.float32))/257).abs().max() <= .5
    x,_ = batch(Named(2, image=[Image.fromarray(deep)]*2, label=[0, 1]))
    assert (x[0,0]*255-torch.from_numpy(deep.astype(np.float32))/257).abs().max() <= .51

def test_32_bits_have_no_white(tmp_path):
    line = said(kept, Image.fromarray(np.ones((16, 16), np.float32)), tmp_path, 'a.tif')
    assert 'a.tif' in line and 'mode F' in line and '8 bit' in line

def test_grey_stays_grey_and_mixed_becomes_colour(tmp_path):
    assert load_data(save(tmp_path/'grey', mode='L')).shape==(1, 12, 12)
    save(tmp_path/'mixed', mode='L', kinds=('cat',))
    assert load_data(save(tmp_path/'mixed', kinds=('dog',))).shape==(3, 12, 12)
    save(tmp_path/'two'/'train', mode='L')
    save(tmp_path/'two'/'test')                                       # as the training part
    assert next(iter(load_data(tmp_path/'two').test))[0].shape==(12, 1, 12, 12)

def test_mixed_pictures_of_a_data_set_are_refused():
    line = said(batch, Named(2, image=[pil('L')[0], pil()[0]], label=[0, 1]))
    assert '1x12x20' in line and '3x12x20' in line and "convert('RGB')" in line

def test_a_turned_photo_stands_upright(tmp_path):
    lying = Image.new('RGB', (24, 16), 'white')
    ImageDraw.Draw(lying).rectangle((0, 0, 11, 15), fill='black')     # left half
    exif = Image.Exif()
    exif[0x0112] = 6                                                  # to be turned clockwise
    x = kept(lying, tmp_path, 'a.jpg', exif=exif, quality=95)
    assert x[:, 1].max() < 20 and x[:, -2].min() > 235                # dark above

# ---- folders that are not what they should be ----

def broken(folder):
    file = save(folder)/'cat'/'2.jpg'
    file.write_bytes(file.read_bytes()[:300])
    return '2.jpg'

def no_picture(folder):
    (save(folder)/'cat'/'2.jpg').write_text('not a picture')
    return '2.jpg'

def one_class(folder):
    save(folder, kinds=('cat',))
    return 'one class, cat'

def empty_class(folder):
    (save(folder)/'horse').mkdir()
    return 'horse has no pictures'

def other_files(folder):
    (save(folder)/'horse').mkdir()
    (folder/'horse'/'a.heic').write_text('x')
    return 'a.heic'

def nothing(folder):
    folder.mkdir()
    return 'no class folders'

def flat(folder):
    save(folder.parent/'x', kinds=('cat',))
    (folder.parent/'x'/'cat').rename(folder)
    return 'a folder for each class'

def other_class(folder):
    save(folder/'train')
    save(folder/'test', kinds=('cat', 'cow', 'dog'))
    return 'cow'

def missing_class(folder):
    save(folder/'train')
    save(folder/'test', kinds=('cat',))
    return 'dog'

BAD = [broken, no_picture, one_class, empty_class, other_files, nothing, flat, other_class, missing_class]
@pytest.mark.parametrize('spoil', BAD, ids=lambda f: f.__name__)
def test_bad_folders_are_refused(spoil, tmp_path):
    words = spoil(tmp_path/'d')
    assert words in said(load_data, tmp_path/'d')

def test_hidden_files_are_passed_over(tmp_path):
    save(tmp_path)
    (tmp_path/'.ipynb_checkpoints').mkdir()
    (tmp_path/'cat'/'._0.jpg').write_text('x')
    (tmp_path/'cat'/'notes.txt').write_text('x')
    dls = load_data(tmp_path)
    assert dls.classes==('cat', 'dog') and len(dls.train.dataset)+len(dls.valid.dataset)==12

def test_a_picture_too_many_for_memory_is_read_when_it_is_asked_for(tmp_path, monkeypatch):
    save(tmp_path, ext='png')
    before = Files(tmp_path)
    monkeypatch.setattr(rb.data, '_IN_MEMORY', 0)
    after = load_data(tmp_path, bs=4, workers=1)
    assert after.train.dataset.ds.x is None
    x,y,i = after.train.dataset[range(9)]
    assert torch.equal(x, before[after.train.dataset.idx[:9]][0])
    assert next(iter(after.train))[0].shape==(4, 3, 12, 12)

# ---- the command ----

def prune(data, out, *flags):
    script = Path(sys.executable).parent/'robin_prune'
    quick = ['--widths', '2,4,4', '--keep', '.3', '--epochs', '1', '--steps', '1', '--eps', '.05', '--out', out]
    return subprocess.run([str(script), '--data', str(data), *map(str, quick), *flags], capture_output=True,
                          text=True, timeout=300)

def drawn(folder, n=40):
    "Discs and squares, 64 x 64"
    g = np.random.default_rng(0)
    for kind in 'disc','square':
        (folder/kind).mkdir(parents=True)
        for k in range(n):
            picture = Image.fromarray(g.integers(0, 60, (64, 64, 3), dtype=np.uint8))
            (a,b),r = g.integers(16, 48, 2), g.integers(8, 15)
            pen = ImageDraw.Draw(picture)
            draw = pen.ellipse if kind=='disc' else pen.rectangle
            draw((a-r, b-r, a+r, b+r), fill=tuple(g.integers(120, 255, 3).tolist()))
            picture.save(folder/kind/f'{k}.jpg')
    return folder

def test_forty_pictures_a_class(tmp_path):
    r = prune(drawn(tmp_path/'d'), tmp_path/'x')
    assert r.returncode==0, r.stderr
    report = json.loads((tmp_path/'x'/'report.json').read_text())
    assert report['test'] is None and report['config']['shape']==[3, 64, 64]
    assert r.stdout.count('no test part: nothing was judged; validation chose this network')==1
    hint, = [line for line in r.stdout.splitlines() if 'are few' in line]
    assert hint.startswith('64 pictures are few') and '--epochs' in hint
    assert (tmp_path/'x'/'attacks.png').exists()
    script = Path(sys.executable).parent/'robin_evaluate'
    r = subprocess.run([str(script), str(tmp_path/'x'/'model.safetensors')], capture_output=True, text=True)
    assert r.returncode==2 and 'no test part' in r.stderr and len(r.stderr.splitlines())==1, r.stderr

def test_parts_and_a_size(tmp_path):
    for part in 'train','test':
        drawn(tmp_path/'d'/part, 20)
    r = prune(tmp_path/'d', tmp_path/'x', '--size', '32', '--no_figures')
    assert r.returncode==0, r.stderr
    report = json.loads((tmp_path/'x'/'report.json').read_text())
    assert report['test']['clean']['images']==40 and report['config']['shape']==[3, 32, 32]
    script = Path(sys.executable).parent/'robin_evaluate'
    r = subprocess.run([str(script), str(tmp_path/'x'/'model.safetensors'), '--steps', '20'],
                       capture_output=True, text=True)
    told = report['test']['robust']
    assert f"{told['accuracy']:.1%}" in r.stdout.splitlines()[1] and 'of 40 images' in r.stdout, r.stderr

@pytest.mark.parametrize('said,n,words', [
    ({}, 96, '96 pictures are few: try --size 32 --epochs 60 --bs 8\n'), (dict(epochs=90), 96, 'try --size 32 --bs 8\n'),
    (dict(size=32, epochs=60, bs=8), 96, None), ({}, 2000, None), (dict(model='resnet18'), 96, None),
    (dict(data='x.npz'), 96, ': try --epochs 60 --bs 8\n')])
def test_only_what_was_not_said_is_suggested(said, n, words, tmp_path, capsys):
    asked = SimpleNamespace(**dict(data=str(tmp_path), model='small_cnn', epochs=20, bs=32) | said)
    rb.cli._suggest(asked, n, [3, 64, said.get('size', 64)])
    line = capsys.readouterr().out
    assert words in line if words else not line

def test_nothing_is_said_where_nothing_may_be(tmp_path):
    r = prune(drawn(tmp_path/'d', 10), tmp_path/'x', '--no_figures', '--quiet')
    assert r.returncode==0 and not r.stdout, r.stderr

@pytest.mark.parametrize('spoil', [broken, one_class, empty_class, flat], ids=lambda f: f.__name__)
def test_the_command_says_it_in_one_line(spoil, tmp_path):
    words = spoil(tmp_path/'d')
    r = prune(tmp_path/'d', tmp_path/'x')
    assert r.returncode==2 and words in r.stderr and len(r.stderr.splitlines())==1, r.stderr
