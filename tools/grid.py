"""Does any model do? Every row of nbs/demo/grid.json is one architecture of another library, made small, taken the whole way:
masks put on, two steps of adversarial training, baked, exported, saved, packed, and each time compared with what it was.

    python tools/grid.py [NAME ...]       all, or those named; where a library is missing, nothing is written

A network is one function of this file without arguments, named after the library's own name, with the shape of a picture."""
import importlib.util, json, sys, tempfile, time, warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
import torch, torch.nn as nn
import robin_nb as rb
from robin_nb.core import write_json
from robin_nb.data import import_torchvision
from robin_nb.matrices import left_over
from robin_nb.packed import to_program
from robin_nb.train import Progress

FILE = Path(__file__).parents[1]/'nbs'/'demo'/'grid.json'
CLASSES = 4
GRID = {}                                                             # (library, name): (function, shape)

def entry(library, name, shape, build, leave=None):
    GRID[library, name] = dict(build=build, shape=shape, leave=leave)

# ---- torchvision

def tv():
    return import_torchvision().models

def named(name, **kw):
    return getattr(tv(), name)(num_classes=CLASSES, **kw)

def resnext():
    return tv().ResNet(tv().resnet.Bottleneck, [1,1,1,1], CLASSES, groups=8, width_per_group=4)

def wide_resnet():
    return tv().ResNet(tv().resnet.Bottleneck, [1,1,1,1], CLASSES, width_per_group=96)

def densenet():
    return tv().DenseNet(8, (2,2,2,2), 16, num_classes=CLASSES)

def vgg():
    net = tv().VGG(tv().vgg.make_layers([8,'M',16,'M',32,'M'], batch_norm=True), init_weights=False)
    net.avgpool = nn.AdaptiveAvgPool2d(1)
    net.classifier = nn.Linear(32, CLASSES)
    return net

def mnasnet():
    return tv().MNASNet(.35, CLASSES)

def convnext():
    blocks = [tv().convnext.CNBlockConfig(*sizes) for sizes in ((16,32,1), (32,64,1), (64,None,1))]
    return tv().ConvNeXt(blocks, num_classes=CLASSES)

def vit():
    return tv().VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=CLASSES)

def swin():
    return tv().SwinTransformer([2,2], 16, [2,2], [2,4], [4,4], num_classes=CLASSES)

def swin_v2():
    parts = tv().swin_transformer
    return tv().SwinTransformer([2,2], 16, [2,2], [2,4], [4,4], num_classes=CLASSES,
                                block=parts.SwinTransformerBlockV2,
                                downsample_layer=parts.PatchMergingV2)

def maxvit():
    return tv().MaxVit((64,64), 16, 4, [16,32], [1,1], 8, 0., num_classes=CLASSES)

def r3d():
    video = tv().video.resnet
    return video.VideoResNet(video.BasicBlock, [video.Conv3DSimple]*4, [1,1,1,1], video.BasicStem,
                             num_classes=CLASSES)

for name,kw in dict(resnet18={}, googlenet=dict(init_weights=False), squeezenet1_1={},
                    mobilenet_v2=dict(width_mult=.25), mobilenet_v3_small=dict(width_mult=.5),
                    shufflenet_v2_x0_5={}, efficientnet_b0={}, regnet_x_400mf={},
                    regnet_y_400mf={}).items():
    entry('torchvision', name, (3,64,64), partial(named, name, **kw))
for build in resnext, wide_resnet, densenet, vgg, mnasnet:
    entry('torchvision', build.__name__, (3,64,64), build)
for build in vit, swin, swin_v2:
    entry('torchvision', build.__name__, (3,32,32), build, 'train')
for build in convnext, maxvit:
    entry('torchvision', build.__name__, (3,64,64), build, 'train')
entry('torchvision', 'r3d', (3,4,32,32), r3d)

# ---- timm

def from_timm(name, **kw):
    import_torchvision()
    import timm
    return timm.create_model(name, pretrained=False, num_classes=CLASSES, **kw)

for name in ('resnet10t','mobilenetv3_small_050','lcnet_050','tinynet_e','ghostnet_050','semnasnet_075',
             'efficientnet_lite0','regnetx_002','dla46_c','rexnet_100'):
    entry('timm', name, (3,64,64), partial(from_timm, name))
for name in 'convnextv2_atto','edgenext_xx_small','mobilevit_xxs','poolformer_s12':
    entry('timm', name, (3,64,64), partial(from_timm, name), 'train')
HEADS = dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2)
for name in 'vit_tiny_patch16_224','cait_xxs24_224','beit_base_patch16_224','xcit_nano_12_p8_224':
    entry('timm', name, (3,32,32), partial(from_timm, name, **HEADS), 'train')

def mixer(**kw):
    import_torchvision()
    from timm.models.mlp_mixer import MlpMixer
    return MlpMixer(CLASSES, img_size=32, patch_size=8, num_blocks=2, embed_dim=32, **kw)

def resmlp():
    import_torchvision()
    from timm.models.mlp_mixer import Affine, ResBlock
    return mixer(block_layer=ResBlock, norm_layer=Affine, mlp_ratio=4)

for build in mixer, resmlp:
    entry('timm', build.__name__, (3,32,32), build, 'train')

