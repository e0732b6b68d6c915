"""The reference guide's fast voltage prediction ("Performance Optimization"), rebuilt in own words.

A scripted torch LSTM of 32 units on one thread. Each call writes the scaled sample into all rows of
a window that was allocated once, runs the whole window and scales the last output back to volts.
"""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

HIDDEN = 32
LOW = (0.0, -20.0, -20.0, 2.5)
"""Smallest SoC, current, temperature and voltage of the training data; what MinMaxScaler keeps."""
RANGE = (1.0, 30.0, 65.0, 1.7)


class Lstm(torch.nn.Module):
    """One LSTM layer; the last hidden state goes through a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(3, HIDDEN, batch_first=True)
        self.linear = torch.nn.Linear(HIDDEN, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """(batch, time, 3) -> (batch, 1)."""
        hidden, _ = self.lstm(window)
        out: torch.Tensor = self.linear(hidden[:, -1, :])
        return out


class Weights(NamedTuple):
    """Copies of the network's arrays, under torch's names."""

    weight_ih: NDArray[np.float32]
    weight_hh: NDArray[np.float32]
    bias_ih: NDArray[np.float32]
    bias_hh: NDArray[np.float32]
    head_weight: NDArray[np.float32]
    head_bias: NDArray[np.float32]


class FastVoltage:
    """The guide's optimised predictor: scripted, warmed up, its window allocated once."""

    def __init__(self, lookback: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        net = Lstm().eval()
        self.weights = Weights(*(p.detach().numpy().copy() for p in net.parameters()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; the guide uses it.
            self._model = torch.jit.script(net)
        self._window = torch.zeros(1, lookback, 3)
        with torch.no_grad():
            for _ in range(10):
                self._model(torch.randn(1, lookback, 3))

    def predict(self, soc: float, current: float, temperature: float) -> float:
        """Volts for one sample, taken to have held for the whole window."""
        self._window[0, :, 0] = (soc - LOW[0]) / RANGE[0]
        self._window[0, :, 1] = (current - LOW[1]) / RANGE[1]
        self._window[0, :, 2] = (temperature - LOW[2]) / RANGE[2]
        with torch.no_grad():
            out = self._model(self._window)
        return float(out[0, 0] * RANGE[-1] + LOW[-1])
