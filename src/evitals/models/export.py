"""The trained network as one torch file: weights and everything that rebuilds it, as plain data.

``torch.load(path, weights_only=True)`` reads it: tensors, numbers and texts, no code. Format 1:
``format``, ``version``, ``state_dict``, ``metadata``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from evitals.errors import InputError
from evitals.models.config import Config, parse_config, to_tree
from evitals.models.networks import Network, Scalings, build, front_of
from evitals.models.scaling import Scaling
from evitals.models.training import save

FORMAT, VERSION = "evitals-network", 1


@dataclass(frozen=True, slots=True)
class Exported:
    """A network with its weights, and what it was made of."""

    config: Config
    network: Network
    scalings: Scalings
    metadata: dict[str, Any]


def write_export(
    path: Path, config: Config, network: Network, scalings: Scalings, more: dict[str, Any]
) -> None:
    """Write it; ``more`` is plain data that joins the metadata."""
    metadata = {
        "kind": config.kind,
        "model": to_tree(config)["model"],
        "inputs": list(config.inputs),
        "target": config.target,
        "step_s": config.step_s,
        "columns": list(front_of(config).columns),
        "parameters": network.parameters_count,
        "scaling": msgspec.to_builtins(scalings.seen),
        "target_scaling": msgspec.to_builtins(scalings.target),
        "ranges": {name: list(span) for name, span in scalings.ranges.items()},
        "config": to_tree(config),
        **more,
    }
    plain = msgspec.json.decode(msgspec.json.encode(metadata))
    content = {
        "format": FORMAT,
        "version": VERSION,
        "state_dict": network.state_dict(),
        "metadata": plain,
    }
    save(path, content)


def read_export(path: Path) -> Exported:
    """The network in a file of ``write_export``; nothing in the file is run. Raises InputError."""
    try:
        content = torch.load(path, weights_only=True)
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise ValueError(f"{content['format']} {content['version']} is not {FORMAT} {VERSION}")
        metadata = content["metadata"]
        config = parse_config(metadata["config"])
        network = build(config)
        network.load_state_dict(content["state_dict"])
        scalings = Scalings(
            msgspec.convert(metadata["scaling"], Scaling),
            msgspec.convert(metadata["target_scaling"], Scaling),
            {name: (low, high) for name, (low, high) in metadata["ranges"].items()},
        )
    except InputError:
        raise
    except Exception as error:
        # torch has no common class for what may be wrong with a file.
        raise InputError(
            "export",
            path.name,
            f"holds no network: {str(error)[:200]}",
            "give a best_model_export.pt",
        ) from error
    network.eval()
    return Exported(config, network, scalings, metadata)
