"""Networks: modules that hold parameters, under PyTorch's names, layouts and first values.

One layer family a file. `module` says what a module is, `state` how it is stored, `init` how
parameters are filled.
"""

from descend.core.variable import Parameter as Parameter
from descend.nn import init as init
from descend.nn.activation import GELU as GELU
from descend.nn.activation import LeakyReLU as LeakyReLU
from descend.nn.activation import ReLU as ReLU
from descend.nn.activation import Sigmoid as Sigmoid
from descend.nn.activation import Softmax as Softmax
from descend.nn.activation import Tanh as Tanh
from descend.nn.attention import MultiheadAttention as MultiheadAttention
from descend.nn.container import Flatten as Flatten
from descend.nn.container import ModuleList as ModuleList
from descend.nn.container import Sequential as Sequential
from descend.nn.convolution import Conv2d as Conv2d
from descend.nn.convolution import ConvTranspose2d as ConvTranspose2d
from descend.nn.dropout import Dropout as Dropout
from descend.nn.embedding import Embedding as Embedding
from descend.nn.linear import Identity as Identity
from descend.nn.linear import Linear as Linear
from descend.nn.loss import CrossEntropyLoss as CrossEntropyLoss
from descend.nn.loss import MSELoss as MSELoss
from descend.nn.module import Module as Module
from descend.nn.normalization import BatchNorm1d as BatchNorm1d
from descend.nn.normalization import BatchNorm2d as BatchNorm2d
from descend.nn.normalization import LayerNorm as LayerNorm
from descend.nn.pooling import AvgPool2d as AvgPool2d
from descend.nn.pooling import MaxPool2d as MaxPool2d
from descend.nn.recurrent import GRU as GRU
from descend.nn.recurrent import LSTM as LSTM
from descend.nn.recurrent import RNN as RNN
from descend.nn.recurrent import GRUCell as GRUCell
from descend.nn.recurrent import LSTMCell as LSTMCell
from descend.nn.recurrent import RNNCell as RNNCell
