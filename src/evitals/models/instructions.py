"""BEST_MODEL_LOADING_INSTRUCTIONS.md: how to use a job's files. Its code is run by a test."""

from evitals.models.config import Config

TEXT = """# How to load this model

A `{kind}` model: {inputs} in, `{target}` out, both in physical units; every scaling is inside.
Run the code in this folder. Nothing here is a pickle or holds code: `best_model.pth` and
`best_model_export.pt` are read with `weights_only=True`, the scaler is JSON (a pickled scaler runs
whatever its file says, and is one more file to mix up).

## In a stream, without torch

```python
from pathlib import Path

from evitals.estimators.program import machine
from evitals.models.programs import read_program

program = read_program(Path("program"))
estimator = machine(program)  # compiled through cffi where a compiler is there, else NumPy
estimator.reset()
sample = {{{sample}}}
value = estimator.step({step}, *(sample[signal.name] for signal in program.inputs))
print(f"{{value:.4f}} {{program.output.unit}}")
```

The first argument of `step` is the time since the last sample, s{fixed}. Current is positive
while charging. State is carried from step to step; `reset()` begins a new drive, `state()` and
`restore()` save it. The answer is an estimate: it replaces no hard limit.

## With torch, to train on or to take apart

```python
from pathlib import Path

import torch

from evitals.models.export import read_export

exported = read_export(Path("best_model_export.pt"))
network, scalings = exported.network, exported.scalings
columns = torch.zeros(1, 5, len(exported.metadata["columns"]))  # scaled: (cycles, samples, columns)
with torch.inference_mode():
    scaled, state = network.run(columns, network.blank(1))
value = scalings.target.undo(scaled[0].numpy()[:, None])[:, 0]  # physical units

weights = torch.load("best_model.pth", weights_only=True)  # the same weights alone
assert weights.keys() == network.state_dict().keys()
```

The columns are, in this order: {columns}.
"""


def write(config: Config, columns: tuple[str, ...], sample: dict[str, float]) -> str:
    """The instructions of one job; ``sample`` is a value of each input within its range."""
    recurrent = config.kind in ("lstm", "gru")
    step = config.step_s or 1.0
    return TEXT.format(
        kind=config.kind,
        inputs=", ".join(f"`{name}`" for name in config.inputs),
        target=config.target,
        sample=", ".join(f'"{name}": {value:.4g}' for name, value in sample.items()),
        step=step,
        fixed=f"; this model knows {step:g} s only" if recurrent else "",
        columns=", ".join(f"`{name}`" for name in columns),
    )
