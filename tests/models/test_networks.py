from typing import Any

import numpy as np
import pytest

from tests.models import drives

torch = pytest.importorskip("torch")

from evitals.errors import InputError  # noqa: E402
from evitals.estimators.program import Program  # noqa: E402
from evitals.estimators.program.interpreter import Interpreter  # noqa: E402
from evitals.models.networks import (  # noqa: E402
    build,
    exponential_means,
    fit_scalings,
    to_program,
)
from evitals.models.training import predict, tensors  # noqa: E402

MODELS = [
    {"kind": "filterbank", "hidden": [9, 7]},
    {"kind": "filterbank", "hidden": [9], "activation": "relu", "bend_a": 0.2, "tau_s": [4.0]},
    {"kind": "fnn", "hidden": [9, 7]},
    {"kind": "fnn", "bend_a": 0.5, "activation": "relu"},
    {"kind": "lstm", "size": 6},
    {"kind": "lstm", "size": 6, "skip": True, "bend_a": 0.5},
    {"kind": "gru", "size": 6},
    {"kind": "gru", "size": 6, "skip": True, "bend_a": 0.5},
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_program_answers_as_the_network(model: dict[str, Any]) -> None:
    config = drives.config(model=model)
    cycle = drives.drive("A", 0.0, samples=300)
    torch.manual_seed(3)
    network = build(config)
    scalings = fit_scalings(config, [cycle, drives.drive("B", 25.0)])
    program = to_program(config, network, scalings)
    assert network.parameters_count > 0
    x, _ = tensors(config, scalings, cycle)
    there = scalings.target.undo(predict(network, x).numpy()[:, None])[:, 0]
    whole = Interpreter(program).run(cycle.timed())
    np.testing.assert_allclose(whole, there, atol=1e-5)
    machine = Interpreter(Program.from_files(program.to_files()))
    steps = [
        machine.step(dt, *(cycle.columns[name][k] for name in config.inputs))
        for k, dt in enumerate(cycle.dt_s)
    ]
    np.testing.assert_allclose(steps, whole, atol=1e-9)


def test_a_network_carries_its_state_over_windows() -> None:
    config = drives.config(model={"kind": "lstm", "size": 5})
    torch.manual_seed(0)
    network = build(config)
    x = torch.randn(1, 90, 3)
    whole, _ = network.run(x, network.blank(1))
    first, state = network.run(x[:, :40], network.blank(1))
    second, _ = network.run(x[:, 40:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_other_targets_are_learnt_alike() -> None:
    config = drives.config(
        recipe={"inputs": ["voltage_v", "current_a", "temperature_degc"], "target": "soc"}
    )
    cycle = drives.drive("A")
    program = to_program(config, build(config), fit_scalings(config, [cycle]))
    assert program.output.name == "soc"
    assert program.output.unit == "1"
    assert [signal.name for signal in program.inputs] == list(config.inputs)


def test_exponential_means_know_their_step() -> None:
    means = exponential_means(np.full(50, 2.0), np.full(50, 3.0), [10.0, 100.0])
    after = 2.0 * np.arange(1, 51)[:, None]
    np.testing.assert_allclose(means, 3.0 * (1.0 - np.exp(-after / [10.0, 100.0])), rtol=1e-12)


def test_a_constant_input_is_refused() -> None:
    cycle = drives.drive("A")
    cycle.columns["temperature_degc"][:] = 25.0
    with pytest.raises(InputError, match="is constant") as caught:
        fit_scalings(drives.config(), [cycle])
    assert caught.value.field == "temperature_degc"