# ---- transformers

def from_transformers(name, **kw):
    import_torchvision()
    import transformers
    config = getattr(transformers, f'{name}Config')(num_labels=CLASSES, **kw)
    return getattr(transformers, f'{name}ForImageClassification')(config)

TINY = dict(image_size=32, patch_size=8, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=2)
entry('transformers', 'ViT', (3,32,32), partial(from_transformers, 'ViT', **TINY), 'train')
entry('transformers', 'Dinov2', (3,32,32), partial(from_transformers, 'Dinov2', **TINY), 'train')
entry('transformers', 'ConvNextV2', (3,32,32),
      partial(from_transformers, 'ConvNextV2', num_stages=2, hidden_sizes=[16,32], depths=[1,1]), 'train')
entry('transformers', 'Swin', (3,32,32),
      partial(from_transformers, 'Swin', image_size=32, patch_size=4, embed_dim=16, depths=[1,1],
              num_heads=[2,2], window_size=4), 'train')

# ---- the whole way

def quiet_end(name, build):
    "The network of `build` with a last batch norm, for its `CLASSES` logits"
    def made():
        return rb.add_lbn(build(), CLASSES)
    made.__name__ = name
    return made

def distance(a, b):
    "How far logits `a` are from `b`, as a share of the largest of these"
    return ((a-b).abs().max()/b.abs().max()).item()

@torch.no_grad()
def logits(model, x):
    z = model(x)
    return getattr(z, 'logits', z)

@torch.no_grad()
def settled(net, x, passes=40):
    "`net` in eval mode, after its norms have seen pictures as in a longer run"
    for _ in range(passes):
        net.train()(x)
    return net.eval()

def trained(build, shape, leave):
    "A network after two steps of adversarial training, and what it is asked about"
    rb.set_seed(0)
    net = rb.sparsify(build(), keep=.1, leave=leave, train_norm=True)
    g = torch.Generator().manual_seed(0)
    x,y = torch.rand(24, *shape, generator=g), torch.arange(24)%CLASSES
    before = [s.detach().clone() for s in rb.scores(net)]
    rb.fit(net, ((x[:16], y[:16]), (x[16:], y[16:])), 2, rb.at(rb.pgd(rb.Linf(.05), 1, bn='batch')),
           opt=rb.sgd(.1), callbacks=[Progress(False)])
    assert any(not torch.equal(a, b) for a,b in zip(before, rb.scores(net))), 'no score has moved'
    return settled(net, x), x[:4]

def packed(net, file, about, build):
    "Pack `net`, its norms in two bytes a number if that serves, and say in how many"
    for statistics in 'fp16','fp32':
        try:
            rb.save_packed(net, file, about, statistics, build)
            return statistics
        except ValueError as e:
            if 'fp32' not in str(e):
                raise

def whole_way(name, build, shape, leave, folder):
    "A row: weights, what stays, and how far the logits are behind each door"
    build = quiet_end(name, build)
    net,x = trained(build, shape, leave)
    z,table = logits(net, x), rb.mask_table(net)
    assert z.isfinite().all() and z.shape==(4,CLASSES)
    row = dict(weights=table[-1]['n'], keep=table[-1]['keep'], layers=len(rb.scores(net)),
               left=sum(r.get('values') in ('trained','frozen') for r in table))
    plain = rb.bake(net)
    row['baked'] = distance(logits(plain, x), z)
    to_program(plain, folder/'net.pt2', shape)
    row['exported'] = distance(logits(torch.export.load(folder/'net.pt2').module(), x), z)
    about = dict(args={}, shape=list(shape))
    rb.save_model(net, folder/'net.safetensors', about, build)
    row['saved'] = distance(logits(rb.load(folder/'net.safetensors', build), x), z)
    row['statistics'] = packed(net, folder/'net.robin', about, build)
    row['packed'] = distance(logits(rb.load(folder/'net.robin', build), x), z)
    return row | dict(bytes=(folder/'net.robin').stat().st_size, dense_bytes=4*row['weights'])

def run(library, name):
    "The row of one network; where a door is closed, what it says"
    start,row = time.perf_counter(), dict(library=library, network=name)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action='ignore'):
        try:
            row |= whole_way(name, **GRID[library, name], folder=Path(folder))
        except Exception as e:
            row['error'] = f"{type(e).__name__}: {' '.join(str(e).split())[:200]}"
    return row | dict(seconds=round(time.perf_counter()-start, 1))

def main(names):
    known = json.loads(FILE.read_text())['rows'] if FILE.exists() else []
    rows = {(row['library'], row['network']): row for row in known}
    libraries = dict.fromkeys(library for library,_ in GRID)
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    for library,name in GRID:
        if name in (names or [name]) and library not in missing:
            rows[library, name] = run(library, name)
            print(json.dumps(rows[library, name]), flush=True)
    for library in missing:
        print(f"{library} is not installed: pip install 'robin_nb[guests]'")
    versions = {name: version(name) for name in (*libraries, 'torch') if name not in missing}
    if not missing:
        write_json(dict(versions=versions, rows=[rows[key] for key in GRID if key in rows]), FILE)

if __name__=='__main__':
    main(sys.argv[1:])
