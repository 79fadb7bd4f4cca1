"""The operations: differentiable functions under NumPy's names, networks' under PyTorch's.

Each works on arrays of any kind and on Variables: arrays in, arrays out; as soon as one argument is
a Variable, Variables out and the call is remembered. For Variables this module is the array module,
as numpy is for ndarrays.

One file a family; `registry` says how an operation is declared.
"""

import sys

from descend.core.arrays import register
from descend.core.variable import Variable
from descend.functions.activation import gelu as gelu
from descend.functions.activation import leaky_relu as leaky_relu
from descend.functions.activation import log_softmax as log_softmax
from descend.functions.activation import logsigmoid as logsigmoid
from descend.functions.activation import relu as relu
from descend.functions.activation import sigmoid as sigmoid
from descend.functions.activation import softmax as softmax
from descend.functions.arithmetic import abs as abs
from descend.functions.arithmetic import add as add
from descend.functions.arithmetic import clip as clip
from descend.functions.arithmetic import divide as divide
from descend.functions.arithmetic import maximum as maximum
from descend.functions.arithmetic import minimum as minimum
from descend.functions.arithmetic import multiply as multiply
from descend.functions.arithmetic import negative as negative
from descend.functions.arithmetic import power as power
from descend.functions.arithmetic import reciprocal as reciprocal
from descend.functions.arithmetic import round as round
from descend.functions.arithmetic import sign as sign
from descend.functions.arithmetic import sqrt as sqrt
from descend.functions.arithmetic import square as square
from descend.functions.arithmetic import subtract as subtract
from descend.functions.attention import multi_head_attention as multi_head_attention
from descend.functions.attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from descend.functions.comparison import all as all
from descend.functions.comparison import any as any
from descend.functions.comparison import argmax as argmax
from descend.functions.comparison import argmin as argmin
from descend.functions.comparison import argsort as argsort
from descend.functions.comparison import equal as equal
from descend.functions.comparison import full_like as full_like
from descend.functions.comparison import greater as greater
from descend.functions.comparison import greater_equal as greater_equal
from descend.functions.comparison import isfinite as isfinite
from descend.functions.comparison import isinf as isinf
from descend.functions.comparison import isnan as isnan
from descend.functions.comparison import less as less
from descend.functions.comparison import less_equal as less_equal
from descend.functions.comparison import logical_and as logical_and
from descend.functions.comparison import logical_not as logical_not
from descend.functions.comparison import logical_or as logical_or
from descend.functions.comparison import not_equal as not_equal
from descend.functions.comparison import ones_like as ones_like
from descend.functions.comparison import stop_gradient as stop_gradient
from descend.functions.comparison import zeros_like as zeros_like
from descend.functions.convolution import conv2d as conv2d
from descend.functions.convolution import conv_transpose2d as conv_transpose2d
from descend.functions.elementwise import cos as cos
from descend.functions.elementwise import cosh as cosh
from descend.functions.elementwise import exp as exp
from descend.functions.elementwise import expm1 as expm1
from descend.functions.elementwise import log as log
from descend.functions.elementwise import log1p as log1p
from descend.functions.elementwise import sin as sin
from descend.functions.elementwise import sinh as sinh
from descend.functions.elementwise import tan as tan
from descend.functions.elementwise import tanh as tanh
from descend.functions.indexing import embedding as embedding
from descend.functions.indexing import getitem as getitem
from descend.functions.indexing import index_add as index_add
from descend.functions.indexing import scatter_add as scatter_add
from descend.functions.indexing import scatter_to as scatter_to
from descend.functions.indexing import take as take
from descend.functions.indexing import take_along_axis as take_along_axis
from descend.functions.indexing import where as where
from descend.functions.linalg import solve as solve
from descend.functions.linear import linear as linear
from descend.functions.linear import matmul as matmul
from descend.functions.loss import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from descend.functions.loss import cross_entropy as cross_entropy
from descend.functions.loss import l1_loss as l1_loss
from descend.functions.loss import mse_loss as mse_loss
from descend.functions.loss import nll_loss as nll_loss
from descend.functions.normalization import batch_norm as batch_norm
from descend.functions.normalization import layer_norm as layer_norm
from descend.functions.pooling import avg_pool2d as avg_pool2d
from descend.functions.pooling import max_pool2d as max_pool2d
from descend.functions.random import dropout as dropout
from descend.functions.recurrent import gru as gru
from descend.functions.recurrent import gru_cell as gru_cell
from descend.functions.recurrent import lstm as lstm
from descend.functions.recurrent import lstm_cell as lstm_cell
from descend.functions.recurrent import rnn as rnn
from descend.functions.recurrent import rnn_cell as rnn_cell
from descend.functions.reduction import cumsum as cumsum
from descend.functions.reduction import logsumexp as logsumexp
from descend.functions.reduction import max as max
from descend.functions.reduction import mean as mean
from descend.functions.reduction import min as min
from descend.functions.reduction import prod as prod
from descend.functions.reduction import std as std
from descend.functions.reduction import sum as sum
from descend.functions.reduction import var as var
from descend.functions.shape import astype as astype
from descend.functions.shape import broadcast_to as broadcast_to
from descend.functions.shape import concatenate as concatenate
from descend.functions.shape import copy as copy
from descend.functions.shape import expand_dims as expand_dims
from descend.functions.shape import flatten as flatten
from descend.functions.shape import moveaxis as moveaxis
from descend.functions.shape import pad as pad
from descend.functions.shape import reshape as reshape
from descend.functions.shape import split as split
from descend.functions.shape import squeeze as squeeze
from descend.functions.shape import stack as stack
from descend.functions.shape import sum_to as sum_to
from descend.functions.shape import swapaxes as swapaxes
from descend.functions.shape import transpose as transpose
from descend.functions.special import erf as erf
from descend.functions.windows import fold as fold
from descend.functions.windows import unfold as unfold

register(Variable, sys.modules[__name__], holds_arrays=True)
