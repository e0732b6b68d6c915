"""An estimator as data: the one small form that is interpreted, compiled and exported."""

from evitals.estimators.program.engine import Engine, machine
from evitals.estimators.program.machine import Machine, Status
from evitals.estimators.program.program import Input, Node, Output, Program

__all__ = ["Engine", "Input", "Machine", "Node", "Output", "Program", "Status", "machine"]
