import gzip
import struct

import numpy as np
import pytest

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def encode_idx(array):
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="session")
def write_idx():
    """A function that writes an array as an IDX file and returns its decompressed bytes."""

    def write(path, array):
        data = encode_idx(np.asarray(array))
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
        return data

    return write
