"""Programs answer like the torch modules their weights come from (skips without torch)."""

import numpy as np
import pytest

from evitals.estimators.program import builders as b
from evitals.estimators.program import machine

from .made_up import SCALING, columns

torch = pytest.importorskip("torch", reason="needs torch: pip install 'evitals[bench]'")


def scaled(made: dict[str, np.ndarray]) -> np.ndarray:
    x = np.column_stack([made["soc"], made["current_a"], made["temperature_degc"]])
    x *= np.asarray(SCALING.scale)
    x += np.asarray(SCALING.offset)
    return x


def weights(module: object, *names: str) -> list[np.ndarray]:
    return [getattr(module, name).detach().numpy() for name in names]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_recurrent_networks(kind: str, layers: int) -> None:
    torch.manual_seed(layers)
    whole = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](3, 16, layers, batch_first=True)
    head = torch.nn.Linear(16, 1)
    names = ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l")
    cells = [weights(whole, *(f"{n}{k}" for n in names)) for k in range(layers)]
    last = [b.Layer(*weights(head, "weight", "bias"))]
    if kind == "lstm":
        program = b.lstm([b.Lstm(*cell) for cell in cells], last, 1.0, scaling=SCALING)
    else:
        program = b.gru([b.Gru(*cell) for cell in cells], last, 1.0, scaling=SCALING)
    made = columns(1000)
    with torch.no_grad():
        hidden, _ = whole(torch.tensor(scaled(made), dtype=torch.float32)[None])
        expected = head(hidden)[0, :, 0].numpy()
    np.testing.assert_allclose(machine(program, "numpy").run(made), expected, atol=2e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_feed_forward_networks(activation: str) -> None:
    torch.manual_seed(0)
    linear = [torch.nn.Linear(3, 32), torch.nn.Linear(32, 32), torch.nn.Linear(32, 1)]
    bend = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[activation]()
    net = torch.nn.Sequential(linear[0], bend, linear[1], bend, linear[2])
    layers = [b.Layer(*weights(m, "weight", "bias")) for m in linear]
    program = b.fnn(layers, activation=activation, scaling=SCALING)
    made = columns(1000)
    with torch.no_grad():
        expected = net(torch.tensor(scaled(made), dtype=torch.float32))[:, 0].numpy()
    np.testing.assert_allclose(machine(program, "numpy").run(made), expected, atol=2e-6)
