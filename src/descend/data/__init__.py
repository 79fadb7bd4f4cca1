"""Data sets, batches and what is done to them on their way into a network.

Read in this order: `dataset` (what a data set is), `loader` (how it becomes batches; `collate` and
`stream` are its two parts), `transforms` (what may happen to a batch of images), then the sources:
`digits` (comes with the package), `idx` (MNIST), `fashion_mnist`, `cifar`, `npz` (your own), and
`image` (a single file) and `sequence` (text and time series).

Needs NumPy alone and knows nothing of the rest of descend. Pillow and pooch are imported where
they are used.
"""

from descend.data.cifar import cifar10 as cifar10
from descend.data.collate import collate as collate
from descend.data.dataset import Dataset as Dataset
from descend.data.digits import digits as digits
from descend.data.fashion_mnist import fashion_mnist as fashion_mnist
from descend.data.idx import mnist as mnist
from descend.data.idx import read_idx as read_idx
from descend.data.image import read_image as read_image
from descend.data.loader import DataLoader as DataLoader
from descend.data.npz import load_npz as load_npz
from descend.data.sequence import pad_sequences as pad_sequences
from descend.data.sequence import sliding_windows as sliding_windows
from descend.data.transforms import Compose as Compose
from descend.data.transforms import Normalize as Normalize
from descend.data.transforms import RandomCrop as RandomCrop
from descend.data.transforms import RandomErasing as RandomErasing
from descend.data.transforms import RandomHorizontalFlip as RandomHorizontalFlip
from descend.data.transforms import RandomTranslate as RandomTranslate

__all__ = [
    "Compose",
    "DataLoader",
    "Dataset",
    "Normalize",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomTranslate",
    "cifar10",
    "collate",
    "digits",
    "fashion_mnist",
    "load_npz",
    "mnist",
    "pad_sequences",
    "read_idx",
    "read_image",
    "sliding_windows",
]
