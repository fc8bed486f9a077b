"""Draw `fashion_mini` from the whole of Fashion-MNIST: 6,000 training, 1,000 validation and 1,000 test pictures, classes balanced.

    python tools/make_fashion_mini.py DIR     # DIR holds the four files *-ubyte (torchvision keeps them in FashionMNIST/raw)

Training and validation pictures come from the original training set, test pictures from the original test set.
"""
import sys
from pathlib import Path
import numpy as np

SEED = 2022

def read(folder, kind):
    "Images (n,28,28) and labels (n,) as uint8"
    images = np.frombuffer((folder/f'{kind}-images-idx3-ubyte').read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28)
    return images, np.frombuffer((folder/f'{kind}-labels-idx1-ubyte').read_bytes(), np.uint8, offset=8)

def main(folder, out):
    rng = np.random.Generator(np.random.PCG64(SEED))
    x, y = read(folder, 'train')
    chosen = [rng.permutation(np.flatnonzero(y == c))[:700] for c in range(10)]
    train, valid = (rng.permutation(np.concatenate([c[part] for c in chosen])) for part in (slice(0, 600), slice(600, 700)))
    xt, yt = read(folder, 't10k')
    test = rng.permutation(np.concatenate([rng.permutation(np.flatnonzero(yt == c))[:100] for c in range(10)]))
    np.savez_compressed(out, train_images=x[train], train_labels=y[train], valid_images=x[valid], valid_labels=y[valid],
                        test_images=xt[test], test_labels=yt[test])

if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(__file__).parent.parent/'robin_nb'/'assets'/'fashion_mini.npz')
